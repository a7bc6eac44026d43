"""What a row in a list shows of each job beside its record; costs nothing for jobs that nobody looks at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from qwex.controller.bars import cells_done, progress_of
from qwex.controller.eventlog import tail
from qwex.controller.explaining import why
from qwex.controller.records import find
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
_NOTHING: tuple[str, float | None] = ("", None)


class Glancing:
    """Reads what is in the logs; whoever only glances makes no backend tell more."""

    def __init__(self, finding: Finding, logs: Logs, backends: Backends) -> None:
        self._finding = finding
        self._logs = logs
        self._backends = backends

    async def glance(self, run_ids: Sequence[str], caller: Caller) -> list[Glance]:
        """Those of the jobs that there are, in that order."""
        records = await self._finding.records(run_ids)
        logs = [(self._path(each, caller), each, self._finding.cell(each.id)) for each in records]
        seen, whys = await asyncio.gather(
            asyncio.to_thread(lambda: [_seen(log, job, cell) if log else _NOTHING for log, job, cell in logs]),
            asyncio.gather(*map(self._why, records)),
        )
        found = zip(records, seen, whys, strict=True)
        return [Glance(record.id, _cut(line), progress, why) for record, (line, progress), why in found]

    def _path(self, record: JobRecord, caller: Caller) -> Path | None:
        return self._logs.path(record.id) if caller.may_read(record) else None

    async def _why(self, record: JobRecord) -> Why | None:
        started = record.started_at is not None or record.state.terminal
        return None if started else await why(record, self._backends)


def _seen(log: Path, record: JobRecord, cell: dict[str, Any] | None) -> tuple[str, float | None]:
    """The last line, and how far the job is; ``cell`` is what is known of a notebook without its log."""
    line = ""
    for size in _TAILS:
        lines = tail(log, size)
        if line := last_line(lines, record.attempt):
            break
    if record.kind != "notebook":
        return line, progress_of(line)
    begun = [cell] if cell else [*find(lines, "cell")][-1:]
    return line, cells_done(begun[0] if begun else None, record.attempt)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
