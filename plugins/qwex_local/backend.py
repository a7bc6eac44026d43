"""The backend ``local``: this machine as a queue. The contract of ``qwex.backend``, over the parts of this package."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from typing import TYPE_CHECKING, ClassVar

from qwex.backend import Backend, Capability
from qwex.changes import Changes
from qwex.errors import BackendUnavailable, InvalidSpec, NotFound, UnknownQueue, nearest
from qwex.spec import validated
from qwex.state import JobState, WaitReason, Why
from qwex_local import gpus, machine, settings, why
from qwex_local.dispatcher import Dispatcher
from qwex_local.follow import Lines, Rings
from qwex_local.journal import Journal
from qwex_local.queue import Amount, Entry, Scheduler
from qwex_local.request import Interpreter, LocalRequest, shape_of, variables
from qwex_local.zygotes import Zygotes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from qwex.backend import BackendContext, Plan
    from qwex.gpus import GpuReport
    from qwex.state import JobStatus, Position, QueueInfo

__all__ = ["LocalBackend", "LocalRequest"]

_CHUNK = 1 << 20


class LocalBackend(Backend[LocalRequest]):
    """Runs jobs as processes of this user on this machine. A job's native id is its run id."""

    name: ClassVar[str] = "local"
    capabilities: ClassVar[frozenset[str]] = frozenset(
        {
            Capability.QUEUES,
            Capability.EXPLAIN,
            Capability.PRIORITY,
            Capability.PREEMPTION,
            Capability.GPU,
            Capability.TIMEOUT,
            Capability.VALUES,
            Capability.INHERITS_ENVIRONMENT,
        }
    )

    Settings = settings.LocalSettings

    def __init__(self, context: BackendContext) -> None:
        super().__init__(context)
        #: The section ``[local]`` of the configuration.
        self.settings = settings.read(context.settings)
        #: The folders of the jobs, each with one for every attempt.
        self.jobs = context.folder / "jobs"
        self._queues = self.settings.queues or {"default": settings.QueueSettings(default=True)}
        named = [name for name, queue in self._queues.items() if queue.default]
        self._default = named[0] if named else next(iter(self._queues))
        self._scheduler = self._make_scheduler()
        self._rings = Rings()
        self._changes = Changes()
        self._dispatcher: Dispatcher | None = None
        self._zygotes = Zygotes(context.folder / "z", self.settings.linger)

    async def start(self) -> None:
        """Take up what an earlier instance left, and load the interpreter that QWEX_WARM asks for."""
        self.context.folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        flavour = os.environ.get("QWEX_WARM", "")
        if flavour in ("ipython", "plain"):
            self.warm(sys.executable, flavour)
        journal = Journal(self.context.folder / "queue.db")
        self._dispatcher = Dispatcher(
            journal, self._scheduler, self._zygotes, self.jobs, self._changes.tell, self._rings.ring
        )
        self._dispatcher.take_up()

    async def close(self) -> None:
        """Let go of files and connections. Jobs and zygotes go on."""
        if self._dispatcher:
            self._dispatcher.close()
            await self._zygotes.close()
            self._dispatcher.journal.close()
            self._dispatcher = None
        self._changes.end()
        self._rings.ring_all()

    def warm(self, python: str, flavour: str) -> None:
        """Load an interpreter before the first job asks for it, with this process's own variables."""
        self._zygotes.warm(Interpreter(python, flavour, tuple(sorted(variables(os.environ).items()))))

    def render(self, plan: Plan) -> LocalRequest:
        """The plan, checked against the queues' quotas."""
        validated(self.Options, **plan.spec.backend_options)
        queue = plan.spec.queue or self._default
        if queue not in self._queues:
            known = list(self._queues)
            message = f"no queue {queue!r}. There is: {', '.join(known)}.{nearest(queue, known)}"
            raise UnknownQueue(message, problems=[("queue", message)])
        request = LocalRequest.of(plan, queue, self.settings.grace)
        over = why.excess(self._scheduler, queue, shape_of(request))
        if over:
            raise InvalidSpec.of(*over)
        return request

    async def submit(self, request: LocalRequest) -> str:
        """Put the job into its queue."""
        known = (await self.status([request.run_id])).get(request.run_id)
        if known is None or (known.state.terminal and (known.attempt or 0) < request.attempt):
            self._accept(request)
        elif known.state.terminal:
            self._changes.tell(request.run_id, known)
        return request.run_id

    async def cancel(self, native_id: str) -> None:
        """End the job: out of the queue, or SIGTERM and after its grace SIGKILL."""
        self._live.cancel(native_id)

    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        """Live jobs from memory, others from the journal."""
        live = self._live.jobs
        found = {native_id: live[native_id].status for native_id in native_ids if native_id in live}
        ended = [native_id for native_id in native_ids if native_id not in live]
        return {**found, **self._live.journal.statuses(ended)} if ended else found

    async def named(self, prefix: str) -> dict[str, JobStatus]:
        """All that the queue has whose ids begin so, in order of arrival."""
        ids = self._live.journal.named(prefix)
        said = await self.status(ids)
        return {each: said[each] for each in ids if each in said}

    def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        """Every change, from this call on."""
        return self._changes.watch()

    async def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        """The event files of the job's attempts, one after the other."""
        attempt, skip = max(after.attempt, 1), after.seq if after.attempt else 0
        while True:
            async for chunk in self._attempt_output(native_id, attempt, skip):
                yield chunk
            status = (await self.status([native_id])).get(native_id)
            if status is None or attempt >= (status.attempt or 1):
                return
            attempt, skip = attempt + 1, 0

    async def value(self, native_id: str, attempt: int, name: str) -> AsyncIterator[bytes]:
        """The file the runner left."""
        if not name.isidentifier():
            raise NotFound(f"{name!r} is not a name of a value")
        file = self._live.folder(native_id, attempt) / "values" / name
        try:
            stream = open(file, "rb")  # noqa: ASYNC230, SIM115 - local disk, a chunk at a time
        except FileNotFoundError:
            raise NotFound(f"the job {native_id} kept no value {name!r} in attempt {attempt}") from None
        with stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    async def renew(self, native_id: str, request: LocalRequest) -> None:
        """For the next start."""
        self._live.journal.renew(request)

    async def queues(self) -> list[QueueInfo]:
        """The queues of the configuration."""
        return [
            why.queue_info(self._scheduler, name, queue.description, default=name == self._default)
            for name, queue in self._queues.items()
        ]

    async def gpus(self) -> GpuReport:
        """Those of this machine, as its queue has given them out."""
        return gpus.report(self._scheduler, machine.why_none(self.settings))

    async def explain(self, native_id: str) -> Why | None:
        """From the queue as it stands now."""
        job = self._live.jobs.get(native_id)
        if job is None or job.status.state is JobState.RUNNING:
            return None
        return why.explain(self._scheduler, job.entry) if job.attempt is None else why.starting()

    async def preflight(self, plan: Plan) -> Why | None:
        """As ``explain``, for a job that would be the newest."""
        try:
            request = self.render(plan)
        except UnknownQueue as error:
            return Why(error.message, WaitReason.QUEUE_MISSING.value)
        except InvalidSpec as error:
            return Why(error.message, WaitReason.EXCEEDS_MAX_QUOTA.value)
        newest = Entry(plan.run_id, request.queue, shape_of(request), request.priority, sys.maxsize)
        return why.explain(self._scheduler, newest)

    async def forget(self, native_id: str) -> None:
        """Remove the folders and the row of a job that has ended."""
        if native_id not in self._live.jobs:
            self._live.journal.forget(native_id)
            await asyncio.to_thread(shutil.rmtree, self._live.folder(native_id), ignore_errors=True)

    @property
    def _live(self) -> Dispatcher:
        assert self._dispatcher is not None, "start() comes first"
        return self._dispatcher

    def _accept(self, request: LocalRequest) -> None:
        try:
            self._live.add(request)
        except sqlite3.Error as error:
            raise BackendUnavailable(f"{self.context.folder / 'queue.db'}: {error}. The job was not queued.") from error

    def _make_scheduler(self) -> Scheduler:
        found = machine.detect(self.settings)
        quotas = {
            name: Amount(
                round(queue.cpu * 1000) if queue.cpu else found.cpu,
                queue.memory or found.memory,
                len(found.gpus) if queue.gpu is None else queue.gpu,
            )
            for name, queue in self._queues.items()
        }
        given = self.settings
        return Scheduler(found, quotas, preempt=given.preempt, backfill_max_wait=given.backfill_max_wait)

    async def _attempt_output(self, native_id: str, attempt: int, skip: int) -> AsyncIterator[bytes]:
        lines = Lines(self._live.folder(native_id, attempt), skip)
        try:
            while True:
                over = self._is_over(native_id, attempt)
                chunk = lines.read()
                if chunk:
                    yield chunk
                elif over:
                    return
                else:
                    await self._rings.wait(native_id)
        finally:
            lines.close()

    def _is_over(self, native_id: str, attempt: int) -> bool:
        """Whether nothing more will be written in that attempt."""
        job = self._dispatcher.jobs.get(native_id) if self._dispatcher else None
        return job is None or attempt < job.number
