"""The machines of a cluster: the contract of ``qwex.machine`` over StatefulSets that Kueue admits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from qwex.door import SSH_PORT
from qwex.errors import BackendUnavailable, ConfigError, InvalidSpec
from qwex.machine import Activity, MachineProvider, MachineReason, MachineState, MachineStatus
from qwex.spec import validated
from qwex.state import Why
from qwex_kueue import podevents, preflight, scheduling, why
from qwex_kueue.backend import KueueBackend
from qwex_kueue.errors import ApiError
from qwex_kueue.machines import activity, manifests, unplaced
from qwex_kueue.machines.manifests import CONTROLLER, HOME, MachineRequest, object_name
from qwex_kueue.machines.objects import StatefulSet
from qwex_kueue.machines.reclaiming import Reclaiming
from qwex_kueue.machines.remains import Remains
from qwex_kueue.machines.states import holds_quota, is_lost, status_of, wastes
from qwex_kueue.machines.writer import MachineWriter
from qwex_kueue.objects import Pod
from qwex_kueue.reflector import Reflector
from qwex_kueue.states import preemptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from qwex.machine import MachineContext, MachinePlan
    from qwex_kueue.objects import Workload

__all__ = ["KueueMachines"]

#: Seconds for the first look at the cluster, and beyond its grace until a deleted machine must be gone.
_FIRST_LOOK, _GONE = 5.0, 60.0
#: Seconds for a watch to show what was written.
_SHOWN = 10.0


class KueueMachines(MachineProvider[MachineRequest]):
    """A machine is a StatefulSet of one pod or none, with a claim for its home. Its native id is its id."""

    name: ClassVar[str] = "kueue"

    def __init__(self, context: MachineContext) -> None:
        super().__init__(context)
        if not isinstance(context.backend, KueueBackend):
            raise ConfigError("machines on a cluster need the backend kueue")
        self._cluster = context.backend.cluster
        self._writer = MachineWriter(self._cluster.server, self._cluster.controller)
        mine = f"{CONTROLLER}={self._cluster.controller}"
        server = self._cluster.server
        sets, pods = self._writer.stateful_sets, f"{server.core}/pods"
        self._sets = Reflector(server, sets, StatefulSet.of, self._set_changed, selector=mine)
        self._pods = Reflector(server, pods, Pod.of, self._pod_changed, selector=mine)
        self._reclaiming = Reclaiming(self._writer.touch, self._wastes)
        self._listeners: set[asyncio.Queue[tuple[str, MachineStatus] | None]] = set()
        #: Set with every change, for those who wait for one.
        self._change = asyncio.Event()

    async def open(self) -> None:
        """Begin to watch."""
        self._cluster.workloads.listeners.append(self._workload_changed)
        self._sets.start()
        self._pods.start()

    async def close(self) -> None:
        """Let go of the watches. Machines go on."""
        self._cluster.workloads.listeners.remove(self._workload_changed)
        await asyncio.gather(self._sets.close(), self._pods.close(), self._reclaiming.close())
        for listener in self._listeners:
            listener.put_nowait(None)

    def render(self, plan: MachinePlan) -> MachineRequest:
        """The plan as a StatefulSet, a claim and a Secret."""
        validated(self.Options, **plan.spec.provider_options)
        return manifests.render(plan, self._cluster.settings, self._cluster.controller)

    def show(self, request: MachineRequest) -> str:
        """The objects as YAML, without what is secret."""
        return manifests.as_yaml(request)

    async def start(self, request: MachineRequest) -> str:
        """Create what is not there; scale up what is; make anew what its user wants otherwise, or would be by now."""
        await self._ready()
        known = self._sets.objects.get(object_name(request.machine_id))
        if known is None:
            await self._writer.check_free(request)
        if is_new := known is None or known.deleted or _is_another(known, request):
            request = await self._checked(request)
        await self._writer.prepare(request)
        if known and is_new:
            await self._writer.delete(request.machine_id)
            await self._wait_until_gone(request.machine_id)
            known = None
        if known is None:
            await self._writer.create(request)
        elif known.replicas == 0:
            await self._writer.scale(request.machine_id, 1)
        await self._shown(request.machine_id, 1)
        return request.machine_id

    async def stop(self, native_id: str, reason: str = "") -> None:
        """Scale to none."""
        await self._ready()
        known = self._sets.objects.get(object_name(native_id))
        if known and known.replicas:
            await self._writer.scale(native_id, 0)
            await self._shown(native_id, 0)

    async def delete(self, native_id: str, *, purge: bool) -> None:
        """Delete the StatefulSet, and what it needed once its pod is gone."""
        await self._ready()
        await self._writer.delete(native_id)
        await self._wait_until_gone(native_id)
        await self._writer.clear(native_id, purge=purge)

    async def update(self, request: MachineRequest) -> None:
        """Put the Secret anew."""
        await self._ready()
        await self._writer.put_secret(request)

    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        """From what the watches have shown."""
        await self._ready()
        return {native_id: status for native_id in native_ids if (status := self._status(native_id))}

    async def watch(self) -> AsyncIterator[tuple[str, MachineStatus]]:
        """Every change, from the first look on."""
        listener: asyncio.Queue[tuple[str, MachineStatus] | None] = asyncio.Queue()
        self._listeners.add(listener)
        try:
            while change := await listener.get():
                yield change
        finally:
            self._listeners.discard(listener)

    def door(self, native_id: str) -> dict[str, Any]:
        """The pod's name, and whose kubeconfig knows the way."""
        settings, server = self._cluster.settings, self._cluster.server
        return {
            "place": f"the namespace {server.namespace} of {server.address}",
            "kubeconfig": settings.kubeconfig,
            "context": settings.context,
            "server": server.address,
            "namespace": server.namespace,
            "pod": f"{object_name(native_id)}-0",
            "port": SSH_PORT,
            "home": HOME,
        }

    async def activity(self, native_id: str) -> Activity | None:
        """The newest line of that kind in the container's log, unless it is an old one: that is not the present."""
        await self._ready()
        if (pod := self._pod(native_id)) is None or not pod.has("Ready"):
            return None
        path = f"{self._cluster.server.core}/pods/{pod.name}/log"
        # It is the node's clock that says how old a line is.
        which = {"container": manifests.CONTAINER, "tailLines": activity.LINES, "sinceSeconds": activity.RECENT}
        try:
            log = b"".join([chunk async for chunk in self._cluster.server.text(path, **which)])
        except ApiError:
            return None  # its pod has just gone
        return activity.newest(log.decode(errors="replace"))

    async def explain(self, native_id: str) -> Why | None:
        """As of a job: from the Workload's conditions, the queue's list of who waits, and the quotas."""
        await self._ready()
        known = self._sets.objects.get(object_name(native_id))
        if known is None or not known.replicas:
            return None
        workload, pod = self._workload(known), self._pod(native_id)
        if pod and not pod.node and (workload is None or not workload.has("Admitted")):
            pod = None  # Kueue holds it back
        if pod and (found := await self._unplaced(pod, native_id)):
            return found
        stands = status_of(known, pod, workload)
        if pod and stands.state is MachineState.STARTING and stands.message:
            return Why(stands.message, stands.reason)
        queueing = self._cluster.queueing
        clusters = await queueing.clusters()
        waits = workload is not None and not workload.has("Admitted")
        places = await queueing.beyond.places(known.queue, workload.name) if workload and waits else {}
        return why.explain(
            why.Known(
                known.queue,
                workload,
                pod,
                cluster=clusters.pop(known.queue, None),
                place=places.get(workload.name) if workload else None,
                others=clusters,
                trouble=await podevents.trouble(self._cluster.server, pod) if pod and podevents.is_late(pod) else "",
            )
        )

    async def preflight(self, plan: MachinePlan) -> Why | None:
        """Nothing is created: a dry run, and the queues."""
        await self._ready()
        queueing, request = self._cluster.queueing, self.render(plan)
        if why := await queueing.unattainable(request.queue, request.amounts):
            return why
        if why := await preflight.without_rights(self._cluster.server, preflight.MACHINE_RIGHTS):
            return why
        try:
            await self._checked(request)
        except InvalidSpec as error:
            return Why(error.message, MachineReason.REFUSED.value)
        return await queueing.stopped(request.queue)

    # What follows serves the above, in its order.

    async def _checked(self, request: MachineRequest) -> MachineRequest:
        """With the class of its priority, if the cluster takes such a machine and Kueue sees it.

        Raises:
            InvalidSpec: says what is wrong.
        """
        await self._cluster.queueing.check_amounts(request.queue, request.amounts)
        owner = await self._cluster.queueing.with_class(request.stateful_set, request.priority)
        request = replace(request, stateful_set=owner)
        await self._writer.rehearse(request)
        return request

    async def _ready(self) -> None:
        """Return once the cluster's objects are known.

        Raises:
            BackendUnavailable: not yet.
            NotAuthorized: a right is missing.
        """
        watched = (self._sets, self._pods, self._cluster.workloads)
        await asyncio.gather(*(reflector.ready(_FIRST_LOOK) for reflector in watched))

    async def _unplaced(self, pod: Pod, machine_id: str) -> Why | None:
        """Why no node takes its pod, where the scheduler says that."""
        if not scheduling.unplaced(pod):
            return None
        claim = object_name(machine_id, "home")
        return unplaced.explain(pod, claim, await unplaced.trouble_of(self._cluster.server, claim))

    async def _shown(self, machine_id: str, replicas: int) -> None:
        """Return once the watch shows what was written: the next call goes by what it shows.

        Raises:
            BackendUnavailable: it does not in time.
        """
        name = object_name(machine_id)

        async def seen() -> None:
            while (known := self._sets.objects.get(name)) is None or known.deleted or known.replicas != replicas:
                self._change.clear()
                await self._change.wait()

        try:
            await asyncio.wait_for(seen(), _SHOWN)
        except asyncio.TimeoutError:
            raise BackendUnavailable(f"the cluster does not show yet what was written to {name}") from None

    async def _wait_until_gone(self, machine_id: str) -> None:
        """Return once its StatefulSet and its pod are gone, and its quota is free.

        Raises:
            BackendUnavailable: not in time; says what is left, and what holds it.
        """
        known = self._sets.objects.get(object_name(machine_id))
        limit = _GONE + (known.grace if known else 0)

        async def gone() -> None:
            while self._left(machine_id):
                self._change.clear()
                await self._change.wait()

        try:
            await asyncio.wait_for(gone(), limit)
        except asyncio.TimeoutError:
            if left := self._left(machine_id):
                why = await self._why_left(left, machine_id)
                raise BackendUnavailable(f"{machine_id} has not gone in {limit:g} s: {why}") from None

    def _left(self, machine_id: str) -> Remains | None:
        """The one that the others wait for, if any is left."""
        name = object_name(machine_id)
        if pod := self._pod(machine_id):
            return self._remains("pod", pod.name, self._pods)
        # Its StatefulSet, by whose uid it is found otherwise, may be gone before it.
        for workload in self._cluster.workloads.objects.values():
            if workload.owner == name and holds_quota(workload):
                return self._remains("Workload", workload.name, self._cluster.workloads)
        return self._remains("StatefulSet", name, self._sets) if name in self._sets.objects else None

    @staticmethod
    def _remains(kind: str, name: str, among: Reflector[Any]) -> Remains:
        return Remains(kind, name, f"{among.path}/{name}")

    async def _why_left(self, left: Remains, machine_id: str) -> str:
        pod = self._pod(machine_id)
        if pod and is_lost(pod):
            return f"the node {pod.node} of its pod does not answer; it goes when that is back or out of the cluster"
        return await left.told(self._cluster.server)

    def _status(self, native_id: str) -> MachineStatus | None:
        known = self._sets.objects.get(object_name(native_id))
        if known is None or known.deleted:
            return None
        workload, taker = self._workload(known), ""
        if workload and workload.has("Preempted"):
            taker = preemptor(workload, {each.job_uid: each for each in self._cluster.workloads.objects.values()})
        return status_of(known, self._pod(native_id), workload, taker)

    def _wastes(self, machine_id: str) -> bool:
        known = self._sets.objects.get(object_name(machine_id))
        return known is not None and wastes(known, self._pod(machine_id), self._workload(known))

    def _pod(self, machine_id: str) -> Pod | None:
        return self._pods.objects.get(f"{object_name(machine_id)}-0")

    def _workload(self, owner: StatefulSet) -> Workload | None:
        found = (each for each in self._cluster.workloads.objects.values() if each.job_uid == owner.uid)
        return max(found, key=lambda each: each.created, default=None)

    def _set_changed(self, before: StatefulSet | None, now: StatefulSet | None) -> None:
        if now is not None:
            self._tell(now.machine_id)
        elif before is not None:
            self._change.set()
            message = "its StatefulSet was deleted in the cluster; its home may be there: qwex machine start"
            gone = MachineStatus(MachineState.FAILED, MachineReason.LOST.value, message)
            for listener in self._listeners:
                listener.put_nowait((before.machine_id, gone))

    def _pod_changed(self, before: Pod | None, now: Pod | None) -> None:
        known = now or before
        self._tell(known.name.removeprefix("qwex-").removesuffix("-0") if known else "")

    def _workload_changed(self, before: Workload | None, now: Workload | None) -> None:
        known = now or before
        owner = next((each for each in self._sets.objects.values() if known and each.uid == known.job_uid), None)
        self._change.set()  # one whose owner is gone counts, too
        if owner:
            self._tell(owner.machine_id)

    def _tell(self, machine_id: str) -> None:
        self._change.set()
        self._reclaiming.look(machine_id)
        status = self._status(machine_id)
        for listener in self._listeners if status else ():
            assert status is not None
            listener.put_nowait((machine_id, status))


def _is_another(known: StatefulSet, request: MachineRequest) -> bool:
    """Whether the machine has to be made anew; of one that runs only what its user asked for counts."""
    return known.asked != request.asked if known.replicas else known.shape != request.shape
