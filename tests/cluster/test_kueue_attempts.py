"""Jobs that start more than once, or hardly at all: one copy runs at a time, each is told of, and no pod lingers."""

from __future__ import annotations

import json
import os
import signal

import pytest
from harness.waiting import wait_until
from jobs import SMALL, configure, printed, states, submit

import qwex
from qwex.spec import JobSpec, Source

#: Shorter than an agent waits that nobody has let go.
SOON = 30


@pytest.fixture
def client(user, namespace, home, tmp_path, monkeypatch):
    """A client of the backend ``kueue`` in a namespace of the test's own."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, user, namespace)
    return qwex.Client()


def kill(home):
    os.kill(json.loads((home / "controller.json").read_text())["pid"], signal.SIGKILL)


def pods(cluster, namespace):
    return cluster.list("-n", namespace, "pods")


def living(cluster, namespace):
    return [pod for pod in pods(cluster, namespace) if pod["status"]["phase"] in ("Pending", "Running")]


def retried(client):
    source, args = Source(kind="command"), ("sh", "-c", "echo attempt $QWEX_ATTEMPT; exit 3")
    return client.submit(JobSpec(source=source, args=args, resources=SMALL, retries={"failures": 3}))


STORIES = [None, ("ADMITTED", 1), ("RUNNING", 1), ("QUEUED", 2), ("RUNNING", 2), ("QUEUED", 3), ("RUNNING", 4)]


@pytest.mark.parametrize("moment", STORIES, ids=str)
def test_every_attempt_of_a_job_that_nobody_follows_is_in_its_log(client, cluster, namespace, home, moment):
    """Its controller is killed as soon as its story has come to the moment, wherever the job is by then."""
    job = retried(client)
    if moment:
        wait_until(lambda: moment in [(state, attempt) for state, _, attempt in states(job)], str(moment))
        kill(home)
    assert job.wait(120)
    assert printed(job).splitlines() == [f"attempt {number}" for number in (1, 2, 3, 4)]
    assert (job.status().attempt, job.status().exit_code) == (4, 3)
    wait_until(lambda: not living(cluster, namespace), "the pods' ends", SOON)


def test_a_workload_that_is_deleted_while_the_controller_is_away(client, cluster, namespace, home):
    """Kueue suspends the Job, makes a Workload anew and admits it: the same Job goes on."""
    job = submit(client, "import time; print('begun', flush=True); time.sleep(20); print('done')")
    wait_until(lambda: "begun" in printed(job), "its first line")
    kill(home)
    cluster.delete("-n", namespace, "workloads.kueue.x-k8s.io", "--all", "--wait=false")

    def goes_on():
        (there,) = cluster.list("-n", namespace, "jobs")
        (pod,) = pods(cluster, namespace)
        return not there["spec"]["suspend"] and "deletionTimestamp" in pod["metadata"]

    wait_until(goes_on, "the Job that goes on while its pod still ends", SOON)
    assert job.wait(120)
    assert printed(job) == "begun\nbegun\ndone\n"
    assert [(state, attempt) for state, _, attempt in states(job)][-1] == ("SUCCEEDED", 2)
    assert "QUEUED" in [state for state, _, attempt in states(job) if attempt == 2]
    assert len(cluster.list("-n", namespace, "jobs")) == 1
    wait_until(lambda: not living(cluster, namespace), "the pods' ends", SOON)


def container(pod, name):
    """The state of one of its containers."""
    status = pod["status"]
    said = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next((key for each in said if each["name"] == name for key in each["state"]), "")


MOMENTS = {
    "made": lambda pod: True,
    "bound": lambda pod: "nodeName" in pod["spec"],
    "the agent runs": lambda pod: container(pod, "qwex-agent") == "running",
    "the job runs": lambda pod: container(pod, "job") == "running",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_job_that_is_cancelled_in_its_first_moments_is_gone_soon(client, cluster, namespace, moment):
    job = submit(client, "import time; time.sleep(600)")
    wait_until(lambda: [pod for pod in pods(cluster, namespace) if MOMENTS[moment](pod)], moment)
    job.cancel()
    assert job.wait(SOON)
    assert job.status().state == "CANCELLED"
    wait_until(lambda: not living(cluster, namespace), "its pod's end", SOON)
