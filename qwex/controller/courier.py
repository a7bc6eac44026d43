"""Tells one tracker every job's story from its log, in order, as often as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from qwex import events
from qwex.controller.eventlog import Cursor
from qwex.controller.records import are_streams, type_of
from qwex.errors import TrackerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwex.controller.eventlog import EventLog
    from qwex.controller.job import LiveJob
    from qwex.events import Event
    from qwex.tracker import Tracked, TrackedJob, Tracker

__all__ = ["Courier", "Office", "Place"]

log = logging.getLogger(__name__)

#: Jobs that a tracker is told of at once.
_WORKERS = 4
#: Seconds between two tries of a tracker that cannot be reached: first and longest.
_PAUSE = (0.5, 60.0)
#: Seconds for which records other than states may gather.
_GATHER = 0.5
#: Seconds between two looks at whether a call has ended.
_LOOK = 0.05
#: Failures of a tracker over one job's news, after which it is not told of those.
_TRIES = 3


class Place(NamedTuple):
    """How far a tracker has come with a job; part of the job's row."""

    reference: str = ""
    #: The attempt that it has begun; 0 before the first.
    attempt: int = 0
    #: Records of the log that it has been told of.
    lines: int = 0
    #: It is told no more of this job.
    done: bool = False


@dataclass
class _Away:
    """Something that cannot be reached: why, since when (seconds since the epoch), and when it is tried again."""

    why: str
    since: float
    pause: float = _PAUSE[0]
    #: On the monotonic clock.
    next_try: float = 0.0


class Office(Protocol):
    """What couriers share."""

    async def subject(self, job: LiveJob, place: Place, attempt: int, cause: str) -> TrackedJob:
        """The job as a tracker sees it."""

    async def story(self, job: LiveJob) -> EventLog:
        """The job's log; ``release`` it."""

    def release(self, story: EventLog) -> None:
        """The inverse of ``story``."""

    def began(self, tracker: str, job: LiveJob, attempt: int, tracked: Tracked | None) -> None:
        """A tracker has answered for an attempt, or cannot for now (None)."""

    def moved(self, tracker: str, job: LiveJob, place: Place) -> None:
        """Keep how far it has come."""


