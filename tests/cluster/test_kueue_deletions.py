"""What others do to a job's objects, also with its controller away: one true end, and nothing runs twice."""

from __future__ import annotations

import json
import os
import signal

import pytest
from harness.waiting import wait_until
from jobs import configure, printed, states, submit

import qwex

#: Shorter than an agent waits that nobody has let go.
SOON = 30
#: What a pod has that is told to end while its container is being made.
GRACE = 30
#: Whatever it makes of its SIGTERM, the first attempt would go on for long and the next ones are short.
HEARS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
print('begun', flush=True)
time.sleep(12)
print('done')
"""


@pytest.fixture
def client(user, namespace, home, tmp_path, monkeypatch):
    """A client of the backend ``kueue`` in a namespace of the test's own."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, user, namespace)
    return qwex.Client()


@pytest.fixture
def there(cluster, namespace):
    """The objects of a kind that the namespace has now."""
    return lambda kind: cluster.list("-n", namespace, kind)


def kill(home):
    os.kill(json.loads((home / "controller.json").read_text())["pid"], signal.SIGKILL)


def container(pod, name):
    """The state of one of its containers."""
    status = pod["status"]
    said = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return next((key for each in said if each["name"] == name for key in each["state"]), "")


def goes_on(there):
    """Whether the Job was let go again while its first pod still ends."""
    (pod,) = there("pods")
    return not there("jobs")[0]["spec"]["suspend"] and "deletionTimestamp" in pod["metadata"]


def is_clear(there):
    return not [pod for pod in there("pods") if pod["status"]["phase"] in ("Pending", "Running")]


@pytest.mark.parametrize("code", [0, 9])
def test_a_pod_deleted_by_hand_is_lost_whatever_the_job_makes_of_its_signal(client, cluster, namespace, there, code):
    job = submit(client, HEARS.format(code=code))
    wait_until(lambda: "begun" in printed(job), "its first line")
    cluster.delete("-n", namespace, "pods", "--all")
    assert job.wait(120)
    assert printed(job) == "begun\nbegun\ndone\n"
    assert states(job)[-1][::2] == ("SUCCEEDED", 2)
    assert ("QUEUED", "Retry", 2) in states(job)
    wait_until(lambda: is_clear(there), "the pods' ends", SOON)


@pytest.mark.parametrize("code", [0, 9])
def test_a_job_evicted_while_its_controller_is_away_runs_again(client, cluster, namespace, home, there, code):
    """Kueue suspends the Job, makes a Workload anew and admits it: the same Job goes on."""
    job = submit(client, HEARS.format(code=code))
    wait_until(lambda: "begun" in printed(job), "its first line")
    kill(home)
    cluster.delete("-n", namespace, "workloads.kueue.x-k8s.io", "--all")
    wait_until(lambda: goes_on(there), "the Job that goes on", SOON)
    assert job.wait(120)
    assert printed(job) == "begun\nbegun\ndone\n"
    assert states(job)[-1][::2] == ("SUCCEEDED", 2)
    wait_until(lambda: is_clear(there), "the pods' ends", SOON)


@pytest.mark.parametrize("code", [0, 9])
def test_a_job_that_is_deactivated_has_failed_whatever_it_makes_of_its_signal(client, cluster, namespace, there, code):
    job = submit(client, HEARS.format(code=code))
    wait_until(lambda: "begun" in printed(job), "its first line")
    (workload,) = there("workloads.kueue.x-k8s.io")
    patch = json.dumps({"spec": {"active": False}})
    name = workload["metadata"]["name"]
    cluster.kubectl("patch", "-n", namespace, "workloads.kueue.x-k8s.io", name, "--type=merge", "-p", patch)
    assert job.wait(SOON)
    assert states(job)[-1] == ("FAILED", "Deactivated", 1)
    wait_until(lambda: is_clear(there), "the pod's end", SOON)


def test_a_job_evicted_after_its_own_end_does_not_run_again(client, cluster, namespace, home, there, monkeypatch):
    monkeypatch.setenv("QWEX_KUEUE__LINGER", "20")
    job = submit(client, "import time; print('begun', flush=True); time.sleep(3); print('done')")
    wait_until(lambda: "begun" in printed(job), "its first line")
    kill(home)
    wait_until(lambda: container(there("pods")[0], "job") == "terminated", "its end", SOON)
    cluster.delete("-n", namespace, "workloads.kueue.x-k8s.io", "--all")
    wait_until(lambda: goes_on(there), "the Job that goes on", SOON)
    assert job.wait(SOON)
    assert (printed(job), states(job)[-1]) == ("begun\ndone\n", ("SUCCEEDED", "", 1))
    wait_until(lambda: is_clear(there), "the pods' ends", SOON)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_a_job_deleted_while_it_runs(client, cluster, namespace, home, there, cascade, restarts):
    job = submit(client, "import time; print('begun', flush=True); time.sleep(600)")
    wait_until(lambda: job.status().state == "RUNNING", "the job")
    cluster.delete("-n", namespace, "jobs", job.id, f"--cascade={cascade}")
    if restarts:
        kill(home)
    assert job.wait(SOON)
    assert states(job)[-1] == ("FAILED", "Deleted", 1)
    assert printed(job) == "begun\n"
    wait_until(lambda: not there("pods,jobs"), "their end", SOON)


MOMENTS = {
    "made": lambda pod: True,
    "bound": lambda pod: "nodeName" in pod["spec"],
    "the agent runs": lambda pod: container(pod, "qwex-agent") == "running",
    "the job runs": lambda pod: container(pod, "job") == "running",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_job_deleted_while_it_starts(client, cluster, namespace, there, moment):
    job = submit(client, "import time; print('begun', flush=True); time.sleep(600)")
    wait_until(lambda: [pod for pod in there("pods") if MOMENTS[moment](pod)], moment)
    cluster.delete("-n", namespace, "jobs", job.id)
    assert job.wait(SOON)
    assert states(job)[-1][:2] == ("FAILED", "Deleted")
    wait_until(lambda: is_clear(there), "its pod's end", GRACE + SOON)


def test_a_job_whose_objects_are_left_to_themselves_comes_to_its_end(client, cluster, namespace):
    job = submit(client, "import time; print('begun', flush=True); time.sleep(5); print('done')")
    wait_until(lambda: "begun" in printed(job), "its first line")
    cluster.delete("-n", namespace, "jobs", job.id, "--cascade=orphan")
    assert job.wait(SOON)
    assert printed(job) == "begun\ndone\n"
    assert states(job)[-1] == ("SUCCEEDED", "", 1)
