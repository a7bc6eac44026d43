"""Where a machine stands, by its StatefulSet, its pod and Kueue's Workload of it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.machines import MachineReason, MachineState, MachineStatus
from qwex_kueue.machines.manifests import CONTAINER
from qwex_kueue.scheduling import GATED, unplaced
from qwex_kueue.states import IMAGE_TROUBLE, UNSTARTABLE, eviction, is_away, stuck

if TYPE_CHECKING:
    from qwex_kueue.machines.objects import StatefulSet
    from qwex_kueue.objects import Container, Pod, Workload

__all__ = ["holds_quota", "is_lost", "status_of", "wastes"]

#: What ``start.sh`` ends with where it says why it does not start.
_REFUSALS = (77, 127)
#: What a user or a site can do about an image that cannot be pulled.
_WHICH_IMAGE = ". It is that of --image, else of [kueue] machine_image, which a controller reads as it starts"


def status_of(owner: StatefulSet, pod: Pod | None, workload: Workload | None, taker: str = "") -> MachineStatus:
    """The status; what is not known yet counts as not done yet. ``taker`` is the name of what took its place."""
    if pod is not None and is_lost(pod):
        return _lost(pod, stops=owner.replicas == 0)
    if owner.replicas == 0:
        if pod is not None or owner.present:
            return MachineStatus(MachineState.STOPPING, message="its shells are told, and its pod ends")
        if wastes(owner, pod, workload):
            return MachineStatus(MachineState.STOPPING, message="its pod has ended, and Kueue takes its quota back")
        return MachineStatus(MachineState.STOPPED)
    if workload is not None and not workload.active:
        message = "its workload was switched off in Kueue (by a time limit, or by somebody); stop it and start it again"
        return MachineStatus(MachineState.FAILED, "Deactivated", message)
    if pod is None or pod.deleted:
        return _without_pod(pod, workload, taker)
    if _is_gated(pod):
        return _waiting(workload, taker)
    return _with_pod(pod)


def holds_quota(workload: Workload | None) -> bool:
    """Whether others cannot have its quota yet, though it may be switched off, or be deleted."""
    return workload is not None and workload.has("QuotaReserved") is not None and not workload.has("Finished")


def wastes(owner: StatefulSet, pod: Pod | None, workload: Workload | None) -> bool:
    """Whether it keeps quota from others without a pod, and will have none."""
    return owner.replicas == 0 and pod is None and not owner.present and holds_quota(workload)


def is_lost(pod: Pod) -> bool:
    """Whether its node does not answer: its containers were ready when it last did, and the pod is not any more."""
    ready = pod.conditions.get("Ready")
    has_left = ready is not None and not ready.status and pod.has("ContainersReady") is not None
    return bool(pod.node) and (has_left or is_away(pod))


def _without_pod(pod: Pod | None, workload: Workload | None, taker: str) -> MachineStatus:
    if workload and workload.has("Evicted"):
        return MachineStatus(MachineState.QUEUED, *eviction(workload, taker))
    if pod is not None:
        return MachineStatus(MachineState.STOPPING, message="its pod ends, and a new one follows")
    return MachineStatus(MachineState.QUEUED)


def _waiting(workload: Workload | None, taker: str) -> MachineStatus:
    if workload and workload.has("Admitted"):
        return MachineStatus(MachineState.STARTING)
    if workload and workload.has("Evicted"):
        return MachineStatus(MachineState.QUEUED, *eviction(workload, taker))
    return MachineStatus(MachineState.QUEUED)


def _with_pod(pod: Pod) -> MachineStatus:
    if pod.has("Ready"):
        return MachineStatus(MachineState.RUNNING, node=pod.node)
    if message := unplaced(pod):
        return MachineStatus(MachineState.STARTING, "Unplaced", message)
    for name, container in pod.containers.items():
        if said := _again(container) if name == CONTAINER else _first(pod, name, container):
            return MachineStatus(MachineState.STARTING, *said, pod.node)
        if container.state == "waiting" and container.reason in UNSTARTABLE:
            hint = _WHICH_IMAGE if container.reason in IMAGE_TROUBLE else ""
            return MachineStatus(MachineState.STARTING, container.reason, stuck(container) + hint, pod.node)
    return MachineStatus(MachineState.STARTING, node=pod.node)


def _again(container: Container) -> tuple[str, str] | None:
    """Reason and message of a machine that ended by itself, which the kubelet starts again."""
    if container.last_reason == "OOMKilled":
        message = "it was out of memory and starts again; its home is as it was. More memory: qwex machine start"
        return MachineReason.OUT_OF_MEMORY.value, message
    if container.state == "terminated" or (container.state == "waiting" and container.last_reason):
        over = container.state == "terminated"
        if (container.code if over else container.last_code) in _REFUSALS:
            return "Unready", f"it cannot start: {(container.message if over else container.last_message).strip()}"
        said = container.last_message or container.last_reason or container.message or container.reason
        return "Restarting", f"its ssh server ended and is started again: {said}"
    return None


def _first(pod: Pod, name: str, container: Container) -> tuple[str, str] | None:
    """Reason and message of what runs before the machine, where it fails."""
    if container.code or (container.state == "waiting" and container.last_reason):
        why = {"user": "its image lacks a program that it needs", "bring": "the ssh server's image has no usable one"}
        log = f"kubectl logs {pod.name} -c {name}"
        return "Unready", f"it cannot be made ready, most likely because {why.get(name, name)}; see: {log}"
    return None


def _lost(pod: Pod, *, stops: bool) -> MachineStatus:
    message = f"its node {pod.node} does not answer; the machine may run on there, and is back when the node is"
    if pod.deleted:
        gone = "starts elsewhere" if not stops else "has stopped"
        message = f"its node {pod.node} does not answer; it {gone} when the node is back or out of the cluster"
    state = MachineState.STOPPING if stops else MachineState.STARTING
    return MachineStatus(state, MachineReason.NODE_LOST.value, message, pod.node)


def _is_gated(pod: Pod) -> bool:
    scheduled = pod.conditions.get("PodScheduled")
    return not pod.node and (scheduled is None or scheduled.reason == GATED)