class Courier:
    """Each job's news in their order; a tracker that cannot be reached is told everything later."""

    def __init__(self, tracker: Tracker, office: Office) -> None:
        self.tracker = tracker
        self._office = office
        self._types = frozenset(type.encode() for type in tracker.types) | {b"state"}
        #: Jobs with news, in the order in which these came.
        self._due: dict[str, LiveJob] = {}
        self._busy: dict[str, LiveJob] = {}
        self._gathering: set[str] = set()
        #: Jobs that the tracker may have begun without our knowing.
        self._doubtful: set[str] = set()
        self._failures: Counter[str] = Counter()
        #: What cannot be reached now, by its name.
        self._away: dict[str, _Away] = {}
        #: What kept jobs from being told of.
        self._where: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = {asyncio.create_task(self._run())}

    def place(self, job: LiveJob) -> Place:
        """How far it has come."""
        return Place(*job.tracked.get(self.tracker.name, ()))

    @property
    def problem(self) -> str:
        """Why something cannot be reached; empty when all can."""
        return next((each.why for each in self._away.values()), "")

    @property
    def since(self) -> float | None:
        """Since when, in seconds since the epoch."""
        return min((each.since for each in self._away.values()), default=None)

    def is_away(self, job: LiveJob) -> bool:
        """Whether what the job's news go to cannot be reached, as far as that is known."""
        return self._away_of(job) is not None

    def standing_of(self, job: LiveJob) -> tuple[str, float | None]:
        """Why what the job's news go to cannot be reached, and since when; empty when it can."""
        away = self._away_of(job)
        return (away.why, away.since) if away else ("", None)

    @property
    def waiting(self) -> dict[str, LiveJob]:
        """Jobs of which there is news that it was not told yet."""
        return {**self._busy, **self._due}

    def doubt(self, job: LiveJob) -> None:
        """An earlier controller may have begun with it."""
        self._doubtful.add(job.id)

    def news(self, job: LiveJob, *, at_once: bool = True) -> None:
        """There is something to tell of the job."""
        if self.place(job).done:
            return
        if self.is_away(job):
            self._office.began(self.tracker.name, job, job.record.attempt, None)
        if at_once:
            self._put(job)
        elif job.id not in self._gathering:
            self._gathering.add(job.id)
            asyncio.get_running_loop().call_later(_GATHER, self._put, job)

    async def drop(self, job: LiveJob) -> None:
        """The job is not recorded any more: tell nothing more of it, and have the tracker forget what it was told."""
        self._due.pop(job.id, None)
        while job.id in self._busy:  # noqa: ASYNC110 - one call of the tracker's
            await asyncio.sleep(_LOOK)
        self._due.pop(job.id, None)
        self._gathering.discard(job.id)
        self._doubtful.discard(job.id)
        away = self._where.pop(job.id, None)
        if away is not None and away not in self._where.values():
            self._away.pop(away, None)  # nobody is left by whom it would be seen to be back
        del self._failures[job.id]
        place = self.place(job)
        # A timer may have it told of once more.
        job.tracked = {**job.tracked, self.tracker.name: list(place._replace(done=True))}
        if place.attempt and not place.done:
            try:
                await self.tracker.withdraw(await self._office.subject(job, place, place.attempt, ""))
            except Exception:
                log.exception("tracker %s: %s was withdrawn", self.tracker.name, job.id)

    async def close(self) -> None:
        """Stop telling; the next start goes on where this one was."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.tracker.close()

    def _put(self, job: LiveJob) -> None:
        self._gathering.discard(job.id)
        if not self.place(job).done:
            self._due.setdefault(job.id, job)
            self._wake.set()

    async def _run(self) -> None:
        """Tell of a few jobs at a time; of those whose place cannot be reached, of one for each place now and then."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            now = time.monotonic()
            free = _WORKERS - len(self._busy)
            for job in list(islice((job for job in self._due.values() if self._may_be_told(job, now)), max(free, 0))):
                self._busy[job.id] = self._due.pop(job.id)
                task = asyncio.create_task(self._tell(job))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _may_be_told(self, job: LiveJob, now: float) -> bool:
        if job.id in self._busy:
            return False
        away = self._away_of(job)
        if away is None:
            return True
        if now < away.next_try:
            return False
        self._put_off(away, now)
        return True

    def _away_of(self, job: LiveJob) -> _Away | None:
        """What keeps the job from being told of; of a tracker that names no places the one there is."""
        return self._away.get(self._where.get(job.id, ""))

    def _put_off(self, away: _Away, now: float) -> None:
        away.next_try = now + away.pause
        asyncio.get_running_loop().call_later(away.pause, self._wake.set)
        away.pause = min(away.pause * 2, _PAUSE[1])

    async def _tell(self, job: LiveJob) -> None:
        try:
            await self._deliver(job)
            self._reached(job)
        except TrackerUnavailable as error:
            self._unreachable(job, error)
            self._due.setdefault(job.id, job)
        except Exception:
            await self._failed(job)
        finally:
            del self._busy[job.id]
            self._wake.set()

    def _reached(self, job: LiveJob) -> None:
        del self._failures[job.id]
        if self._away.pop(self._where.pop(job.id, ""), None):
            log.info("tracker %s can be reached again", self.tracker.name)
            self._wake.set()

    def _unreachable(self, job: LiveJob, error: TrackerUnavailable) -> None:
        away = self._away.get(error.place)
        if away is None:
            away = self._away[error.place] = _Away(str(error), time.time())
            log.warning("tracker %s cannot be reached; it is told later: %s", self.tracker.name, error)
            self._put_off(away, time.monotonic())
        away.why = str(error)
        self._where[job.id] = error.place
        if self.place(job).attempt < job.record.attempt:
            self._office.began(self.tracker.name, job, job.record.attempt, None)

    async def _failed(self, job: LiveJob) -> None:
        """A fault of the tracker's own, perhaps over this job alone: after some tries it is told what comes next."""
        self._failures[job.id] += 1
        log.exception("tracker %s failed over %s", self.tracker.name, job.id)
        if self._failures[job.id] < _TRIES:
            asyncio.get_running_loop().call_later(_PAUSE[0] * self._failures[job.id], self._put, job)
            return
        del self._failures[job.id]
        self._office.began(self.tracker.name, job, job.record.attempt, None)
        story = await self._office.story(job)
        place, lines = self.place(job), story.lines
        self._office.release(story)
        # Of what it stumbles over it is told no more; of the job's end it is, if it was not that.
        over = job.record.state.terminal and (place.lines == lines or not place.attempt)
        self._office.moved(self.tracker.name, job, place._replace(lines=lines, done=over))
        if not over and job.record.state.terminal:
            self._put(job)

    async def _deliver(self, job: LiveJob) -> None:
        """Tell all there is now; after the job's end that, too."""
        if not self.place(job).attempt:
            await self._begin(job, 1, "")
        over = job.record.state.terminal
        story = await self._office.story(job)
        try:
            cursor = Cursor(story, self.place(job).lines)
            while lines := cursor.read():
                await self._pass_on(job, lines, cursor.line)
                await asyncio.sleep(0)  # a long log is no reason for others to wait
        finally:
            self._office.release(story)
        if over and not self.place(job).done:
            place = self.place(job)
            await self.tracker.end(await self._office.subject(job, place, place.attempt, ""))
            self._office.moved(self.tracker.name, job, place._replace(done=True))
            self._doubtful.discard(job.id)

    async def _begin(self, job: LiveJob, attempt: int, cause: str) -> None:
        place = self.place(job)
        subject = await self._office.subject(job, place, attempt, cause)
        again = job.id in self._doubtful
        self._doubtful.add(job.id)
        tracked = await self.tracker.begin(subject, again=again)
        self._office.moved(self.tracker.name, job, place._replace(reference=tracked.reference, attempt=attempt))
        self._doubtful.discard(job.id)
        self._office.began(self.tracker.name, job, attempt, tracked)

    async def _pass_on(self, job: LiveJob, lines: bytes, last: int) -> None:
        """Whole lines, of which the last has the number ``last``; each attempt's by themselves."""
        batch: list[Event] = []
        for event in () if are_streams(lines) else self._wanted(lines, last - lines.count(b"\n") + 1):
            if event.type == "state" and event.attempt > self.place(job).attempt:
                await self._record(job, batch, event.id - 1)
                batch = []
                await self._begin(job, event.attempt, event["reason"])
            batch.append(event)
        await self._record(job, batch, last)

    async def _record(self, job: LiveJob, batch: list[Event], last: int) -> None:
        place = self.place(job)
        if batch:
            await self.tracker.record(await self._office.subject(job, place, place.attempt, ""), batch)
        self._office.moved(self.tracker.name, job, place._replace(lines=last))

    def _wanted(self, lines: bytes, first: int) -> Iterator[Event]:
        for number, line in enumerate(lines.split(b"\n"), first):
            if type_of(line) in self._types:
                with contextlib.suppress(ValueError):  # damaged; readers are told so
                    yield events.parse(line, number)
