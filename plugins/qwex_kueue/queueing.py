"""The queues of a namespace and the quotas behind them: what they have, and what can never run in them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qwex.errors import InvalidSpec, UnknownQueue
from qwex.state import QueueInfo, WaitReason
from qwex_kueue import gpus, manifests, names, preflight
from qwex_kueue.clusterqueues import FRESH, Beyond

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.gpus import GpuReport
    from qwex.state import Why
    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.clusterqueues import ClusterQueue
    from qwex_kueue.journal import Journal
    from qwex_kueue.manifests import KueueRequest
    from qwex_kueue.objects import LocalQueue, Workload
    from qwex_kueue.reflector import Reflector
    from qwex_kueue.settings import KueueSettings

__all__ = ["Queueing"]

#: Seconds for the first look at the cluster, and for one at its quotas.
_FIRST_LOOK = 5.0
#: Seconds for which a quota that is large enough is taken to be so.
_QUOTAS_LAST = 60.0
#: What a submit raises for what preflight finds, and the field to blame.
_REFUSALS: dict[str, tuple[type[InvalidSpec], str]] = {
    WaitReason.QUEUE_MISSING.value: (UnknownQueue, "queue"),
    WaitReason.EXCEEDS_MAX_QUOTA.value: (InvalidSpec, "resources"),
    WaitReason.WRONG_PYTHON.value: (InvalidSpec, "runtime.image"),
}


class Queueing:
    """From the watches of LocalQueues and Workloads, and from beyond the namespace."""

    def __init__(
        self,
        server: ApiServer,
        queues: Reflector[LocalQueue],
        workloads: Reflector[Workload],
        journal: Journal,
        settings: KueueSettings,
    ) -> None:
        self._server = server
        self._queues = queues
        self._workloads = workloads
        self._journal = journal
        self._settings = settings
        #: What lies beyond the namespace.
        self.beyond = Beyond(server)
        self._permission = preflight.Permission(server)

    async def infos(self, backend: str) -> list[QueueInfo]:
        """The namespace's LocalQueues, with the quotas behind them where the user may read those.

        Raises:
            UnknownQueue: there are none; says why.
        """
        await asyncio.gather(self._queues.ready(_FIRST_LOOK), self._workloads.ready(_FIRST_LOOK))
        default = self._settings.queue
        # Kueue's own count says that nobody waits in a queue that is stopped.
        holding = Counter((each.queue, each.holds) for each in self._workloads.objects.values())
        if not self._queues.objects and (why := await preflight.without_queues(self._server)):
            raise UnknownQueue(why.summary, problems=[("queue", why.summary)])
        clusters = await self.clusters()
        unseen = "its quota cannot be read now"
        if not self.beyond.may_read("clusterqueues"):
            unseen = "its quota is not yours to see"
        priorities = await self.beyond.priorities()
        return [
            QueueInfo(
                name,
                backend,
                holding[name, False],
                holding[name, True],
                clusters[name].lines({}) if name in clusters else (),
                queue.stopped != "None" or (name in clusters and clusters[name].stopped != "None"),
                name == default,
                "" if name in clusters else unseen,
                priorities or self._settings.priorities,
            )
            for name, queue in sorted(self._queues.objects.items())
        ]

    async def gpus(self, backend: str) -> GpuReport:
        """The cluster's GPUs, and what each of the namespace's queues has left of them, as far as the user may see it.

        Raises:
            BackendUnavailable: the queues are not known yet.
        """
        await self._queues.ready(_FIRST_LOOK)
        known = await gpus.look(self.beyond, dict(self._queues.objects), await self.clusters())
        return gpus.report(known, self._settings, backend)

    async def clusters(self) -> dict[str, ClusterQueue]:
        """The cluster queue behind each LocalQueue, where the user may read it."""
        queues = dict(self._queues.objects)
        asked = [self.beyond.cluster_queue(each.cluster_queue) for each in queues.values()]
        try:
            found = await asyncio.wait_for(asyncio.gather(*asked), _FIRST_LOOK)
        except asyncio.TimeoutError:
            return {}
        return {name: cluster for name, cluster in zip(queues, found, strict=True) if cluster}

    async def check(self, request: KueueRequest) -> None:
        """Refuse what can never run. What is asked of the cluster for that holds for a while for all jobs.

        Raises:
            InvalidSpec: says why.
            BackendUnavailable: the cluster, or Kueue, does not answer.
        """
        why = await self._impossible(request, _QUOTAS_LAST)
        # A quota may have been raised since.
        if why and (why := await self._impossible(request)):
            raise _refusal(why)
        await self._permission.check(request)

    async def rehearse(self, request: KueueRequest) -> Why | None:
        """What would keep it from running: a dry run, questions of rights, and the queues."""
        request = await self.with_priority(request)
        return (
            await self._impossible(request)
            or await preflight.forbidden(self._server, request)
            or await self.stopped(request.queue)
        )

    async def with_priority(self, request: KueueRequest) -> KueueRequest:
        """The class of the priority asked for, where the configuration does not name one."""
        return replace(request, job=await self.with_class(request.job, request.priority))

    async def with_class(self, owner: dict[str, Any], priority: int) -> dict[str, Any]:
        """A Job, or what else Kueue looks after, with the class of its priority.

        Raises:
            InvalidSpec: there is no such class, or more than one.
        """
        labels = owner["metadata"]["labels"]
        if not priority or names.PRIORITY_CLASS in labels:
            return owner
        label = manifests.priority_class(priority, await self.beyond.priorities())
        return {**owner, "metadata": {**owner["metadata"], "labels": {**labels, **label}}}

    async def check_amounts(self, queue: str, asked: Mapping[str, float]) -> None:
        """Refuse what no queue of that name can ever give.

        Raises:
            InvalidSpec: says why.
        """
        why = await self.unattainable(queue, asked, _QUOTAS_LAST)
        # A quota may have been raised since.
        if why and (why := await self.unattainable(queue, asked)):
            raise _refusal(why)

    async def unattainable(self, queue: str, asked: Mapping[str, float], fresh: float = FRESH) -> Why | None:
        """Why nothing that asks for so much can ever run in the queue; None where that is not so, or not known."""
        if not self._queues.objects:
            return await preflight.without_queues(self._server)
        cluster = await self._cluster_of(queue, fresh)
        return preflight.unattainable(self._server.namespace, queue, asked, self._queues.objects, cluster)

    async def stopped(self, queue: str) -> Why | None:
        """Why whatever is in the queue would wait however free it is."""
        return preflight.stopped(self._queues.objects[queue], await self._cluster_of(queue))

    async def _impossible(self, request: KueueRequest, fresh: float = FRESH) -> Why | None:
        if not self._queues.objects:
            return await preflight.without_queues(self._server)
        cluster = await self._cluster_of(request.queue, fresh)
        python = self._journal.python(*preflight.container(request))
        return preflight.impossible(self._server.namespace, request, self._queues.objects, cluster, python)

    async def _cluster_of(self, queue: str, fresh: float = FRESH) -> ClusterQueue | None:
        """The cluster queue behind a LocalQueue, where the user may read it."""
        known = self._queues.objects.get(queue)
        return await self.beyond.cluster_queue(known.cluster_queue, fresh) if known else None


def _refusal(why: Why) -> InvalidSpec:
    refusal, field = _REFUSALS[why.reason]
    return refusal(why.summary, problems=[(field, why.summary)])
