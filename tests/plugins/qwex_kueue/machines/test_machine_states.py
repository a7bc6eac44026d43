"""Where a machine stands, by what the cluster has of it."""

from __future__ import annotations

import pytest
from qwex_kueue.machines.objects import StatefulSet
from qwex_kueue.machines.states import status_of
from qwex_kueue.objects import Pod, Workload

from qwex.machines import MachineState

METADATA = {"name": "qwex-train-abcdef", "uid": "1"}
RUNNING = {"name": "machine", "state": {"running": {}}, "ready": True}


def owner(replicas=1, present=1):
    spec = {"replicas": replicas, "template": {"spec": {}}}
    return StatefulSet.of({"metadata": METADATA, "spec": spec, "status": {"replicas": present}})


def condition(type, status="True", reason="", message=""):
    return {"type": type, "status": status, "reason": reason, "message": message}


def pod(*conditions, container=RUNNING, node="gpu-3", **metadata):
    return Pod.of(
        {
            "metadata": {"name": "qwex-train-abcdef-0", "uid": "2", **metadata},
            "spec": {"nodeName": node},
            "status": {"conditions": list(conditions), "containerStatuses": [container] if container else []},
        }
    )


def workload(*conditions, active=True):
    status = {"conditions": list(conditions)}
    return Workload.of({"metadata": {"name": "w", "uid": "3"}, "spec": {"active": active}, "status": status})


GATED = condition("PodScheduled", "False", "SchedulingGated")
ENDING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
RESERVED, FINISHED = condition("QuotaReserved"), condition("Finished")
ADMITTED, EVICTED = condition("Admitted"), condition("Evicted", reason="Preempted", message="made way for eval-2")
WAITING = {"name": "machine", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
KILLED = {
    "name": "machine",
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
}
CASES = [
    (owner(0, 0), None, None, "STOPPED", ""),
    (owner(0, 0), None, workload(), "STOPPED", ""),
    (owner(0, 0), None, workload(RESERVED), "STOPPING", ""),
    (owner(0, 0), None, workload(RESERVED, active=False), "STOPPING", ""),
    (owner(0, 0), None, workload(RESERVED, FINISHED), "STOPPED", ""),
    (owner(0, 1), pod(condition("Ready")), None, "STOPPING", ""),
    (owner(0, 1), pod(condition("Ready")), workload(), "STOPPING", ""),
    (owner(), None, None, "QUEUED", ""),
    (owner(), pod(GATED, container=None, node=""), workload(), "QUEUED", ""),
    (owner(), pod(GATED, container=None, node=""), workload(ADMITTED), "STARTING", ""),
    (owner(), pod(GATED, container=None, node=""), workload(EVICTED), "QUEUED", "Preempted"),
    (owner(), pod(condition("PodScheduled")), workload(ADMITTED), "STARTING", ""),
    (owner(), pod(condition("PodScheduled"), container=WAITING), workload(ADMITTED), "STARTING", "ImagePullBackOff"),
    (owner(), pod(condition("Ready")), workload(ADMITTED), "RUNNING", ""),
    (owner(), pod(condition("Ready")), workload(active=False), "FAILED", "Deactivated"),
    (
        owner(),
        pod(condition("Ready"), **ENDING),
        workload(EVICTED),
        "QUEUED",
        "Preempted",
    ),
]


@pytest.mark.parametrize(("owner", "pod", "workload", "state", "reason"), CASES)
def test_the_state_is_told_from_the_three_objects(owner, pod, workload, state, reason):
    found = status_of(owner, pod, workload)
    assert (found.state, found.reason) == (MachineState(state), reason)


@pytest.mark.parametrize("waits", [None, pod(GATED, container=None, node="")])
def test_who_took_its_place_is_said_in_words_for_people(waits):
    preempted = condition("Preempted", reason="InClusterQueue", message="Preempted to ... (UID: 1, JobUID: 2-a)")
    found = status_of(owner(), waits, workload(EVICTED, preempted), "eval-2")
    assert found.message == "a job of higher priority in the same cluster queue (eval-2) took its place"


def test_where_an_image_that_cannot_be_pulled_comes_from_is_said():
    found = status_of(owner(), pod(condition("PodScheduled"), container=WAITING), workload(ADMITTED))
    assert found.message.startswith("its image cannot be pulled: no such image. It is that of --image, else of [kueue]")


def test_out_of_memory_is_said_as_it_starts_again():
    found = status_of(owner(), pod(condition("PodScheduled"), container=KILLED), workload(ADMITTED))
    assert (found.state, found.node, found.reason) == (MachineState.STARTING, "gpu-3", "OutOfMemory")


@pytest.mark.parametrize("now", [True, False])
def test_what_a_machine_says_as_it_refuses_to_start_is_said(now):
    ended = {"terminated": {"reason": "Error", "exitCode": 77, "message": "its home cannot be written\n"}}
    waits = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    container = {"name": "machine", "state": ended} if now else {"name": "machine", "state": waits, "lastState": ended}
    found = status_of(owner(), pod(condition("PodScheduled"), container=container), workload(ADMITTED))
    assert (found.state, found.reason) == (MachineState.STARTING, "Unready")
    assert found.message == "it cannot start: its home cannot be written"
