"""Trackers, guarded: whatever they do, jobs go on. Each has a queue and a task of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from qwex import events
from qwex.state import JobStatus
from qwex.tracker import Tracked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from qwex.backend import Plan
    from qwex.controller.eventlog import EventLog
    from qwex.controller.job import LiveJob
    from qwex.tracker import Tracker

__all__ = ["Tracking"]

log = logging.getLogger(__name__)

#: Seconds a tracker may keep a submission waiting.
_SUBMIT_SECONDS = 5.0
#: Records that wait for one slow tracker; beyond, output is left out, never the end of a job.
_WAITING = 10_000


class Tracking:
    """All trackers as one that never raises. ``settled`` is called once every tracker knows of a job's end."""

    def __init__(self, trackers: Sequence[Tracker], settled: Callable[[LiveJob], None]) -> None:
        self._trackers = trackers
        self._settled = settled
        self._left: dict[str, int] = {}
        self._queues: list[asyncio.Queue[tuple[str, Any]]] = [asyncio.Queue() for _ in trackers]
        self._tasks = [asyncio.create_task(self._run(*each)) for each in zip(trackers, self._queues, strict=True)]

    @property
    def active(self) -> bool:
        """Whether there is any tracker."""
        return bool(self._trackers)

    async def submitted(self, plan: Plan) -> Tracked:
        """What the trackers give the job together."""
        environment: dict[str, str] = {}
        links: dict[str, str] = {}
        for tracker in self._trackers:
            given = await _guarded(tracker, "on_submit", asyncio.wait_for(tracker.on_submit(plan), _SUBMIT_SECONDS))
            if isinstance(given, Tracked):
                environment.update(given.environment)
                links.update(given.links)
        return Tracked(environment, links)

    def grew(self, run_id: str, story: EventLog, lines: bytes) -> None:
        """The job's log has grown by ``lines``, its last."""
        if not self._trackers:
            return
        first = story.lines - lines.count(b"\n") + 1
        for number, line in enumerate(lines.splitlines(), first):
            event = events.parse(line, number)
            for queue in self._queues:
                if queue.qsize() < _WAITING or event.type not in events.OUTPUT_TYPES:
                    queue.put_nowait((run_id, event))

    def ended(self, job: LiveJob) -> None:
        """The job has ended."""
        if not self._trackers:
            self._settled(job)
            return
        self._left[job.id] = len(self._trackers)
        for queue in self._queues:
            queue.put_nowait((job.id, job))

    async def close(self) -> None:
        """Stop telling; ends that nobody was told of are told after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, tracker: Tracker, queue: asyncio.Queue[tuple[str, Any]]) -> None:
        while True:
            run_id, news = await queue.get()
            if isinstance(news, events.Event):
                await _guarded(tracker, "on_event", tracker.on_event(run_id, news))
                continue
            record = news.record
            status = JobStatus(record.state, record.reason, record.message, record.exit_code, record.attempt)
            if await _guarded(tracker, "on_end", tracker.on_end(run_id, status), True):
                self._one_less(news)

    def _one_less(self, job: LiveJob) -> None:
        self._left[job.id] -= 1
        if not self._left[job.id]:
            del self._left[job.id]
            self._settled(job)


async def _guarded(tracker: Tracker, what: str, call: Awaitable[Any], success: Any = None) -> Any:
    """The call's result (``success`` if given); None after a failure, which is logged."""
    try:
        result = await call
    except Exception:
        log.exception("tracker %s: %s failed", tracker.name, what)
        return None
    return result if success is None else success
