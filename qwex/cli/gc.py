"""``qwex gc``: remove old jobs, and what nobody needs of the artifact store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Flag, Given
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, safe, say
from qwex.quantities import format_bytes
from qwex.wording import span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwex.record import Collected

__all__ = ["COMMAND"]

#: Ids that a dry run prints.
_SHOWN = 20


def _run(given: Given) -> int:
    found = client().gc(older=given["older"], dry_run=given["dry_run"])
    if given["json"]:
        print_json(found.as_dict())
        return _code(found)
    say(_removed(found))
    for run_id in found.ids[:_SHOWN] if found.dry_run else ():
        say(f"  {run_id}")
    if found.dry_run and found.jobs > _SHOWN:
        say(f"  and {found.jobs - _SHOWN:,} more")
    for line in _beside(found):
        note(safe(line))
    return _code(found)


def _code(found: Collected) -> int:
    return exits.FAILED if found.problems else exits.OK


def _removed(found: Collected) -> str:
    """``removed 12 jobs and 3 blobs: 84 MB``."""
    logs = [_some(found.logs, "log that no job has any more", "logs that no job has any more")] * bool(found.logs)
    jobs, blobs = _some(found.jobs, "job", "jobs"), _some(found.blobs, "blob", "blobs")
    parts = [part for part, count in ((jobs, found.jobs), (blobs, found.blobs)) if count] + logs
    done = "would remove" if found.dry_run else "removed"
    if not parts:
        return f"{done} nothing"
    together = " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
    return f"{done} {together}: {format_bytes(found.bytes)}"


def _beside(found: Collected) -> Iterator[str]:
    """What stays, and why."""
    for each in found.stay:
        yield f"{_some(each.jobs, 'job stays', 'jobs stay')}: {each.why}"
    if found.waiting:
        blobs = _some(found.waiting, "blob that nobody needs goes", "blobs that nobody needs go")
        yield f"{blobs} with a collection a day from now, if nobody needs {'it' if found.waiting == 1 else 'them'} then"
    if found.elsewhere:
        jobs = _some(found.elsewhere, "job of another controller has", "jobs of other controllers have")
        since = span(time.time() - (found.elsewhere_since or time.time()))
        yield f"{jobs} not ended yet, the first of them for {since}: what these need stays"
    for problem in found.problems:
        yield f"blobs stay: {problem}"
    if found.unfinished:
        yield "the controller is still at it, and goes on; this is how far it has come"


def _some(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


COMMAND = Command(
    "remove old jobs, and blobs that nobody needs",
    _run,
    flags=(
        Flag(
            "older",
            "--older",
            "jobs that ended so long ago: 30d, 12h (default: the setting keep)",
            "",
            str,
            metavar="AGE",
        ),
        Flag("dry_run", "--dry-run", "only say what would be removed"),
        JSON,
    ),
    examples=("qwex gc --older 30d --dry-run", "qwex gc --older 30d"),
)
