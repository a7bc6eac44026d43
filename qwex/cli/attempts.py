"""The attempts of a job, as its events tell them: when each started, how long it ran, and why the next one followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qwex.events import Event

__all__ = ["Attempt", "attempts_of"]


class Attempt(NamedTuple):
    """One start of a job. Times are seconds since the epoch; ``reason`` and ``message`` say why it ended."""

    number: int
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    message: str = ""


def attempts_of(events: Iterable[Event]) -> list[Attempt]:
    """The attempts in order; the reason of one that another followed is why it counts no more: Preempted, Retry."""
    found: list[Attempt] = []
    for event in events:
        if event.type != "state":
            continue
        if found and event.attempt > found[-1].number:
            found[-1] = _ended(found[-1], event)
        if not found or event.attempt > found[-1].number:
            found.append(Attempt(event.attempt))
        if event["state"] == JobState.RUNNING:
            found[-1] = found[-1]._replace(started_at=event.ts)
        elif JobState(event["state"]).terminal:
            found[-1] = _ended(found[-1], event)
    return found


def _ended(attempt: Attempt, event: Event) -> Attempt:
    return attempt._replace(ended_at=event.ts, reason=event.get("reason") or "", message=event.get("message") or "")
