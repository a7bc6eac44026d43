"""Where a job stands, from what Kubernetes and Kueue say of it: one table for each of their words. Pure.

Conditions are looked up by type. The names are those of batch/v1, v1 and kueue.x-k8s.io/v1beta2.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex import jobfolder
from qwex.quantities import format_bytes
from qwex.state import JobState, JobStatus, Reason
from qwex_kueue import names
from qwex_kueue.scheduling import unplaced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex_kueue.objects import Container, Job, Pod, Workload

__all__ = [
    "DISRUPTIONS",
    "EVICTIONS",
    "IMAGE_TROUBLE",
    "JOB_FAILURES",
    "PREEMPTIONS",
    "TERMINATIONS",
    "UNSTARTABLE",
    "Verdict",
    "as_it_stands",
    "deactivated",
    "deleted",
    "disruption",
    "ended",
    "eviction",
    "exit_of",
    "finished",
    "is_away",
    "is_being_made",
    "is_evicted",
    "is_stuck",
    "is_unexplained",
    "pod_lost",
    "preemptor",
    "requeued",
    "standing",
    "stuck",
    "was_ended_from_outside",
]

#: Why Kueue takes a job's quota away: the reasons of a Workload's condition ``Evicted``. All but the last go back to
#: the queue.
EVICTIONS = {
    "Preempted": (Reason.PREEMPTED.value, "a job of higher priority, or the owner of the quota, took its place"),
    "PodsReadyTimeout": ("PodsReadyTimeout", "its pod was not ready in the time Kueue allows"),
    "AdmissionCheck": ("AdmissionCheck", "a check of its admission failed"),
    "ClusterQueueStopped": ("QueueStopped", "its cluster queue was stopped and drained"),
    "LocalQueueStopped": ("QueueStopped", "its queue was stopped and drained"),
    "NodeFailures": (Reason.NODE_LOST.value, "its node failed"),
    "FlavorMigration": ("FlavorMigration", "it moves to other nodes"),
    "EvictedOnManagerCluster": ("Evicted", "its cluster gave it back"),
    "Deactivated": ("Deactivated", "it was deactivated"),
}
#: Who takes a preempted workload's place: the reasons of its condition ``Preempted``.
PREEMPTIONS = {
    "InClusterQueue": "a job of higher priority in the same cluster queue",
    "InCohortReclamation": "a job of the queue that the quota belongs to",
    "InCohortFairSharing": "a job of a queue with a smaller share",
    "InCohortReclaimWhileBorrowing": "a job of the queue that the quota belongs to",
}
#: How a container ended: the reasons of ``state.terminated``; other codes say themselves.
TERMINATIONS = {
    "OOMKilled": Reason.OUT_OF_MEMORY.value,
    "ContainerCannotRun": Reason.START_FAILED.value,
    "StartError": Reason.START_FAILED.value,
    "ContainerStatusUnknown": Reason.NODE_LOST.value,
    "Unknown": Reason.NODE_LOST.value,
    "DeadlineExceeded": Reason.TIMED_OUT.value,
}
#: Why a pod is ended by the cluster: reasons of the condition ``DisruptionTarget``, and of a failed pod itself.
DISRUPTIONS = {
    "DeletionByTaintManager": "its node did not answer any more",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node was shut down or short of memory or disk",
    "PreemptionByScheduler": "a pod of higher priority took its node",
    "EvictionByEvictionAPI": "its node was drained",
    "NodeLost": "its node did not answer any more",
    "NodeShutdown": "its node was shut down",
    "Terminated": "its node was shut down",
    "Shutdown": "its node was shut down",
    "NodeAffinity": "its node is not one of those it asked for any more",
    "Evicted": "its node was short of memory or disk",
    "Preempting": "a pod of the system took its node",
    "UnexpectedAdmissionError": "its node refused it",
}
#: Those after which nothing more is heard of the pod.
_AWAY = {"DeletionByTaintManager", "DeletionByPodGC", "NodeLost"}
#: Why a Job failed: the reasons of its condition ``Failed`` that its pod does not explain better.
JOB_FAILURES = {
    "DeadlineExceeded": (Reason.TIMED_OUT.value, "it ran longer than its Job allows"),
    "BackoffLimitExceeded": (Reason.LOST.value, "its pod failed, and nothing says how"),
    "PodFailurePolicy": (Reason.LOST.value, "its pod failed as its Job's policy foresees"),
    "FailedIndexes": (Reason.LOST.value, "one of its pods failed, and nothing says how"),
    "MaxFailedIndexesExceeded": (Reason.LOST.value, "more of its pods failed than its Job allows"),
}
#: In Kueue's message of a preemption, whom it was for.
_PREEMPTOR = re.compile(r"JobUID: ([0-9a-f-]+)")
#: Why a container waits, where waiting does not help: at once, or after the patience of the settings.
UNSTARTABLE = {
    "InvalidImageName": True,
    "ErrImageNeverPull": True,
    "ErrImagePull": False,
    "ImagePullBackOff": False,
    "RegistryUnavailable": False,
    "ImageInspectError": False,
    "SignatureValidationFailed": False,
    "PreCreateHookError": False,
    "PreStartHookError": False,
    "PostStartHookError": False,
    "CreateContainerConfigError": False,
    "CreateContainerError": False,
    "RunContainerError": False,
    "CrashLoopBackOff": False,
}
#: The runtime's words for a program that the image does not have; no patience changes an image.
_NO_PROGRAM = re.compile(r"exec: .*(no such file or directory|executable file not found|permission denied)")
IMAGE_TROUBLE = (
    "InvalidImageName",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
)


class Verdict(NamedTuple):
    """A status; ``hopeless`` says that the job's objects only hold quota from now on."""

    status: JobStatus
    hopeless: bool = False


