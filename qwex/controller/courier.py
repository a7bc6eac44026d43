"""Tells one tracker every job's story from its log, in order, as often as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from qwex import events
from qwex.controller.eventlog import Cursor
from qwex.controller.line import Away, Line
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

#: Seconds for which records other than states may gather.
_GATHER = 0.5
#: Seconds between two looks at whether a call has ended.
_LOOK = 0.05
#: Seconds after which a tracker that failed over a job's news is told of them again; after the last try it is not.
_AFTER_FAULTS = (5.0, 60.0)
#: Bytes of a story that are told at once, and seconds after which it is another job's turn.
_PIECE, _TURN = 64 * 1024, 1.0


class Place(NamedTuple):
    """How far a tracker has come with a job; part of the job's row."""

    reference: str = ""
    #: The attempt that it has begun; 0 before the first.
    attempt: int = 0
    #: Records of the log that it has been told of.
    lines: int = 0
    #: It is told no more of this job.
    done: bool = False


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
    """Each job's news in their order; a place that cannot be reached is told everything later."""

    def __init__(self, tracker: Tracker, office: Office) -> None:
        self.tracker = tracker
        self._office = office
        self._types = frozenset(type.encode() for type in tracker.types) | {b"state"}
        #: By the name of the tracker's place; None of jobs of which that is not known yet.
        self._lines: dict[str | None, Line] = defaultdict(Line)
        #: The place that a job's news go to.
        self._where: dict[str, str] = {}
        #: Since when there is news of a job that was not told, in seconds since the epoch.
        self._since: dict[str, float] = {}
        self._gathering: set[str] = set()
        #: Jobs over which the tracker failed; they are tried again later.
        self._resting: dict[str, LiveJob] = {}
        #: Jobs that the tracker may have begun without our knowing.
        self._doubtful: set[str] = set()
        #: Jobs whose end the tracker knows of, though not all of their stories.
        self._foretold: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = {asyncio.create_task(self._run())}

    def place(self, job: LiveJob) -> Place:
        """How far it has come."""
        return Place(*job.tracked.get(self.tracker.name, ()))

    @property
    def problem(self) -> str:
        """Why something cannot be reached; empty when all can."""
        return next((each.away.why for each in self._lines.values() if each.away), "")

    @property
    def since(self) -> float | None:
        """Since when, in seconds since the epoch."""
        return min((each.away.since for each in self._lines.values() if each.away), default=None)

    def is_away(self, job: LiveJob) -> bool:
        """Whether what the job's news go to cannot be reached, as far as that is known."""
        return self._away_of(job) is not None

    def standing_of(self, job: LiveJob) -> tuple[str, float | None]:
        """Why what the job's news go to cannot be reached, empty when it can; and since when there are untold ones."""
        away = self._away_of(job)
        return (away.why, away.since) if away else ("", self._since.get(job.id))

    @property
    def waiting(self) -> dict[str, LiveJob]:
        """Jobs of which there is news that it was not told yet."""
        lines = (each.waiting for each in self._lines.values())
        return {run_id: job for each in (self._resting, *lines) for run_id, job in each.items()}

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
        self._remove(job)
        while any(job.id in each.busy for each in self._lines.values()):  # noqa: ASYNC110 - one call of the tracker's
            await asyncio.sleep(_LOOK)
        self._remove(job)
        where = self._where.get(job.id)
        self._forget(job)
        if where is not None and where not in self._where.values():
            self._lines[where].away = None  # nobody is left by whom it would be seen to be back
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

    # Who is told of next.

    def _put(self, job: LiveJob) -> None:
        self._gathering.discard(job.id)
        if not self.place(job).done:
            self._since.setdefault(job.id, time.time())
            if job.id not in self._resting:
                self._line(job).put(job, urgent=self._is_urgent(job))
                self._wake.set()

    def _line(self, job: LiveJob) -> Line:
        return self._lines[self._where.get(job.id)]

    def _is_urgent(self, job: LiveJob) -> bool:
        """Whether it has not begun, or has ended and the tracker does not know."""
        begun, record = self.place(job).attempt, job.record
        return not begun or (record.state.terminal and begun == record.attempt and job.id not in self._foretold)

    def _away_of(self, job: LiveJob) -> Away | None:
        """What keeps the job from being told of; of a tracker that names no places the one there is."""
        line = self._lines.get(self._where.get(job.id, ""))
        return line.away if line else None

    def _remove(self, job: LiveJob) -> None:
        self._gathering.discard(job.id)
        self._resting.pop(job.id, None)
        for line in self._lines.values():
            line.remove(job.id)

    def _forget(self, job: LiveJob) -> None:
        """All is told."""
        for of_jobs in (self._doubtful, self._foretold):
            of_jobs.discard(job.id)
        for by_job in (self._where, self._since, self._failures):
            by_job.pop(job.id, None)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for line in list(self._lines.values()):
                while job := line.take(time.monotonic()):
                    if line.away:
                        self._wake_in(line.away.next_try - time.monotonic())
                    task = asyncio.create_task(self._attend(line, job))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    def _wake_in(self, seconds: float) -> None:
        asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def _attend(self, line: Line, job: LiveJob) -> None:
        more = True
        try:
            if job.id in self._where:
                more = not await self._deliver(job)
                self._reached(line, job)
            else:
                await self._locate(job)
        except TrackerUnavailable as error:
            self._unreachable(job, error)
        except Exception:
            more = False
            await self._failed(job)
        finally:
            del line.busy[job.id]
            self._wake.set()
        if more:
            line.remove(job.id)  # its news may go elsewhere than was known
            self._line(job).put(job, urgent=self._is_urgent(job))
        elif job.id in line:
            self._since[job.id] = time.time()  # there is news again, and what there was is told
        elif job.id not in self._resting:
            self._since.pop(job.id, None)

    async def _locate(self, job: LiveJob) -> None:
        """Find out which place its news go to."""
        place = self.place(job)
        self._where[job.id] = self.tracker.place(await self._office.subject(job, place, place.attempt or 1, ""))
        if self.is_away(job):
            self._office.began(self.tracker.name, job, job.record.attempt, None)

    def _reached(self, line: Line, job: LiveJob) -> None:
        self._failures.pop(job.id, None)
        if line.away:
            log.info("tracker %s can be reached again", self.tracker.name)
            line.away = None
            self._wake.set()

    def _unreachable(self, job: LiveJob, error: TrackerUnavailable) -> None:
        self._where[job.id] = error.place
        line = self._line(job)
        if line.away is None:
            line.away = Away(str(error))
            log.warning("tracker %s cannot be reached; it is told later: %s", self.tracker.name, error)
            self._wake_in(line.away.pause)
        line.away.why = str(error)
        if self.place(job).attempt < job.record.attempt:
            self._office.began(self.tracker.name, job, job.record.attempt, None)

    async def _failed(self, job: LiveJob) -> None:
        """A fault of the tracker's own, perhaps over this job alone: after some tries it is told what comes next."""
        self._failures[job.id] += 1
        log.exception("tracker %s failed over %s", self.tracker.name, job.id)
        if self._failures[job.id] <= len(_AFTER_FAULTS):
            self._resting[job.id] = job
            asyncio.get_running_loop().call_later(_AFTER_FAULTS[self._failures[job.id] - 1], self._try_again, job)
            return
        del self._failures[job.id]
        self._office.began(self.tracker.name, job, job.record.attempt, None)
        story = await self._office.story(job)
        place, lines = self.place(job), story.lines
        self._office.release(story)
        # Of what it stumbles over it is told no more; of the job's end it is, if it was not that.
        over = job.record.state.terminal and (place.lines == lines or not place.attempt)
        self._moved(job, place._replace(lines=lines, done=over))
        if not over and job.record.state.terminal:
            self._put(job)

    def _try_again(self, job: LiveJob) -> None:
        if self._resting.pop(job.id, None):
            self._put(job)

    # What is told.

    async def _deliver(self, job: LiveJob) -> bool:
        """Tell what there is now, a piece of a long story; after the job's end that, too. Whether that was all."""
        if not self.place(job).attempt:
            await self._begin(job, 1, "")
        over = job.record.state.terminal
        story = await self._office.story(job)
        try:
            cursor = Cursor(story, self.place(job).lines)
            if over and cursor.left > _PIECE and await self._foretell(job):
                return False
            if not await self._tell(job, cursor):
                return False
        finally:
            self._office.release(story)
        if over and not self.place(job).done:
            place = self.place(job)
            await self.tracker.end(await self._office.subject(job, place, place.attempt, ""))
            self._moved(job, place._replace(done=True))
        return True

    async def _tell(self, job: LiveJob, cursor: Cursor) -> bool:
        """Whether its turn was long enough for all there is."""
        until = time.monotonic() + _TURN
        while lines := cursor.read(_PIECE):
            if time.monotonic() > until:
                return False
            await self._pass_on(job, lines, cursor.line)
            await asyncio.sleep(0)  # a long log is no reason for others to wait
        return True

    async def _foretell(self, job: LiveJob) -> bool:
        """Say that it has ended before the rest of its story; once, and not of an attempt that was not begun."""
        place = self.place(job)
        if job.id in self._foretold or place.attempt < job.record.attempt:
            return False
        await self.tracker.ended(await self._office.subject(job, place, place.attempt, ""))
        self._foretold.add(job.id)
        return True

    async def _begin(self, job: LiveJob, attempt: int, cause: str) -> None:
        place = self.place(job)
        subject = await self._office.subject(job, place, attempt, cause)
        again = job.id in self._doubtful
        self._doubtful.add(job.id)
        tracked = await self.tracker.begin(subject, again=again)
        self._moved(job, place._replace(reference=tracked.reference, attempt=attempt))
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
        self._moved(job, place._replace(lines=last))

    def _moved(self, job: LiveJob, place: Place) -> None:
        if place.done:
            self._forget(job)
        self._office.moved(self.tracker.name, job, place)

    def _wanted(self, lines: bytes, first: int) -> Iterator[Event]:
        for number, line in enumerate(lines.split(b"\n"), first):
            if type_of(line) in self._types:
                with contextlib.suppress(ValueError):  # damaged; readers are told so
                    yield events.parse(line, number)
