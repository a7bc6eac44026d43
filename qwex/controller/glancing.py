"""What a row in a list shows of each job beside its record; costs nothing for jobs that nobody looks at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from qwex.controller.bars import progress_of
from qwex.controller.eventlog import tail
from qwex.controller.explaining import why
from qwex.controller.textlog import last_line
from qwex.record import Glance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qwex.controller.auth import Caller
    from qwex.controller.backends import Backends
    from qwex.controller.eventlog import Logs
    from qwex.controller.finding import Finding
    from qwex.record import JobRecord
    from qwex.state import Why

__all__ = ["Glancing"]

#: Bytes at a log's end that are looked at; the second where there is no text in the first: a figure may be that large.
_TAILS = (1 << 16, 1 << 20)
#: Characters of a line that are shown.
_WIDTH = 200


class Glancing:
    """Reads what is in the logs; whoever only glances makes no backend tell more."""

    def __init__(self, finding: Finding, logs: Logs, backends: Backends) -> None:
        self._finding = finding
        self._logs = logs
        self._backends = backends

    async def glance(self, run_ids: Sequence[str], caller: Caller) -> list[Glance]:
        """Those of the jobs that there are, in that order."""
        records = await self._finding.records(run_ids)
        logs = [(self._logs.path(each.id), each.attempt) if caller.may_read(each) else None for each in records]
        lines, whys = await asyncio.gather(
            asyncio.to_thread(lambda: [_line(*log) if log else "" for log in logs]),
            asyncio.gather(*map(self._why, records)),
        )
        found = zip(records, lines, whys, strict=True)
        return [Glance(record.id, _cut(line), progress_of(line), why) for record, line, why in found]

    async def _why(self, record: JobRecord) -> Why | None:
        started = record.started_at is not None or record.state.terminal
        return None if started else await why(record, self._backends)


def _line(log: Path, attempt: int) -> str:
    return next(filter(None, (last_line(tail(log, size), attempt) for size in _TAILS)), "")


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
