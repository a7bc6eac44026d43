"""A job's record as its state events change it, between two answers of the controller."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qwex.state import JobState

if TYPE_CHECKING:
    from qwex.events import Event
    from qwex.record import JobRecord

__all__ = ["moved"]

_TIMES = {JobState.QUEUED: "queued_at", JobState.ADMITTED: "admitted_at", JobState.RUNNING: "started_at"}


def moved(record: JobRecord, event: Event) -> JobRecord:
    """The record after a state event; what the event does not tell is as it was."""
    state = JobState(event["state"])
    if state is JobState.PENDING:  # the record has it already, and may know more
        return record
    known: dict[str, Any] = {key: event.get(key) for key in ("reason", "message", "exit_code") if key in event.data}
    if state is JobState.QUEUED:  # a new attempt starts over
        known.update(admitted_at=None, started_at=None)
    known["ended_at" if state.terminal else _TIMES[state]] = event.ts
    return replace(record, state=state, attempt=event.attempt, **known)
