"""From a request to recorded jobs: checked, rendered, committed, handed over; nothing is stored of what is refused."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.backend import Capability, Plan
from qwex.controller.job import LiveJob
from qwex.errors import BackendUnavailable, Conflict, InvalidSpec, NotAuthorized, TooLarge
from qwex.record import JobRecord
from qwex.spec import WORKDIR, JobSpec, mint_run_id
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.backend import Backend
    from qwex.controller.auth import Caller
    from qwex.controller.backends import Backends
    from qwex.controller.bus import Bus
    from qwex.controller.environments import Environments
    from qwex.controller.handover import Handover
    from qwex.controller.origin import Origin
    from qwex.controller.planning import Planner
    from qwex.controller.registry import Registry
    from qwex.controller.store import Store
    from qwex.controller.tracking import Tracking

__all__ = ["LOGIN", "Entry", "Submission", "Submitted"]


#: Variables of the controller's own environment that other users' jobs may see.
LOGIN = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")


class Entry(NamedTuple):
    """One job as it was asked for."""

    spec: JobSpec
    run_id: str | None = None
    idempotency_key: str | None = None


class Submitted(NamedTuple):
    """A job's record; not ``created`` when it was there already, with the same spec."""

    record: JobRecord
    created: bool


class _Chosen(NamedTuple):
    """What was asked for, the spec after the site's policies, and the backend they leave it to."""

    entry: Entry
    spec: JobSpec
    backend: Backend[Any]


class _Prepared(NamedTuple):
    job: LiveJob
    text: str
    spec: JobSpec
    backend: Backend[Any]
    request: Any