def standing(job: Job, workload: Workload | None, pod: Pod | None, attempt: int, *, impatient: bool = False) -> Verdict:
    """Where attempt number ``attempt`` stands, whose end is not known.

    ``pod`` is the attempt's, None if there is none yet; with ``impatient`` what fails to start is given up.
    """
    if pod is None:
        return _without_pod(job, workload, attempt)
    if (why := disruption(pod)) and (is_away(pod) or pod.phase == "Failed"):
        return Verdict(JobStatus(JobState.FAILED, Reason.NODE_LOST.value, why, None, attempt), hopeless=True)
    if not pod.deleted and (status := finished(job, attempt)) and status.state is JobState.FAILED:
        return Verdict(status)
    main = pod.containers.get(names.JOB)
    if main and main.state == "running":
        return Verdict(JobStatus(JobState.RUNNING, "", pod.node, None, attempt))
    return _starting(pod, attempt, impatient=impatient)


def finished(job: Job, attempt: int) -> JobStatus | None:
    """How the Job itself says that it ended; None as long as it has not."""
    if job.has("Complete") or job.has("SuccessCriteriaMet"):
        return JobStatus(JobState.SUCCEEDED, "", "", 0, attempt)
    # The target comes first, while its pods still end.
    if failed := job.has("Failed") or job.has("FailureTarget"):
        reason, message = JOB_FAILURES.get(failed.reason, (failed.reason or Reason.LOST.value, failed.message))
        return JobStatus(JobState.FAILED, reason, message, None, attempt)
    return None


def as_it_stands(pod: Pod | None, attempt: int) -> JobStatus:
    """A job of which no more can be said than how far it has come."""
    if pod is None:
        return JobStatus(JobState.QUEUED, "", "", None, attempt)
    main = pod.containers.get(names.JOB)
    begun = main is not None and main.state != "waiting"
    return JobStatus(JobState.RUNNING if begun else JobState.ADMITTED, "", "", None, attempt)


def was_ended_from_outside(exit: Mapping[str, Any], pod: Pod | None) -> bool:
    """Whether a pod's end is not the job's own: it was told to end, whatever it made of that, or was killed."""
    killed = exit["reason"] == Reason.LOST.value and (pod is None or pod.deleted)
    return killed or bool(exit.get("terminated"))


