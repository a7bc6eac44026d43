"""Jobs in words: one line, a table's row, why it waits, what to do next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qwex.cli.screen import safe
from qwex.quantities import format_bytes, format_duration
from qwex.state import JobState, Reason

if TYPE_CHECKING:
    from qwex.record import JobRecord
    from qwex.state import QuotaLine, Why

__all__ = ["STYLES", "age", "amount", "headline", "next_steps", "ordinal", "ran", "used", "waiting"]

STYLES = {
    JobState.PENDING: "yellow",
    JobState.QUEUED: "yellow",
    JobState.ADMITTED: "cyan",
    JobState.RUNNING: "blue",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "dim",
}
_SIGNS = {
    JobState.ADMITTED: "◐",
    JobState.RUNNING: "●",
    JobState.SUCCEEDED: "✔",
    JobState.FAILED: "✖",
    JobState.CANCELLED: "⦸",
}
#: Seconds below which milliseconds say more.
_SHORT = 0.1
_AGES = ((86400, "d"), (3600, "h"), (60, "m"))


def headline(record: JobRecord, why: Why | None = None) -> str:
    """The job in one line: ``✔ train-7k3f9q  finished in 3m12s``."""
    return f"{_SIGNS.get(record.state, '◌')} {record.id}  {_standing(record, why)}"


def _standing(record: JobRecord, why: Why | None) -> str:
    took = ran(record)
    if record.state is JobState.SUCCEEDED:
        return f"finished in {took}"
    if record.state is JobState.FAILED:
        return _joined(f"failed after {took}" if took else "failed", _cause(record))
    if record.state is JobState.CANCELLED:
        return f"cancelled after {took}" if took else "cancelled before it started"
    attempt = f"attempt {record.attempt}" if record.attempt > 1 else ""
    if record.state is JobState.RUNNING:
        return _joined(f"RUNNING  {took}".rstrip(), attempt)
    return _joined(f"{record.state}  {waiting(why) if why else _cause(record)}".rstrip(), attempt)


def _cause(record: JobRecord) -> str:
    """The reason and its sentence; an exception's names itself."""
    reason = "" if record.reason == Reason.EXCEPTION and record.message else record.reason
    return ": ".join(part for part in (reason, safe(record.message)) if part)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def waiting(why: Why) -> str:
    """``3rd in gpu-team, 11th in the cluster queue · waits for 1 GPU: 8 of 8 in use · starts in …``."""
    places = []
    if why.position and f"{ordinal(why.position)} in {why.position_in}" not in why.summary:
        places.append(f"{ordinal(why.position)} in {why.position_in or 'the queue'}")
    if why.cluster_position:
        places.append(f"{ordinal(why.cluster_position)} in the cluster queue")
    eta = ""
    if why.eta:
        low, high = (format_duration(seconds) for seconds in why.eta)
        eta = f"starts in {low}–{high}" + (f" ({why.basis})" if why.basis else "")
    return safe(_joined(", ".join(places), why.summary, eta))


def ran(record: JobRecord) -> str:
    """How long the present attempt ran, or has been running; empty when it has not started."""
    if record.started_at is None:
        return ""
    seconds = max((record.ended_at or time.time()) - record.started_at, 0)
    return format_duration(seconds) if seconds >= _SHORT else f"{seconds * 1000:.0f}ms"


def age(record: JobRecord) -> str:
    """How long ago it was submitted: ``12s``, ``3m``, ``2h``, ``5d``."""
    seconds = max(time.time() - record.created_at, 0)
    for step, unit in _AGES:
        if seconds >= step:
            return f"{int(seconds // step)}{unit}"
    return f"{int(seconds)}s"


def used(line: QuotaLine) -> str:
    """``1 of 2``: what is used of what is allowed."""
    allowed = "" if line.nominal is None else f" of {amount(line, line.nominal)}"
    return f"{amount(line, line.used)}{allowed}"


def amount(line: QuotaLine, number: float) -> str:
    """A number in the resource's unit."""
    return format_bytes(number) if line.resource == "memory" else f"{number:g}"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def next_steps(run_id: str, *, after: int = 0) -> str:
    """The commands that a person may want next."""
    offset = f" --offset {after}" if after else ""
    steps = {"follow": f"logs {run_id} --follow{offset}", "why": f"why {run_id}", "stop": f"cancel {run_id}"}
    return "\n".join(f"  {word:<8} qwex {command}" for word, command in steps.items())
