"""The use cases, in the order of the API. Knows no HTTP: callers come in as ``Caller``, bytes leave as iterators."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import qwex
from qwex import yamltext
from qwex.backend import Capability
from qwex.controller import adoption, elsewhere, lines
from qwex.controller.assembly import Parts
from qwex.controller.eventlog import stored
from qwex.controller.executed import executed
from qwex.controller.explaining import why
from qwex.controller.measured import metrics_in
from qwex.controller.merging import merged
from qwex.controller.origin import Origin
from qwex.controller.showing import showing
from qwex.controller.streams import Wanted
from qwex.controller.submission import Entry
from qwex.errors import InvalidSpec, NotFound
from qwex.record import JobFile
from qwex.spec import JobSpec, validated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from qwex.config import Settings
    from qwex.controller.auth import Caller
    from qwex.controller.backends import Backends
    from qwex.controller.finding import Listing
    from qwex.controller.job import LiveJob
    from qwex.controller.store import Filter
    from qwex.controller.submission import Submitted
    from qwex.gpus import GpuReport
    from qwex.record import Collected, Glance, JobRecord, Metric, TrackerStanding
    from qwex.state import QueueInfo, Why
    from qwex.tracker import Found

__all__ = ["RESUBMIT_OF", "OutputValue", "Service"]

#: The tag of a job that was made from another.
RESUBMIT_OF = "qwex.resubmit-of"
_NOWHERE = Origin()
#: Notebooks that are put together at once.
_NOTEBOOKS = 2


class OutputValue(NamedTuple):
    """An output value on its way."""

    chunks: AsyncIterator[bytes]
    digest: str
    format: str
    #: The one that wrote it, such as ``3.12``; empty where that was not said.
    python: str


class Service:
    """One controller. Make it with a running loop, ``start`` it, ``close`` it."""

    def __init__(self, settings: Settings, backends: Backends) -> None:
        self._parts = Parts(settings, backends)
        #: The use cases of dev machines.
        self.machines = self._parts.machines
        self._default_backend: str = settings.default_backend
        self._adopting: asyncio.Task[None] | None = None
        #: Each may take some hundred megabytes for a moment.
        self._assembling = asyncio.Semaphore(_NOTEBOOKS)
        self.submitted = 0
        self.ended: Counter[str] = Counter()
        self.on_end: Callable[[], None] = lambda: None
        self._parts.lifecycle.on_end = self._job_ended

    def start(self) -> None:
        """Take up every job that has not ended; their backends are asked in the background."""
        parts = self._parts
        adoption.load(parts.store, parts.logs, parts.registry, parts.lifecycle)
        parts.environments.collect({*parts.registry.environments, *parts.tracking.environments})
        work = adoption.adopt(parts.registry, parts.backends, parts.handover, parts.lifecycle)
        self._adopting = asyncio.create_task(work)
        parts.renewing.start()
        parts.collecting.start()
        parts.machines.start_up()

    def close_streams(self) -> None:
        """End every stream."""
        self._parts.streams.close()

    async def close(self) -> None:
        """Write what is left and let go. Jobs go on."""
        if self._adopting:
            self._adopting.cancel()
            await asyncio.gather(self._adopting, return_exceptions=True)
        await self._parts.close()

    @property
    def live(self) -> int:
        """Jobs that have not ended."""
        return len(self._parts.registry)

    @property
    def is_working(self) -> bool:
        """Whether something is left to do, though nobody asks."""
        busy = self._parts.collecting.is_busy or self._parts.lifecycle.is_copying
        return self.live > 0 or busy or self.machines.need_care

    async def submit(
        self,
        entries: Sequence[Entry],
        caller: Caller,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> list[Submitted]:
        """Record jobs, all or none, and hand them to their backends; see ``Submission.submit``."""
        done = await self._parts.submission.submit(entries, caller, origin)
        self.submitted += sum(one.created for one in done)
        return done

    async def page(self, wanted: Filter, limit: int, cursor: str | None, order: str = "created") -> Listing:
        """Jobs, newest first; in the order ``ended`` those that have not ended, then the newest end first."""
        return await self._parts.finding.page(wanted, limit, cursor, order)

    async def counts(self, wanted: Filter) -> dict[str, int]:
        """How many jobs are in each state."""
        return await self._parts.finding.counts(wanted)

    async def glance(self, run_ids: Sequence[str], caller: Caller) -> list[Glance]:
        """What a row shows of each job beside its record; of jobs that there are not, nothing."""
        return await self._parts.glancing.glance(run_ids, caller)

    async def elsewhere(self, wanted: Filter) -> list[JobRecord]:
        """Jobs in the places of the backends in use that other controllers look after, newest first."""
        return [*filter(wanted.takes, await elsewhere.jobs(self._parts.backends))]

    async def get(self, run_id: str) -> JobRecord:
        """A job's record.

        Raises:
            NotFound: there is no such job.
        """
        return self._parts.finding.as_it_stands((await self._parts.finding.job(run_id)).record)

    async def spec(self, run_id: str, caller: Caller) -> str:
        """A job's spec as JSON, with every default and a site's changes."""
        await self._parts.finding.own(run_id, caller)
        return (await self._parts.finding.spec(run_id)).model_dump_json()

    async def description(self, run_id: str, caller: Caller) -> str:
        """A job's spec as YAML without the defaults, for people and for ``qwex submit``."""
        await self._parts.finding.own(run_id, caller)
        spec = await self._parts.finding.spec(run_id)
        return yamltext.dump(spec.model_dump(mode="json", exclude_defaults=True))

    async def cancel(self, run_id: str, caller: Caller) -> JobRecord:
        """Ask a job to end; no effect when it has. The wish is durable before this returns."""
        job = await self._parts.finding.own(run_id, caller)
        if not job.record.state.terminal:
            await self._parts.cancelling.cancel(job)
        return job.record

    async def resubmit(self, run_id: str, changes: Mapping[str, Any], caller: Caller) -> Submitted:
        """The same job again, as a new one, with changes to its spec, and a tag that says which it was made from.

        Raises:
            InvalidSpec: the changed spec is not one; lists every problem.
        """
        job = await self._parts.finding.own(run_id, caller)
        raw = (await self._parts.finding.spec(run_id)).model_dump(mode="json", exclude_defaults=True)
        # One that named no backend goes to its own all the same: the default may be another by now.
        raw.setdefault("backend", job.record.backend)
        if changes.get("backend") not in (None, job.record.backend):
            # Where the job ran means nothing in another place.
            raw.pop("cwd", None)
            raw.get("runtime", {}).pop("python", None)
        spec = validated(JobSpec.model_validate, merged(raw, changes))
        spec = spec.model_copy(update={"tags": {**spec.tags, RESUBMIT_OF: run_id}})
        if self._parts.blobs:
            inputs = [value.digest for value in spec.inputs.values() if value.digest]
            await self._parts.blobs.share(job.record.user, caller.user, inputs)
        environment = self._parts.environments.find(job.environment) if caller.is_local else None
        return (await self.submit([Entry(spec)], caller, Origin(environment)))[0]

    async def collect(self, caller: Caller, older: float | None, *, dry_run: bool) -> Collected:
        """Remove the caller's jobs that ended so many seconds ago, and what nobody needs of their blobs."""
        return await self._parts.collecting.ask(caller, older, dry_run=dry_run)

    async def events(self, run_id: str, wanted: Wanted, caller: Caller) -> AsyncIterator[bytes]:
        """A job's records as server-sent events."""
        job = await self._read(run_id, wanted, caller)
        return self._parts.streams.events(job, wanted)

    async def logs(self, run_id: str, wanted: Wanted, caller: Caller) -> tuple[AsyncIterator[bytes], int]:
        """A job's output as text, and the number of its last record now; without ``follow`` it ends with that one."""
        job = await self._read(run_id, wanted, caller)
        story = await self._parts.logs.read(job.record)
        last = story.lines
        self._parts.logs.release(story)
        wanted = wanted if wanted.follow else dataclasses.replace(wanted, until=last)
        return self._parts.streams.text(job, wanted), last

    async def notebook(self, run_id: str, caller: Caller) -> bytes:
        """The notebook that a job runs, with what its cells have shown by now.

        Raises:
            NotFound: the job runs none.
        """
        job = await self._read(run_id, Wanted(follow=False), caller)
        if job.record.kind != "notebook":
            raise NotFound(f"{run_id} is a {job.record.kind}, no notebook. What it printed: qwex logs {run_id}")
        spec = await self._parts.finding.spec(run_id)
        log = self._parts.logs.path(run_id)
        async with self._assembling:
            return await asyncio.to_thread(lambda: executed(job.record, spec, stored(log)))

    async def why(self, run_id: str) -> Why:
        """Why a job waits, or what it does now."""
        return await why(await self.get(run_id), self._parts.backends)

    async def value(self, run_id: str, name: str, caller: Caller) -> OutputValue:
        """An output value that the job has announced.

        Raises:
            NotFound: it has none of that name, or not yet.
        """
        job = await self._parts.finding.own(run_id, caller)
        if name not in job.produced:
            await self._parts.reading.caught_up(job)
        found = job.produced.get(name)
        if found is None:
            raise NotFound(f"the job {run_id} has no value {name!r}{'' if job.record.state.terminal else ' yet'}")
        return OutputValue(
            self._bytes(job, found), found["digest"], found.get("format", "cloudpickle"), found.get("python", "")
        )

    async def files(self, run_id: str, caller: Caller) -> list[JobFile]:
        """What a job's last attempt has left in ``QWEX_FILES``, by path."""
        job = await self._read(run_id, Wanted(follow=False), caller)
        mine = [each for each in job.produced.values() if "path" in each and each["attempt"] == job.record.attempt]
        found = [JobFile(each["path"], each["size"], each["digest"], each["name"]) for each in mine]
        return sorted(found, key=lambda file: file.path)

    async def add_file(self, run_id: str, path: str, digest: str, caller: Caller) -> JobFile:
        """Add a file, whose bytes were uploaded as a blob, to what an ended job has left.

        Raises:
            InvalidSpec: that is no path, or there are no such bytes.
            Conflict: the job has not ended, or left a file of that path itself.
        """
        return await self._parts.adding.add(run_id, path, digest, caller)

    async def preflight(self, spec: JobSpec, caller: Caller, origin: Origin = _NOWHERE) -> tuple[Why | None, str]:
        """What would happen if the job were submitted now, and what would be sent. Nothing is stored.

        Raises:
            InvalidSpec: it can never run, and the backend has no other words for it.
        """
        backend, plan = await self._parts.submission.rehearse(spec, caller, origin)
        expected = await backend.preflight(plan)
        try:
            return expected, backend.show(backend.render(plan))
        except InvalidSpec:
            if expected is None:
                raise
            return expected, ""

    async def queues(self) -> tuple[list[QueueInfo], dict[str, str]]:
        """The queues of every backend in use, and why one does not tell its own, by its name."""
        return await lines.queues(self._parts.backends, self._default_backend)

    async def gpus(self) -> tuple[dict[str, GpuReport], dict[str, str]]:
        """What every backend in use says of its GPUs, and why one does not, by its name."""
        return await lines.gpus(self._parts.backends, self._default_backend)

    def backends(self) -> list[dict[str, Any]]:
        """Every backend that is installed."""
        plugins = self._parts.backends.plugins
        return [
            {
                "name": name,
                "capabilities": sorted(kind.capabilities),
                "options": kind.Options.model_json_schema(),
                "plugin": info.module,
                "version": info.version,
            }
            for info in plugins.infos.values()
            for name in info.backends
            if (kind := plugins.backend(name))
        ]

    def plugins(self) -> list[dict[str, Any]]:
        """Every plugin, those that failed too."""
        return [dataclasses.asdict(info) for info in self._parts.backends.plugins.infos.values()]

    async def metrics_of(self, run_id: str, caller: Caller) -> list[Metric]:
        """What the job's code has logged over time."""
        job = await self._read(run_id, Wanted(follow=False), caller)
        found = await self._parts.tracking.metrics(job)
        return await asyncio.to_thread(metrics_in, self._parts.logs.path(run_id)) if found is None else found

    async def found(self, where: str) -> Found:
        """The jobs for which a condition of a tracker's holds.

        Raises:
            InvalidSpec: that is no condition.
            TrackerUnavailable: no tracker can be asked now.
        """
        return await self._parts.tracking.find(where)

    def trackers(self) -> list[TrackerStanding]:
        """How far each tracker is behind."""
        return self._parts.tracking.standing()

    async def trackers_of(self, run_id: str) -> list[TrackerStanding]:
        """Trackers that were not told everything of the job yet."""
        return self._parts.tracking.standing_of(await self._parts.finding.job(run_id))

    def changes(self, user: str | None, kinds: frozenset[str], caller: Caller) -> AsyncIterator[bytes]:
        """Server-sent events: each change of everything of those kinds (of ``user``) from now on."""
        return self._parts.streams.changes(showing(user, kinds, caller))

    async def has_blob(self, digest: str, caller: Caller, size: int = -1) -> bool:
        """Whether the caller's bytes are stored whole; ``size`` of them, where it is not -1."""
        return self._parts.blobs is not None and await self._parts.blobs.holds(caller.user, digest, size)

    async def put_blob(self, digest: str, chunks: AsyncIterator[bytes], caller: Caller) -> None:
        """Store bytes as the caller's; they are whole and durable when this returns.

        Raises:
            InvalidSpec: they do not have that digest.
        """
        if self._parts.blobs is None:
            raise NotFound("this controller keeps no blobs: no plugin brings the artifact store 'file'")
        await self._parts.blobs.put(caller.user, digest, chunks)

    def health(self) -> dict[str, Any]:
        """That it answers, and what it is."""
        facts = {"status": "ok", "version": qwex.__version__, "pid": os.getpid(), "api": 1}
        return {**facts, "default_backend": self._default_backend}

    async def ready(self) -> bool:
        """Whether jobs can be taken."""
        return await self._parts.store.writer.flush()

    def states(self) -> Counter[str]:
        """How many jobs that have not ended are in each state."""
        return Counter(job.record.state.value for job in self._parts.registry)

    async def _bytes(self, job: LiveJob, value: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """A value's, from its backend or the store: first from where it should be, since the other may be away."""
        kind = self._parts.backends.plugins.backends.get(job.record.backend)
        places = [self._at_backend, self._in_store]
        if kind is None or Capability.FLEETING in kind.capabilities:
            places.reverse()
        begun, missing = False, None
        for place in places:
            try:
                async for chunk in place(job, value):
                    begun = True
                    yield chunk
            except NotFound as error:
                missing = missing or error
                if begun or place is places[-1]:
                    raise missing from None
            else:
                return

    async def _at_backend(self, job: LiveJob, value: Mapping[str, Any]) -> AsyncIterator[bytes]:
        backend = await self._parts.backends.get(job.record.backend)
        async for chunk in backend.value(job.record.native_id or job.id, value["attempt"], value["name"]):
            yield chunk

    async def _in_store(self, job: LiveJob, value: Mapping[str, Any]) -> AsyncIterator[bytes]:
        chunks = await self._parts.values.kept(job.record.user, value["digest"])
        if chunks is None:
            raise NotFound(f"the value {value['name']!r} of {job.id} is not kept here")
        async for chunk in chunks:
            yield chunk

    async def _read(self, run_id: str, wanted: Wanted, caller: Caller) -> LiveJob:
        """The job of a reader; one who does not follow gets all there is by now."""
        job = await self._parts.finding.own(run_id, caller)
        if not wanted.follow:
            await self._parts.reading.caught_up(job)
        return job

    def _job_ended(self, job: LiveJob) -> None:
        self.ended[job.record.state.value] += 1
        environments = self._parts.environments
        needed = {*self._parts.registry.environments, *self._parts.tracking.environments}
        if job.environment not in needed:
            environments.drop(job.environment)
        self._parts.reserve.hold()
        self.on_end()
