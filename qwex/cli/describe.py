"""Jobs in a terminal: one line, why it waits, what to do next. The words are those of ``qwex.wording``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex import wording
from qwex.cli.screen import safe
from qwex.state import JobState
from qwex.wording import amount, attempt, cause, ended, joined, ordinal, ran, remedy, standing, used

if TYPE_CHECKING:
    from qwex.record import JobRecord
    from qwex.state import Why

__all__ = ["STYLES", "amount", "headline", "next_steps", "ordinal", "used", "waiting"]

STYLES = {
    JobState.PENDING: "yellow",
    JobState.QUEUED: "yellow",
    JobState.ADMITTED: "cyan",
    JobState.RUNNING: "blue",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "dim",
}


def headline(record: JobRecord, why: Why | None = None) -> str:
    """The job in one line: ``✔ train-7k3f9q  finished in 3m12s``."""
    return f"{wording.SIGNS[record.state]} {record.id}  {_standing(record, why)}"


def _standing(record: JobRecord, why: Why | None) -> str:
    if record.state is JobState.FAILED:
        return joined(ended(record), safe(cause(record)), _remedy(record))
    if record.state.terminal:
        return ended(record)
    if record.state is JobState.RUNNING:
        return joined(f"RUNNING  {ran(record)}".rstrip(), attempt(record), safe(cause(record)) if record.reason else "")
    return safe(standing(record, why))


def _remedy(record: JobRecord) -> str:
    command = remedy(record)
    return f"more memory: qwex {command}" if command else ""


def waiting(why: Why) -> str:
    """Where it stands and what it waits for, safe for a terminal."""
    return safe(wording.waiting(why))


def next_steps(run_id: str, *, after: int = 0) -> str:
    """The commands that a person may want next."""
    offset = f" --offset {after}" if after else ""
    steps = {"follow": f"logs {run_id} --follow{offset}", "why": f"why {run_id}", "stop": f"cancel {run_id}"}
    return "\n".join(f"  {word:<8} qwex {command}" for word, command in steps.items())
