"""The backend ``kueue``: the contract of ``qwex.backend`` over a cluster, from the parts of this package."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from weakref import WeakValueDictionary

from qwex import jobfolder
from qwex.backend import Backend, Capability
from qwex.changes import Changes
from qwex.errors import (
    BackendUnavailable,
    ConfigError,
    NotAuthorized,
)
from qwex.spec import validated
from qwex.state import Position
from qwex_kueue import manifests, names, podevents, settings, why
from qwex_kueue.errors import ApiError
from qwex_kueue.inquiries import Inquiries
from qwex_kueue.journal import Journal
from qwex_kueue.manifests import KueueRequest
from qwex_kueue.objects import Job, LocalQueue, Pod, Workload
from qwex_kueue.output import Output
from qwex_kueue.parcels import LeftParcels
from qwex_kueue.queueing import Queueing
from qwex_kueue.reflector import Reflector
from qwex_kueue.runs import Runs
from qwex_kueue.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from qwex.backend import BackendContext, Plan
    from qwex.gpus import GpuReport
    from qwex.record import JobRecord
    from qwex.state import JobStatus, QueueInfo, Why
    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.run import Run
    from qwex_kueue.settings import KueueSettings

__all__ = ["Cluster", "KueueBackend", "KueueRequest"]

log = logging.getLogger(__name__)

#: Seconds for the first look at the cluster.
_FIRST_LOOK = 5.0
#: Seconds that Kueue takes to notice a new Job; an explanation waits for that.
_FIRST_NOTICE = 0.5
#: Seconds until what is old in the journal is forgotten for the first time, and then again.
_FORGETS = (300.0, 86400.0)


class Cluster(NamedTuple):
    """What the machines of a cluster share with its jobs."""

    server: ApiServer
    settings: KueueSettings
    controller: str
    workloads: Reflector[Workload]
    queueing: Queueing


class KueueBackend(Backend[KueueRequest]):
    """Runs jobs as pods that Kueue admits. A job's native id is its run id; each of its Jobs is named after it."""

    name: ClassVar[str] = "kueue"
    capabilities: ClassVar[frozenset[str]] = frozenset(
        {
            Capability.QUEUES,
            Capability.EXPLAIN,
            Capability.PRIORITY,
            Capability.PREEMPTION,
            Capability.GPU,
            Capability.TIMEOUT,
            Capability.VALUES,
            Capability.FLEETING,
            Capability.ON_DEMAND,
        }
    )
    submits: ClassVar[int] = 16
    Settings = settings.KueueSettings

    def __init__(self, context: BackendContext) -> None:
        super().__init__(context)
        self._settings = settings.read(context.settings)
        self._zipapp, version = jobfolder.zipapp()
        self._runner = f"qwex-runner-{version[:12]}"
        #: Two submits of one job at a time are one job; a lock lives as long as somebody has it.
        self._submitting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._controller = _identity(context.folder)
        self._changes = Changes()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._reflectors: list[Reflector[Any]] = []
        self._closing = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Connect and begin to watch. A cluster that does not answer yet is waited for by those who ask."""
        try:
            from qwex_kueue.apiserver import ApiServer  # aiohttp and the client library: half a second
        except ImportError as error:
            raise ConfigError(f"the backend kueue needs more: pip install 'qwex[kueue]' ({error})") from error
        self._server = await ApiServer.connect(self._settings)
        self._closing.push_async_callback(self._server.close)
        namespace = self._server.namespace
        self._writer = Writer(self._server, self._runner, self._zipapp, self._controller)
        self._journal = Journal(self.context.folder / "kueue.db")
        self._closing.callback(self._journal.close)
        self._parcels = LeftParcels(self.context.parcels, self._journal.numbers)
        self._runs = Runs(
            self._journal,
            self._settings,
            self._controller,
            self._changes.tell,
            leaves=self._parcels.any_can_be,
        )
        self._closing.callback(self._runs.close)
        self._inquiries = Inquiries(self._server, self._runs, self._writer, self._parcels, self._spawn)
        self._runs.hopeless = self._inquiries.give_up
        self._runs.puzzles = self._inquiries.look_into
        self._output = Output(self._server, self._runs, self._parcels)
        self._runs.ending = lambda run, pod: self._spawn(self._output.see_the_end(run, pod))
        self._runs.again = lambda run: self._spawn(self._writer.number_next(run))
        kueue = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{namespace}"
        server, runs = self._server, self._runs
        ours, mine = names.RUN_ID, f"{names.CONTROLLER}={self._controller}"
        self._queues = Reflector(server, f"{kueue}/localqueues", LocalQueue.of)
        self._workloads = Reflector(server, f"{kueue}/workloads", Workload.of, runs.workload_changed)
        self._jobs = Reflector(server, server.jobs, Job.of, runs.job_changed, selector=ours)
        self._pods = Reflector(server, f"{server.core}/pods", Pod.of, runs.pod_changed, selector=mine)
        self._queueing = Queueing(server, self._queues, self._workloads, self._journal, self._settings)
        self._reflectors = [self._workloads, self._jobs, self._pods, self._queues]
        for reflector in self._reflectors:
            reflector.start()
        self._spawn(self._forget_old())
        with contextlib.suppress(BackendUnavailable, NotAuthorized, ApiError):
            await self._ready()

    async def close(self) -> None:
        """Let go of connections. Jobs go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(each.close() for each in self._reflectors), return_exceptions=True)
        self._changes.end()
        await self._closing.aclose()

    @property
    def cluster(self) -> Cluster:
        """Its connection and what is known of the queues, once it has started."""
        return Cluster(self._server, self._settings, self._controller, self._workloads, self._queueing)

    @property
    def trouble(self) -> str:
        """Why the watches do not show what is so now."""
        return next((str(each.problem) for each in self._reflectors if each.problem), "")

    def render(self, plan: Plan) -> KueueRequest:
        """The plan as a Job and a Secret."""
        validated(self.Options, **plan.spec.backend_options)
        return manifests.render(
            plan, self._settings, plan.spec.queue or self._settings.queue, self._runner, self._controller
        )

    def show(self, request: KueueRequest) -> str:
        """The objects as YAML, without what is secret."""
        return manifests.as_yaml(request)

    async def submit(self, request: KueueRequest) -> str:
        """Create the Job, and the Secret that it owns."""
        await self._ready()
        async with self._submitting.setdefault(request.run_id, asyncio.Lock()):
            return await self._submit(request)

    async def _submit(self, request: KueueRequest) -> str:
        run, handed = self._runs.get(request.run_id), self._journal.handed(request.run_id)
        if (status := self._runs.told_to_end(request.run_id)) is not None:
            self._changes.tell(request.run_id, status)
            return request.run_id
        begun = run is not None and run.job is not None and run.attempt >= request.attempt and not run.stop
        if handed and handed.created and handed.attempt >= request.attempt:
            # The cluster has had it, and may have nothing of it any more. Its end may have been told before anybody
            # who asks now listened.
            if (known := self._runs.status(request.run_id)) is not None:
                self._changes.tell(request.run_id, known)
            return request.run_id
        request = await self._queueing.with_priority(request)
        if request.preflight and not begun:
            await self._queueing.check(request)
        self._journal.creates(request.run_id, request.attempt)
        if run:
            # Whatever became of it, one attempt runs at a time.
            await self._writer.delete(run.before(request.attempt))
        await self._writer.create(request, lambda job: self._runs.created(Job.of(job)))
        self._journal.created(request.run_id)
        return request.run_id

    async def cancel(self, native_id: str) -> None:
        """Delete the job's objects; its pod is told, and has its grace."""
        await self._ready()
        run = self._runs.get(native_id)
        if run is None or (run.told and run.told.state.terminal):
            return
        self._runs.stops(run, "CancelledByUser", "cancelled by its user")
        try:
            await self._writer.delete(run.jobs.values())
        except Exception as error:
            log.warning("%s is deleted later: %s", native_id, error)
            self._inquiries.give_up(run)
        self._runs.look(run)

    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        """From what the watches have shown."""
        await self._ready()
        return {native_id: status for native_id in native_ids if (status := self._runs.status(native_id))}

    def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        """Every change, from this call on."""
        return self._changes.watch()

    async def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        """The records of the job's attempts, each from its pod's agent as long as that lives."""
        await self._ready()
        attempt, seq = max(after.attempt, 1), after.seq if after.attempt else 0
        while run := self._runs.get(native_id):
            async for lines in self._output.records(run, attempt, seq):
                yield lines
            if run.attempt <= attempt:
                return
            attempt, seq = attempt + 1, 0
        async for lines in self._output.left(native_id, attempt, seq):
            yield lines

    async def position(self, native_id: str) -> Position:
        """What the agent of the present attempt's pod has."""
        await self._ready()
        run = self._runs.get(native_id)
        pod = run.pod(run.attempt) if run else None
        last = await self._output.last(pod) if pod else 0
        return Position(run.attempt, last) if run and last else Position()

    async def value(self, native_id: str, attempt: int, name: str) -> AsyncIterator[bytes]:
        """From the pod's agent, or from what it left."""
        await self._ready()
        run = self._runs.get(native_id)
        pod = run.pod(attempt) if run else None
        async for chunk in self._output.value(native_id, attempt, pod, name):
            yield chunk

    async def send(self, native_id: str, attempt: int, name: str, url: str) -> bool:
        """By the pod's agent, past the API server."""
        await self._ready()
        run = self._runs.get(native_id)
        pod = run.pod(attempt) if run else None
        return pod is not None and await self._output.send(pod, name, url)

    async def acknowledge(self, native_id: str, last: Position) -> None:
        """Let the agents go, and with them the pods and their quota."""
        await self._ready()
        if run := self._runs.get(native_id):
            await self._output.acknowledge(run, last)

    async def renew(self, native_id: str, request: KueueRequest) -> None:
        """Have a pod that starts later, or again, begin with this description."""
        await self._ready()
        run = self._runs.get(native_id)
        if run and run.job and not run.has_ended:
            await self._writer.renew(request, run.job)

    async def queues(self) -> list[QueueInfo]:
        """The namespace's LocalQueues, with the quotas behind them where the user may read those."""
        return await self._queueing.infos(self.name)

    async def gpus(self) -> GpuReport:
        """From the nodes, the pods on them, and the quotas behind the namespace's LocalQueues."""
        return await self._queueing.gpus(self.name)

    async def elsewhere(self) -> list[JobRecord]:
        """From the watches; whoever may list the namespace's Jobs sees everybody's."""
        return self._runs.elsewhere()

    async def explain(self, native_id: str) -> Why | None:
        """From the Workload's conditions, the queue's list of who waits, the quotas, and the events of its pod."""
        await self._ready()
        run = self._runs.get(native_id)
        job = run.job if run else None
        if run is None or job is None:
            return None
        workload = await self._seen_workload(run, job)
        name = workload.name if workload else ""
        waits = workload is not None and not workload.has("Admitted")
        clusters = await self._queueing.clusters()
        places = await self._queueing.beyond.places(job.queue, name) if waits else {}
        pod = run.pod(run.attempt)
        trouble = await podevents.trouble(self._server, pod) if pod and podevents.is_late(pod) else ""
        return why.explain(
            why.Known(
                job.queue,
                workload,
                pod,
                self._queues.objects.get(job.queue),
                clusters.pop(job.queue, None),
                places.get(workload.name) if workload else None,
                self._runs.equivalents(workload) if workload and waits else (),
                clusters,
                self._journal.admissions(job.queue),
                trouble,
            )
        )

    async def preflight(self, plan: Plan) -> Why | None:
        """Nothing is created: a dry run, questions of rights, and the queues."""
        await self._ready()
        return await self._queueing.rehearse(self.render(plan))

    async def forget(self, native_id: str) -> None:
        """Remove what the cluster and the journal have of a job that has ended."""
        await self._ready()
        run = self._runs.get(native_id)
        if run:
            await self._writer.delete(run.jobs.values())
            self._runs.forget(native_id)
        self._journal.forget(native_id)

    # What follows serves the above, in its order.

    async def _ready(self) -> None:
        """Return once the cluster's objects are known.

        Raises:
            BackendUnavailable: not yet.
            NotAuthorized: a right is missing.
        """
        await asyncio.gather(*(reflector.ready(_FIRST_LOOK) for reflector in self._reflectors))
        self._runs.complete()

    async def _seen_workload(self, run: Run, job: Job) -> Workload | None:
        """Kueue's object of the job; a new Job's is there, and looked at, in a moment."""
        run.changed = run.changed or asyncio.Event()
        with contextlib.suppress(asyncio.TimeoutError):
            while not run.pods and not ((seen := self._runs.workload(job)) and seen.conditions):
                run.changed.clear()
                await asyncio.wait_for(run.changed.wait(), _FIRST_NOTICE)
        return self._runs.workload(job)

    async def _forget_old(self) -> None:
        """Keep the journal small, day by day.

        Not at the start: the controller first asks how those jobs ended that were there when it was last.
        """
        for pause in itertools.chain(_FORGETS, itertools.repeat(_FORGETS[-1])):
            await asyncio.sleep(pause)
            with contextlib.suppress(BackendUnavailable, NotAuthorized, ApiError):
                await self._ready()
                jobs, pods = self._jobs.objects.values(), self._pods.objects.values()
                present = {job.run_id for job in jobs} | {pod.run_id for pod in pods}
                # The controller may not have asked yet how those ended that it knows.
                self._journal.forget_old(present | self._known)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("%s", error)


def _identity(folder: Path) -> str:
    """This controller's own name in the cluster, kept with its store."""
    file = folder / "controller-id"
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="ascii").strip()
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(secrets.token_hex(8), encoding="ascii")
    part.replace(file)
    return file.read_text(encoding="ascii")
