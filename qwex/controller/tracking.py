"""Trackers, guarded: whatever they do, jobs go on. Each has a courier; a job's log on disk is what they work from."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from qwex.controller.courier import Courier, Place
from qwex.controller.eventlog import stored
from qwex.controller.executed import executed
from qwex.controller.job import changed
from qwex.controller.records import are_streams
from qwex.controller.repositories import Repositories
from qwex.controller.textlog import text_of_lines
from qwex.errors import InvalidSpec
from qwex.record import TrackerStanding
from qwex.spec import JobSpec
from qwex.tracker import Found, TrackedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from qwex.backend import Plan
    from qwex.controller.bindings import Bindings
    from qwex.controller.bus import Bus
    from qwex.controller.environments import Environments
    from qwex.controller.eventlog import EventLog, Logs
    from qwex.controller.job import LiveJob
    from qwex.controller.store import Store
    from qwex.record import Metric
    from qwex.tracker import Tracked, Tracker

__all__ = ["Tracking"]

log = logging.getLogger(__name__)

#: Seconds that a tracker may take to say what it knows; somebody waits for this.
_ASKED = 10.0
#: Specs kept for the next piece of news; each may have some megabytes.
_SPECS = 16


class Tracking:
    """All trackers as one that never raises. ``settled`` is called once every tracker knows of a job's end."""

    def __init__(
        self,
        trackers: Sequence[Tracker],
        store: Store,
        logs: Logs,
        bus: Bus,
        environments: Environments,
        bindings: Bindings,
        settled: Callable[[LiveJob], None],
    ) -> None:
        self._store = store
        self._logs = logs
        self._bus = bus
        self._environments = environments
        self._bindings = bindings
        self._settled = settled
        self._couriers = [Courier(tracker, self) for tracker in trackers]
        self._specs: OrderedDict[str, JobSpec] = OrderedDict()
        self._repositories = Repositories()
        #: What trackers have given an attempt: run id and attempt, then the tracker; None where it cannot tell yet.
        self._given: dict[tuple[str, int], dict[str, Mapping[str, str] | None]] = {}
        #: Called when an attempt's variables are there.
        self.came: Callable[[LiveJob], None] = lambda job: None
        self._tasks = {asyncio.create_task(self._start())}

    def startup(self, job: LiveJob) -> tuple[Path, ...]:
        """What trackers have every Python process of the job run first."""
        mine = [each for each in self._couriers if not each.place(job).done]
        return tuple(each.tracker.startup for each in mine if each.tracker.startup)

    def variables(self, job: LiveJob, plan: Plan) -> dict[str, str] | None:
        """What is known before anything is recorded; None where no tracker has anything to do with the job."""
        given: dict[str, str] = {}
        for courier in self._couriers:
            try:
                variables = courier.tracker.variables(plan)
            except Exception:
                log.exception("tracker %s: variables of %s", courier.tracker.name, job.id)
                variables = None
            if variables is None:
                job.tracked = {**job.tracked, courier.tracker.name: list(Place(done=True))}
            else:
                given.update(variables)
        return given if self._tracks(job) else None

    def later(self, job: LiveJob) -> Path | None:
        """Where the variables of the job's present attempt will be that are not known yet."""
        return self._bindings.path(job.id, job.record.attempt) if self.startup(job) else None

    def submitted(self, job: LiveJob, spec: JobSpec, folder: str) -> None:
        """The job is recorded; ``folder`` is where that was on this machine, empty of what came from elsewhere."""
        if self._tracks(job):
            self._keep(job.id, spec)
            self._repositories.look(job.id, folder)
        for courier in self._couriers:
            courier.news(job)

    @property
    def environments(self) -> set[str]:
        """Those of ended jobs of which trackers were not told everything yet."""
        waiting = [job for each in self._couriers for job in each.waiting.values()]
        return {job.environment for job in waiting if job.environment}

    def adopted(self, job: LiveJob) -> None:
        """The job is of an earlier controller's."""
        for courier in self._couriers:
            courier.doubt(job)
            courier.news(job)
        self._settle(job)

    async def withdrawn(self, job: LiveJob) -> None:
        """The job was refused after all, and is not recorded any more."""
        for courier in self._couriers:
            await courier.drop(job)
        self._forget(job)

    def grew(self, job: LiveJob, lines: bytes, *, at_once: bool) -> None:
        """The job's log has grown by whole lines."""
        if self._couriers and lines and not are_streams(lines):
            for courier in self._couriers:
                courier.news(job, at_once=at_once)

    def ended(self, job: LiveJob) -> None:
        """The job has ended."""
        for courier in self._couriers:
            courier.news(job)
        self._settle(job)

    def added(self, job: LiveJob) -> None:
        """Something was added to what an ended job has left: trackers that keep such things are told its end again.

        One that never heard of the job is told all of it; not one that has nothing to do with it.
        """
        for courier in self._couriers:
            place = courier.place(job)
            if courier.tracker.keeps_files and (place.attempt or not place.done):
                job.tracked = {**job.tracked, courier.tracker.name: list(place._replace(done=False))}
                job.settled = False
                self._store.writer.update(job.id, job.mutable())
                courier.news(job)

    def waiting(self, run_id: str) -> LiveJob | None:
        """The job as couriers have it, if there is news of it that a tracker was not told yet."""
        return next((found for each in self._couriers if (found := each.waiting.get(run_id))), None)

    def standing_of(self, job: LiveJob) -> list[TrackerStanding]:
        """Trackers that were not told everything of the job yet, and why."""
        behind = [(each, each.standing_of(job)) for each in self._couriers if job.id in each.waiting]
        return [TrackerStanding(each.tracker.name, 1, why, since) for each, (why, since) in behind]

    def standing(self) -> list[TrackerStanding]:
        """How far each tracker is behind."""
        return [
            TrackerStanding(each.tracker.name, len(each.waiting), each.problem, each.since) for each in self._couriers
        ]

    async def metrics(self, job: LiveJob) -> list[Metric] | None:
        """What the job has logged, as the first tracker that has anything tells it; None where none can."""
        for courier in self._couriers:
            place = courier.place(job)
            if place.reference and not courier.is_away(job):
                try:
                    subject = await self.subject(job, place, place.attempt, "")
                    if found := await asyncio.wait_for(courier.tracker.metrics(subject), _ASKED):
                        return found
                except Exception as error:
                    log.info("tracker %s does not tell the metrics of %s: %s", courier.tracker.name, job.id, error)
        return None

    async def find(self, where: str) -> Found:
        """The jobs for which a tracker's condition holds.

        Raises:
            InvalidSpec: no tracker takes that for a condition.
            TrackerUnavailable: it cannot be asked now.
        """
        if not self._couriers:
            raise InvalidSpec.of("where", "no tracker is installed that could be asked")
        found = [await courier.tracker.find(where) for courier in self._couriers]
        run_ids = dict.fromkeys(run_id for each in found for run_id in each.run_ids)
        return Found(list(run_ids), "; ".join(each.missing for each in found if each.missing))

    async def close(self) -> None:
        """Stop telling; the next start goes on where this one was."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(each.close() for each in self._couriers), return_exceptions=True)

    # What couriers share.

    async def subject(self, job: LiveJob, place: Place, attempt: int, cause: str) -> TrackedJob:
        """The job as a tracker sees it."""
        path, spec, record = self._logs.path(job.id), await self._spec(job.id), job.record
        return TrackedJob(
            record,
            spec,
            attempt,
            cause,
            place.reference,
            self._environments.path(job.environment) if job.environment else None,
            await self._repositories.of(job.id),
            path,
            lambda limit: _output(path, limit),
            (lambda: executed(record, spec, stored(path))) if record.kind == "notebook" else None,
        )

    async def story(self, job: LiveJob) -> EventLog:
        """The job's log; ``release`` it."""
        return await self._logs.read(job.record)

    def release(self, story: EventLog) -> None:
        """The inverse of ``story``."""
        self._logs.release(story)

    def began(self, tracker: str, job: LiveJob, attempt: int, tracked: Tracked | None) -> None:
        """A tracker has answered for an attempt, or cannot for now (None): the job need not wait for it."""
        if job.record.state.terminal and tracked is None:
            return
        given = self._given.setdefault((job.id, attempt), {})
        if tracked is None and tracker in given:
            return
        given[tracker] = tracked.environment if tracked else None
        asked = {each.tracker.name for each in self._couriers if each.tracker.startup and not each.place(job).done}
        if given.keys() >= asked and not job.record.state.terminal:
            together = {name: text for each in given.values() if each for name, text in each.items()}
            self._give(job, attempt, together)
        if tracked and tracked.links:
            job.record = changed(job.record, links={**job.record.links, **tracked.links})
            self._store.writer.update(job.id, job.mutable())
            task = asyncio.create_task(self._publish(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def moved(self, tracker: str, job: LiveJob, place: Place) -> None:
        """Keep how far it has come."""
        before, job.tracked = job.tracked, {**job.tracked, tracker: list(place)}
        if job.tracked != before:
            self._store.writer.update(job.id, job.mutable())
        self._settle(job)

    # What follows serves the above.

    def _give(self, job: LiveJob, attempt: int, variables: Mapping[str, str]) -> None:
        try:
            self._bindings.write(job.id, attempt, variables)
            self.came(job)
        except OSError as error:  # a full disk: the job goes without
            log.warning("the variables that trackers give %s are not written: %s", job.id, error)

    async def _start(self) -> None:
        for courier in self._couriers:
            try:
                await courier.tracker.start()
            except Exception:
                log.exception("tracker %s could not be started", courier.tracker.name)

    async def _publish(self, job: LiveJob) -> None:
        """Tell of a change once it can be read: who hears of it asks at once, and ended jobs are in the store alone."""
        if job.record.state.terminal:
            await self._store.writer.flush(urgent=False)
        self._bus.publish(job.record)

    def _tracks(self, job: LiveJob) -> bool:
        return any(not each.place(job).done for each in self._couriers)

    def _settle(self, job: LiveJob) -> None:
        if job.record.state.terminal and not job.settled and not self._tracks(job):
            self._forget(job)
            self._settled(job)

    def _forget(self, job: LiveJob) -> None:
        self._specs.pop(job.id, None)
        self._repositories.forget(job.id)
        for attempt in range(1, job.record.attempt + 1):
            self._given.pop((job.id, attempt), None)
        if self._couriers:
            self._bindings.remove(job.id, job.record.attempt)

    async def _spec(self, run_id: str) -> JobSpec:
        found = self._specs.get(run_id)
        if found is None:
            found = JobSpec.model_validate_json(await self._store.spec(run_id) or "")
            self._keep(run_id, found)
        return found

    def _keep(self, run_id: str, spec: JobSpec) -> None:
        self._specs[run_id] = spec
        if len(self._specs) > _SPECS:
            self._specs.popitem(last=False)


def _output(path: Path, limit: int) -> str:
    """The end of a job's output as text."""
    text = ""
    for lines in stored(path):
        text = (text + text_of_lines(lines))[-limit:]
    return text
