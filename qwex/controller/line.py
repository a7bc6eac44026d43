"""The line of jobs that have news for one of a tracker's places, and whether that place can be reached."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwex.controller.job import LiveJob

__all__ = ["Away", "Line"]

#: Jobs that a place is told of at once; and how many of these may have long stories, which leave room for news.
_WORKERS, _LONG = 4, 3
#: Seconds between two tries of a place that cannot be reached: first and longest.
_PAUSE = (0.5, 60.0)


@dataclass
class Away:
    """Why a place cannot be reached, since when (seconds since the epoch), and when it is tried again."""

    why: str
    since: float = field(default_factory=time.time)
    pause: float = _PAUSE[0]
    #: On the monotonic clock.
    next_try: float = field(default_factory=lambda: time.monotonic() + _PAUSE[0])


class Line:
    """Jobs in the order in which their news came; what should be known at once goes before the rest of a story.

    Each place has a line of its own, so that one that hangs holds up no other.
    """

    def __init__(self) -> None:
        self.away: Away | None = None
        self.busy: dict[str, LiveJob] = {}
        self._urgent: dict[str, LiveJob] = {}
        self._rest: dict[str, LiveJob] = {}

    @property
    def waiting(self) -> dict[str, LiveJob]:
        """Jobs of which there is news that was not told yet."""
        return {**self.busy, **self._urgent, **self._rest}

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._urgent or run_id in self._rest

    def put(self, job: LiveJob, *, urgent: bool) -> None:
        """It has news; who stands in the line stays at its place, unless it has become urgent."""
        if urgent:
            self._rest.pop(job.id, None)
            self._urgent.setdefault(job.id, job)
        elif job.id not in self._urgent:
            self._rest.setdefault(job.id, job)

    def remove(self, run_id: str) -> None:
        """It has no news any more."""
        self._urgent.pop(run_id, None)
        self._rest.pop(run_id, None)

    def take(self, now: float) -> LiveJob | None:
        """The next to tell of, which is busy then; None where that has to wait.

        Of a place that cannot be reached, one job now and then.
        """
        if self.away and (self.busy or now < self.away.next_try):
            return None
        if len(self.busy) >= _WORKERS:
            return None
        candidates = self._urgent if len(self.busy) >= _LONG else chain(self._urgent, self._rest)
        found = next((run_id for run_id in candidates if run_id not in self.busy), None)
        if found is None:
            return None
        job = self.busy[found] = (self._urgent if found in self._urgent else self._rest).pop(found)
        if self.away:
            self.away.next_try = now + self.away.pause
            self.away.pause = min(self.away.pause * 2, _PAUSE[1])
        return job