def is_unexplained(pod: Pod, exit: Mapping[str, Any]) -> bool:
    """Whether the agent knows that the job's container was killed, and the kubelet has not yet said what for."""
    main = pod.containers.get(names.JOB)
    return exit["reason"] == Reason.LOST.value and main is not None and main.state == "running"


def exit_of(pod: Pod) -> dict[str, Any] | None:
    """The exit record that the runner left as the container's last words, or what the container's end says."""
    main = pod.containers.get(names.JOB)
    if main is None or main.state != "terminated":
        return None
    try:
        said = json.loads(main.message)
        if isinstance(said, dict) and {"code", "reason", "message"} <= said.keys():
            return said
    except ValueError:
        pass
    return _from_container(main, deleted=pod.deleted)


def pod_lost(pod: Pod | None, attempt: int) -> JobStatus:
    """The pod was ended from outside, and that is the end of the attempt."""
    if pod and (why := disruption(pod)):
        return JobStatus(JobState.FAILED, Reason.NODE_LOST.value, why, None, attempt)
    message = "its pod was deleted, by someone or by the cluster, before it ended"
    return JobStatus(JobState.FAILED, Reason.LOST.value, message, None, attempt)


def deleted(attempt: int) -> JobStatus:
    """Its Job went, and not by its controller."""
    message = "its Job is not in the cluster any more: someone deleted it, or it ended long ago"
    return JobStatus(JobState.FAILED, "Deleted", message, None, attempt)


def preemptor(workload: Workload | None, workloads: Mapping[str, Workload]) -> str:
    """The id of the job or the machine that took the workload's place, where it is in this namespace."""
    preempted = workload.has("Preempted") if workload else None
    named = _PREEMPTOR.search(preempted.message) if preempted else None
    taker = workloads.get(named[1]) if named else None
    return taker.owner.removeprefix("qwex-") if taker else ""


def requeued(workload: Workload | None, attempt: int, taker: str = "") -> JobStatus:
    """The job is back in its queue, for ``attempt``; ``taker`` is the name of the job that took its place."""
    reason, message = eviction(workload, taker)
    return JobStatus(JobState.QUEUED, reason, f"{message}; it waits again", None, attempt)


def eviction(workload: Workload | None, taker: str = "") -> tuple[str, str]:
    """Reason and message of the last time that Kueue took its quota away."""
    evicted = workload.conditions.get("Evicted") if workload else None
    word = evicted.reason if evicted else ""
    reason, message = EVICTIONS.get(word.partition("DueTo")[0], ("Evicted", "its quota was taken away"))
    if reason == Reason.PREEMPTED.value and workload and (preempted := workload.has("Preempted")):
        name = f" ({taker})" if taker else ""
        message = f"{PREEMPTIONS.get(preempted.reason, 'another job')}{name} took its place"
    return reason, message


def _from_container(main: Container, *, deleted: bool) -> dict[str, Any]:
    code = main.code if main.code is not None else 1
    reason = TERMINATIONS.get(main.reason) or (Reason.EXIT_CODE.value if code else "")
    if not main.reason and code > 128:
        reason = Reason.SIGNAL.value
    message = main.message.strip() or (f"ended with exit code {code}" if code else "")
    terminated = deleted and reason != Reason.OUT_OF_MEMORY.value
    return {"code": code, "reason": reason, "message": message, "terminated": terminated}


def ended(pod: Pod | None, attempt: int, exit: Mapping[str, Any]) -> JobStatus:
    """The end that the job made itself, with what its pod knows of that."""
    status = jobfolder.ended(exit, attempt)
    if pod is None or status.state is not JobState.FAILED:
        return status
    main = pod.containers.get(names.JOB)
    if (main and main.reason == "OOMKilled") or status.reason == Reason.OUT_OF_MEMORY.value:
        return _out_of_memory(status, pod, exit)
    if why := disruption(pod):
        return JobStatus(JobState.FAILED, Reason.NODE_LOST.value, why, status.exit_code, attempt)
    return status


