"""Objects as the API server sends them, with as much in them as the tests look at."""

from __future__ import annotations

from qwex_kueue.objects import Job, Pod, Workload

TIME = "2026-11-26T00:00:00Z"


def condition(type, status="True", reason="", message=""):
    return {"type": type, "status": status, "reason": reason, "message": message, "lastTransitionTime": TIME}


def job(
    *conditions, run_id="train-abc", attempt=1, controller="me", deleted=False, suspended=False, name=None,
    generation=2, started=None,
):  # fmt: skip
    metadata = {
        "name": name or run_id,
        "uid": f"job-{run_id}-{attempt}",
        "generation": generation,
        "creationTimestamp": TIME,
        "labels": {
            "qwex.dev/run-id": run_id,
            "qwex.dev/attempt": str(attempt),
            "qwex.dev/controller": controller,
            "kueue.x-k8s.io/queue-name": "default",
        },
        "annotations": {"qwex.dev/name": "train"},
    }
    if deleted:
        metadata["deletionTimestamp"] = TIME
    status = {"conditions": list(conditions), "startTime": started}
    return Job.of({"metadata": metadata, "spec": {"suspend": suspended}, "status": status})


def pod(
    *conditions, state=None, agent=None, phase="Pending", reason="", uid="pod-1", deleted=False, memory="64Mi",
    run_id="train-abc", job_uid="job-train-abc-1", node="node0",
):  # fmt: skip
    metadata = {
        "name": f"{run_id}-{uid}",
        "uid": uid,
        "creationTimestamp": TIME,
        "labels": {"qwex.dev/run-id": run_id},
        "ownerReferences": [{"uid": job_uid, "controller": True}],
    }
    if deleted:
        metadata["deletionTimestamp"] = TIME
    status = {"phase": phase, "reason": reason, "conditions": list(conditions)}
    if state is not None:
        status["containerStatuses"] = [{"name": "job", "state": state}]
    if agent is not None:
        status["initContainerStatuses"] = [{"name": "qwex-agent", "state": agent}]
    limits = {"limits": {"memory": memory}} if memory else {}
    spec = {"nodeName": node, "containers": [{"name": "job", "resources": limits}]}
    return Pod.of({"metadata": metadata, "spec": spec, "status": status})


def workload(
    *conditions, active=True, requests=None, job_uid="job-train-abc-1", owner="train-abc", queue="default",
    name="job-train",
):  # fmt: skip
    metadata = {
        "name": name,
        "uid": f"workload-{name}",
        "creationTimestamp": TIME,
        "ownerReferences": [{"uid": job_uid, "name": owner, "controller": True}],
    }
    status = {"conditions": list(conditions)}
    if requests:
        status["resourceRequests"] = [{"name": "main", "resources": requests}]
    return Workload.of({"metadata": metadata, "spec": {"queueName": queue, "active": active}, "status": status})


def terminated(code, reason="Error", message=""):
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


RUNNING = {"running": {"startedAt": TIME}}
EVICTED = condition("Evicted", reason="Preempted", message="Preempted to accommodate a workload (UID: 1, JobUID: 2)")
