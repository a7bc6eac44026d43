"""What would happen to a job, found out before anything is created."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

from qwex.errors import InvalidSpec, NotAuthorized, nearest
from qwex.state import WaitReason, Why
from qwex_kueue import names
from qwex_kueue.amounts import amount, listed, summed
from qwex_kueue.errors import ApiError, Missing
from qwex_kueue.objects import requested
from qwex_kueue.writer import REFUSED_AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.clusterqueues import ClusterQueue
    from qwex_kueue.manifests import KueueRequest
    from qwex_kueue.objects import LocalQueue

__all__ = [
    "MACHINE_RIGHTS",
    "RIGHTS",
    "UNMANAGED",
    "Permission",
    "asked_for",
    "container",
    "excess",
    "forbidden",
    "impossible",
    "kueue_sees",
    "stopped",
    "unattainable",
    "without_queues",
    "without_rights",
]

UNMANAGED = (
    "Kueue does not look after the namespace {namespace}: a job there would run outside every quota, so qwex does not "
    "start any. Ask whoever runs the cluster"
)

#: Where to look for what the API server finds wrong with a pod.
_SITES_OWN = ". What is not qwex's own in spec.template comes from [kueue] pod_template, tolerations and node_selector"
#: What an image's name or tag says of the Python in it: python:3.12-slim, ray:2.9-py311, python3.12.
_NAMES_PYTHON = re.compile(r"py(?:thon)?[-:_]?3\.?(\d{1,2})(?!\d)")
#: The interpreters that such a name is about.
_USUAL = ("python3", "python")
#: Seconds for which the cluster's word that it takes jobs is good enough.
_PERMITTED = 300.0

#: What a user of qwex may have to do in the namespace: verb, group, resource, and what for. The Role of
#: ``deploy/kueue`` gives these.
RIGHTS = (
    ("create", "batch", "jobs", "submit jobs"),
    ("delete", "batch", "jobs", "cancel jobs"),
    ("create", "", "secrets", "send what a job needs"),
    ("delete", "", "secrets", "send it anew"),
    ("create", "", "configmaps", "send the runner"),
    ("create", "", "pods/portforward", "read a job's output"),
    ("get", "", "pods/log", "read what an ended job left"),
)
#: And what only who has dev machines may have to do.
MACHINE_RIGHTS = (
    ("create", "apps", "statefulsets", "make machines"),
    ("patch", "apps", "statefulsets", "start and stop them"),
    ("delete", "apps", "statefulsets", "delete them"),
    ("list", "apps", "statefulsets", "know which there are"),
    ("watch", "apps", "statefulsets", "see where they stand"),
    ("create", "", "persistentvolumeclaims", "give them homes"),
    ("get", "", "persistentvolumeclaims", "know whose a home is"),
    ("delete", "", "persistentvolumeclaims", "purge homes"),
    ("create", "", "secrets", "let keys in"),
    ("delete", "", "secrets", "let other keys in"),
    # Either is asked for by some API servers.
    ("get", "", "pods/portforward", "log in"),
    ("create", "", "pods/portforward", "log in"),
    ("get", "", "pods/log", "know whether one is used"),
)


def impossible(
    namespace: str,
    request: KueueRequest,
    queues: Mapping[str, LocalQueue],
    cluster: ClusterQueue | None,
    python: str,
) -> Why | None:
    """What keeps the job from ever running, by what is known without asking anybody."""
    if why := unattainable(namespace, request.queue, asked_for(request), queues, cluster):
        return why
    mismatch = _other_python(request, python)
    return Why(mismatch, WaitReason.WRONG_PYTHON.value) if mismatch else None


def unattainable(
    namespace: str,
    queue: str,
    asked: Mapping[str, float],
    queues: Mapping[str, LocalQueue],
    cluster: ClusterQueue | None,
) -> Why | None:
    """Why nothing that asks for so much can ever run in the queue."""
    if queue not in queues:
        known = sorted(queues)
        hint = f"no queue {queue!r} in the namespace {namespace}.{nearest(queue, known)}"
        return Why(f"{hint} There is: {', '.join(known)}", WaitReason.QUEUE_MISSING.value)
    if over := excess(asked, cluster):
        assert cluster is not None
        summary = f"it asks for more than {queue} can ever give: {over}. Ask for less, or in another queue"
        return Why(summary, WaitReason.EXCEEDS_MAX_QUOTA.value, quota=cluster.lines(asked))
    return None


async def without_queues(server: ApiServer) -> Why:
    """Why no job can run in a namespace without queues, as far as the user may know of the namespace itself."""
    try:
        await server.get(f"/api/v1/namespaces/{server.namespace}")
        text = "has no queues at all; ask whoever runs the cluster"
    except Missing:
        text = "does not exist; see namespace in [kueue], and the kubeconfig's context"
    except NotAuthorized:
        text = "has no queues, or does not exist; see namespace in [kueue], and the kubeconfig's context"
    return Why(f"the namespace {server.namespace} {text}", WaitReason.QUEUE_MISSING.value)


async def forbidden(server: ApiServer, request: KueueRequest) -> Why | None:
    """What the user may not do, and why the cluster or Kueue would not take such a job: asked of the cluster.

    Raises:
        BackendUnavailable: it does not answer, or Kueue's webhook does not.
    """
    without, managed = await asyncio.gather(without_rights(server, RIGHTS), _is_managed(server, request))
    return without or (Why(managed, WaitReason.QUEUE_MISSING.value) if managed else None)


async def without_rights(server: ApiServer, rights: Sequence[tuple[str, str, str, str]]) -> Why | None:
    """Which of those the user does not have, and what for."""
    allowed = await asyncio.gather(*(_may(server, *right[:3]) for right in rights))
    missing = [right for right, may in zip(rights, allowed, strict=True) if not may]
    if not missing:
        return None
    said = listed(f"{verb} {resource} (to {why})" for verb, _, resource, why in missing)
    text = f"you may not {said} in the namespace {server.namespace}; ask whoever runs the cluster"
    return Why(text, WaitReason.BACKEND_UNAVAILABLE.value)


def asked_for(request: KueueRequest) -> dict[str, float]:
    """What the queue will count, in the resources' own units."""
    return summed(requested(request.job["spec"]["template"]["spec"]))