def _out_of_memory(status: JobStatus, pod: Pod, exit: Mapping[str, Any]) -> JobStatus:
    used = exit.get("peak_memory")
    had = f"its limit of {format_bytes(pod.memory)}" if pod.memory else "all memory of its node"
    message = f"it used up {had}" + (f" (its largest process: {format_bytes(used)})" if used else "")
    return JobStatus(JobState.FAILED, Reason.OUT_OF_MEMORY.value, message, status.exit_code, status.attempt)


def is_evicted(workload: Workload | None) -> bool:
    """Whether Kueue takes the job's quota away, and means to give it some again."""
    return workload is not None and workload.active and workload.has("Evicted") is not None


def is_away(pod: Pod) -> bool:
    """Whether its node does not answer: what is known of the pod is of before, and its containers may run on."""
    target = pod.has("DisruptionTarget")
    return (target is not None and target.reason in _AWAY) or pod.reason in _AWAY


def disruption(pod: Pod) -> str:
    """Why the cluster ends the pod, if it does."""
    if target := pod.has("DisruptionTarget"):
        return DISRUPTIONS.get(target.reason, target.message or "its node was taken away")
    if pod.phase != "Failed":
        return ""
    if pod.reason.startswith("OutOf"):
        return f"its node had too little left for it: {pod.message or pod.reason}"
    return DISRUPTIONS.get(pod.reason, "")


def _without_pod(job: Job, workload: Workload | None, attempt: int) -> Verdict:
    if workload is not None and not workload.active:
        return deactivated(workload, attempt)
    if status := finished(job, attempt):
        return Verdict(status)
    if workload is not None and workload.has("Admitted") and not workload.has("Evicted"):
        return Verdict(JobStatus(JobState.ADMITTED, "", "", None, attempt))
    return Verdict(JobStatus(JobState.QUEUED, "", "", None, attempt))


def deactivated(workload: Workload, attempt: int) -> Verdict:
    """The job was taken out of its queue for good."""
    evicted = workload.conditions.get("Evicted")
    said = evicted.message if evicted else ""
    if evicted and "MaximumExecutionTimeExceeded" in evicted.reason:
        status = JobStatus(JobState.FAILED, Reason.TIMED_OUT.value, said, None, attempt)
    else:
        message = f"it was deactivated: {said}" if said else "it was deactivated by someone who may change Workloads"
        status = JobStatus(JobState.FAILED, "Deactivated", message, None, attempt)
    return Verdict(status, hopeless=True)


def is_stuck(pod: Pod) -> bool:
    """Whether one of its containers fails to start."""
    return _stuck_container(pod) is not None


def is_being_made(pod: Pod) -> bool:
    """Whether it has its node, and its containers wait for their image, their volumes or their network."""
    main = pod.containers.get(names.JOB)
    return bool(pod.node) and not is_stuck(pod) and (main is None or main.state == "waiting")


def _stuck_container(pod: Pod) -> Container | None:
    waiting = (each for each in pod.containers.values() if each.state == "waiting")
    return next((each for each in waiting if each.reason in UNSTARTABLE), None)


def _starting(pod: Pod, attempt: int, *, impatient: bool) -> Verdict:
    """Admitted, and not running yet: what keeps it, and whether there is hope."""
    if container := _stuck_container(pod):
        message = stuck(container)
        if impatient or UNSTARTABLE[container.reason] or _NO_PROGRAM.search(message):
            return Verdict(JobStatus(JobState.FAILED, Reason.START_FAILED.value, message, None, attempt), hopeless=True)
        return Verdict(JobStatus(JobState.ADMITTED, container.reason, message, None, attempt))
    if message := unplaced(pod):
        reason = pod.conditions["PodScheduled"].reason
        return Verdict(JobStatus(JobState.ADMITTED, reason, message, None, attempt))
    return Verdict(JobStatus(JobState.ADMITTED, "", "", None, attempt))


def stuck(container: Container) -> str:
    """What keeps a container from starting, in a sentence."""
    said = container.message or container.last_message or container.last_reason
    if container.reason in IMAGE_TROUBLE:
        return f"its image cannot be pulled: {said or container.reason}"
    return f"its container does not start: {said or container.reason}"