class Submission:
    """Records jobs. A job is durable before its submit returns; submit returns jobs or raises."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        bus: Bus,
        backends: Backends,
        planner: Planner,
        environments: Environments,
        handover: Handover,
        tracking: Tracking,
        max_jobs: int,
    ) -> None:
        self._registry = registry
        self._store = store
        self._bus = bus
        self._backends = backends
        self._planner = planner
        self._environments = environments
        self._handover = handover
        self._tracking = tracking
        self._max_jobs = max_jobs

    async def submit(self, entries: Sequence[Entry], caller: Caller, origin: Origin) -> list[Submitted]:
        """Record all jobs or none and hand them over.

        Raises:
            InvalidSpec: a job can never run; lists every problem.
            Conflict: a run id or key is taken by a different job.
            TooLarge: the user has too many jobs that have not ended.
        """
        self._check_room(caller, len(entries))
        chosen = [await self._choose(entry, caller) for entry in entries]
        kept = self._keep(origin, caller) if any(_inherits(each.backend) for each in chosen) else None
        with self._registry.holding(kept):
            prepared = [await self._prepare(each, caller, origin, kept) for each in chosen]
            try:
                await self._store.writer.insert([each.job.row(each.text) for each in prepared])
            except Conflict as conflict:
                return await self._existing(prepared, caller, conflict)
            for each in prepared:
                self._registry.add(each.job)
                self._bus.publish(each.job.record)
                here = each.spec.cwd or origin.cwd if caller.is_local else ""
                self._tracking.submitted(each.job, each.spec, here)
        await self._hand_over(prepared)
        return [Submitted(each.job.record, True) for each in prepared]

    async def rehearse(self, spec: JobSpec, caller: Caller, origin: Origin) -> tuple[Backend[Any], Plan]:
        """The backend and the plan that a submit would use; nothing is stored.

        Raises:
            InvalidSpec: as ``submit``.
        """
        entry, spec, backend = await self._choose(Entry(spec), caller)
        spec = _filled(spec, backend, origin, caller)
        job = LiveJob(await self._record(entry, spec, backend, caller))
        return backend, await self._planner.plan(job, spec)

    async def _choose(self, entry: Entry, caller: Caller) -> _Chosen:
        if entry.spec.workdir:
            said = f"sent along by a client, which has it packed as the input {WORKDIR}; here it is only a name"
            raise InvalidSpec.of("workdir", said)
        spec = self._backends.plugins.prepare(entry.spec, caller.user)
        return _Chosen(entry, spec, await self._backends.get(spec.backend))

    async def _prepare(self, chosen: _Chosen, caller: Caller, origin: Origin, kept: str | None) -> _Prepared:
        entry, spec, backend = chosen
        self._backends.watch(backend.name)
        spec = _filled(spec, backend, origin, caller)
        text = spec.model_dump_json(exclude_defaults=True)
        asked = text if spec is entry.spec else entry.spec.model_dump_json(exclude_defaults=True)
        job = LiveJob(await self._record(entry, spec, backend, caller), _digest(asked))
        job.idempotency_key = entry.idempotency_key if entry.idempotency_key != job.id else None
        if _inherits(backend):
            job.environment = kept
        plan = await self._planner.plan(job, spec)
        if variables := self._tracking.variables(job, plan):
            job.variables = variables
        return _Prepared(job, text, spec, backend, backend.render(self._planner.tracked(plan, job)))

    def _keep(self, origin: Origin, caller: Caller) -> str | None:
        """Only the controller's own user has one that means something here; others get the bare one of a login."""
        environment = origin.environment
        if caller.is_local:
            return self._environments.keep(environment) if isinstance(environment, Mapping) else environment
        return self._environments.keep({name: os.environ[name] for name in LOGIN if name in os.environ})

    async def _record(self, entry: Entry, spec: JobSpec, backend: Backend[Any], caller: Caller) -> JobRecord:
        return JobRecord(
            id=entry.run_id or mint_run_id(spec.title),
            name=spec.title,
            user=caller.user,
            kind=spec.source.kind,
            state=JobState.PENDING,
            backend=backend.name,
            created_at=time.time(),
            queue=spec.queue or await self._default_queue(backend),
            priority=spec.priority,
            resources=spec.resources.model_dump(),
            outputs=spec.outputs,
            group=spec.group,
            tags=spec.tags,
            notebook=spec.notebook.model_dump() if spec.notebook else None,
        )

    async def _default_queue(self, backend: Backend[Any]) -> str | None:
        """The queue of a job that names none; none where the place is away: the job is taken, and waits for it."""
        try:
            return await self._backends.default_queue(backend)
        except BackendUnavailable:
            return None

    async def _hand_over(self, prepared: list[_Prepared]) -> None:
        try:
            await self._handover.give_all([(each.job, each.backend, each.request) for each in prepared])
        except InvalidSpec:
            await self._take_back(prepared)
            raise

    async def _take_back(self, prepared: list[_Prepared]) -> None:
        """A backend refused one of them, so none is left."""
        for each in prepared:
            self._handover.withdraw(each.job)
            if each.job.record.native_id:
                await each.backend.cancel(each.job.record.native_id)
            if each.job.log is None:
                self._registry.remove(each.job)
                await self._tracking.withdrawn(each.job)
        await self._store.writer.delete([each.job.id for each in prepared if each.job.log is None])

    async def _existing(self, prepared: list[_Prepared], caller: Caller, conflict: Conflict) -> list[Submitted]:
        """The jobs of an earlier, equal request."""
        found = []
        for each in prepared:
            stored = await self._stored(each.job)
            if stored is None:
                raise conflict
            if stored.record.user != caller.user:
                raise NotAuthorized(f"the run id {each.job.id!r} is taken by a job of another user; use a new one")
            if stored.digest != each.job.digest:
                raise Conflict(f"{stored.id!r} exists already with a different spec; use a new run id or key")
            found.append(Submitted(stored.record, False))
        return found

    async def _stored(self, job: LiveJob) -> LiveJob | None:
        live = self._registry.get(job.id)
        if live:
            return live
        row = await self._store.row(job.id)
        if row is None and job.idempotency_key:
            row = await self._store.by_key(job.record.user, job.idempotency_key)
        if row is None:
            return None
        return self._registry.get(row["id"]) or LiveJob.of_row(row)

    def _check_room(self, caller: Caller, count: int) -> None:
        has = self._registry.users[caller.user]
        if has + count > self._max_jobs:
            raise TooLarge(
                f"{caller.user} has {has:,} jobs that have not ended; {count:,} more would exceed the limit of "
                f"{self._max_jobs:,} (max_jobs_per_user). Wait for some to end, or cancel them."
            )


def _inherits(backend: Backend[Any]) -> bool:
    return Capability.INHERITS_ENVIRONMENT in backend.capabilities


def _filled(spec: JobSpec, backend: Backend[Any], origin: Origin, caller: Caller) -> JobSpec:
    """The spec with what the client's side adds, where that is this side."""
    return origin.fill(spec) if caller.is_local and _inherits(backend) else spec


def _digest(asked: str) -> str:
    """Of the spec as asked for, before a site's policies: equal for equal requests."""
    return hashlib.sha256(asked.encode()).hexdigest()
