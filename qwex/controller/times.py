"""When a job moved: as its controller learned of it, or as the job's own record knows better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.record import JobRecord

__all__ = ["times", "true_times"]


def times(state: JobState, now: float) -> dict[str, Any]:
    """The times of a record that a move to ``state`` sets."""
    if state is JobState.QUEUED:
        return {"queued_at": now, "admitted_at": None, "started_at": None}
    if state.terminal:
        return {"ended_at": now}
    return {"admitted_at": now} if state is JobState.ADMITTED else {"started_at": now}


def true_times(record: JobRecord, exit: Mapping[str, Any], until: float) -> dict[str, Any]:
    """When the attempt of an ``exit`` record began and ended, though nobody may have seen either: by ``until``.

    The exit record is of another clock, which may differ from this one: of it only the duration counts, except where
    nobody saw the attempt begin.
    """
    duration = exit.get("duration")
    if duration is None:
        return {}
    began = exit["ts"] - duration if record.started_at is None else record.started_at
    waited_until = record.admitted_at or record.queued_at or record.created_at
    ended_at = min(max(began, waited_until) + duration, until)
    return {"started_at": max(ended_at - duration, waited_until), "ended_at": ended_at}