def excess(asked: Mapping[str, float], cluster: ClusterQueue | None) -> str:
    """What is asked for beyond what one job can ever have; empty where that is nothing, or not known."""
    over = []
    for name, number in asked.items() if cluster else ():
        assert cluster is not None
        most = cluster.most(name)
        if most is not None and number > most:
            over.append(_beyond(name, number, most))
    return "; ".join(over)


def _beyond(resource: str, number: float, most: float) -> str:
    """``16 GPUs, and 8 GPUs is the most``; amounts that look alike are given to the byte."""
    asked, limit = amount(resource, number), amount(resource, most)
    if asked == limit:
        asked, limit = f"{number:,.0f} bytes of memory", f"{most:,.0f}"
    return f"{asked}, and {limit} is the most" if most else f"{asked}, and it has no {resource}"


class Permission:
    """The cluster's word that it takes jobs, asked for once in a while and not for each."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._asking = asyncio.Lock()
        #: Until when it need not be asked (monotonic).
        self._until = 0.0

    async def check(self, request: KueueRequest) -> None:
        """Return if the cluster would take such a job.

        Raises:
            InvalidSpec: says what is missing.
            BackendUnavailable: the cluster, or Kueue, does not answer.
        """
        async with self._asking:
            if time.monotonic() < self._until:
                return
            if why := await self._forbidden(request):
                raise InvalidSpec(why.summary)
            self._until = time.monotonic() + _PERMITTED

    async def _forbidden(self, request: KueueRequest) -> Why | None:
        """An API server that has just begun denies rights for a moment: it is asked again before it is believed."""
        why = await forbidden(self._server, request)
        for pause in REFUSED_AGAIN:
            if why is None or why.reason != WaitReason.BACKEND_UNAVAILABLE.value:
                break
            await asyncio.sleep(pause)
            why = await forbidden(self._server, request)
        return why


def container(request: KueueRequest) -> tuple[str, str]:
    """The image, and the interpreter in it."""
    (main,) = request.job["spec"]["template"]["spec"]["containers"][:1]
    return main["image"], main["command"][0]


def _other_python(request: KueueRequest, seen: str) -> str:
    """Why the code among the inputs cannot run in the image; empty where it can, or that is not known."""
    image, interpreter = container(request)
    named = _NAMES_PYTHON.search(image.rpartition("/")[2])
    has = ".".join(seen.split(".")[:2]) or (f"3.{named[1]}" if named and interpreter in _USUAL else "")
    others = sorted(request.pythons - {has})
    if not has or not others:
        return ""
    source = f"has Python {seen}" if seen else f"has Python {has} by its name"
    return (
        f"the image {image} {source}, and there is code among the inputs from Python {listed(others)}, which another "
        "cannot run. Have the same Python here and there, or send a script or a cell"
    )


def stopped(queue: LocalQueue, cluster: ClusterQueue | None) -> Why | None:
    """Why a job would wait however free the queue is."""
    active = queue.conditions.get("Active")
    if queue.stopped != "None":
        return Why(
            f"the queue {queue.name} is stopped; a job would wait until it goes on", WaitReason.QUEUE_STOPPED.value
        )
    if cluster and cluster.stopped != "None":
        text = f"the cluster queue behind {queue.name} is stopped; a job would wait until it goes on"
        return Why(text, WaitReason.QUEUE_STOPPED.value)
    if active and active.status is False:
        return Why(f"the queue {queue.name} is not usable: {active.message}", WaitReason.QUEUE_STOPPED.value)
    return None


async def _may(server: ApiServer, verb: str, group: str, resource: str) -> bool:
    """Asks the API server itself; anybody may ask this of themselves."""
    resource, _, sub = resource.partition("/")
    attributes = {"namespace": server.namespace, "verb": verb, "group": group, "resource": resource, "subresource": sub}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await server.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    except NotAuthorized:
        return True  # not told; the submit will say
    return bool(answer["status"]["allowed"])


async def _is_managed(server: ApiServer, request: KueueRequest) -> str:
    """Why the cluster would not take the job, or why Kueue would not see it; empty if all is well."""
    try:
        managed = await kueue_sees(server, request.job)
    except NotAuthorized:
        return ""  # told as a missing right
    except ApiError as error:
        return f"the cluster would refuse it: {error}{_SITES_OWN if 'spec.template.' in error.message else ''}"
    return "" if managed else UNMANAGED.format(namespace=server.namespace)


async def kueue_sees(server: ApiServer, job: Mapping[str, Any]) -> bool:
    """Whether Kueue would look after such a Job.

    A dry run of the create goes through every webhook. Sent as not suspended, it comes back suspended by Kueue.

    Raises:
        BackendUnavailable: Kueue's webhook does not answer.
    """
    labels = {**job["metadata"]["labels"], names.RUN_ID: "preflight"}
    probe = {
        **job,
        "metadata": {"name": f"{job['metadata']['name'][:50]}-preflight", "labels": labels},
        "spec": {**job["spec"], "suspend": False},
    }
    answer = await server.create(server.jobs, probe, dryRun="All")
    return bool(answer["spec"].get("suspend"))
