"""The truth at the end, on a real cluster and a real tracking server; beside tests/plugins/qwex_mlflow."""

from __future__ import annotations

import base64
import os
import signal

import pytest
from harness import objects
from harness.waiting import wait_until
from jobs import SMALL, configure, printed, script, states, submit
from mlflowserver import missing, mlflow_server
from people import admit

import qwex
from qwex.spec import Retries
from qwex.state import JobState

LASTS = "import time; print('begun', flush=True); time.sleep(300)"
#: What the code does, and the job's state and reason, and the run's status.
ENDINGS = {
    "success": ("print(1)", {}, "SUCCEEDED", "", "FINISHED"),
    "exception": ("1 / 0", {}, "FAILED", "Exception", "FAILED"),
    "exit code": ("raise SystemExit(3)", {}, "FAILED", "ExitCode", "FAILED"),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", {}, "FAILED", "Signal", "FAILED"),
    "out of memory": ("x = bytearray(400 << 20)", {"memory": "64Mi"}, "FAILED", "OutOfMemory", "FAILED"),
}


@pytest.fixture(scope="module")
def server():
    if missing():
        pytest.skip(missing())
    with mlflow_server() as running:
        yield running


@pytest.fixture
def client(user, namespace, server, home, tmp_path, monkeypatch):
    """A client of the backend ``kueue`` whose jobs are recorded in MLflow."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, user, namespace)
    monkeypatch.setenv("QWEX_MLFLOW__ENABLED", "true")
    monkeypatch.setenv("QWEX_MLFLOW__TRACKING_URI", server.uri)
    return qwex.Client()


def begun(job):
    wait_until(lambda: "begun" in printed(job), f"{job.id} to begin", 60)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_of_the_codes_own(client, server, ending):
    code, resources, state, reason, status = ENDINGS[ending]
    job = submit(client, code, resources={**SMALL, **resources})
    job.wait(90)
    assert (job.state.value, job.record.reason) == (state, reason)
    run = server.run_of(job.id, status)
    assert run.end_time == round(job.record.ended_at * 1000)
    assert len(server.of_job(job.id)) == 1


def test_the_pod_knows_its_run_and_nothing_more(client, server):
    names = ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID")
    job = submit(client, f"import os; print(*(os.environ.get(name) for name in {names}))")
    job.wait(60)
    run = server.run_of(job.id, "FINISHED")
    assert printed(job).split() == [run.id, server.uri, run.experiment]
    wait_until(lambda: "logs/output.txt" in server.files(run), "its output")
    assert run.tags["qwex.backend"] == "kueue"
    assert "sha256:" in server.run_of(job.id).tags["qwex.image_digest"]


def test_mlflow_comes_back_while_the_job_waits(client, cluster, namespace, cluster_queue, monkeypatch):
    if missing():
        pytest.skip(missing())
    with mlflow_server() as own:
        monkeypatch.setenv("QWEX_MLFLOW__TRACKING_URI", own.uri)
        queue = cluster_queue({"cpu": "4", "memory": "8Gi"}, stopPolicy="Hold")
        own.stop()
        try:
            job = submit(client, "import os; print(os.environ['MLFLOW_RUN_ID'])", queue=queue, preflight=False)
        finally:
            own.start()
        run = own.run_of(job.id, "SCHEDULED")

        def later():
            renewed = cluster.get("-n", namespace, "secret", f"{job.id}--renewed")
            return base64.b64decode(renewed["data"].get("later.json", "")).decode() if renewed else ""

        wait_until(lambda: run.id in later(), "the run's id")
        cluster.kubectl(
            "patch", "clusterqueues.kueue.x-k8s.io", queue, "--type=merge", "-p", '{"spec":{"stopPolicy":"None"}}'
        )
        assert job.wait(90)
        assert printed(job).split() == [run.id]
        own.run_of(job.id, "FINISHED")


def test_every_python_of_the_pod_waits_for_mlflow_to_be_imported(client, server):
    look = "import sys; print([each.__name__ for each in sys.meta_path if each.__module__ == 'qwex_startup'])"
    job = submit(
        client, f"import subprocess, sys\ncode = {look!r}\nsubprocess.run([sys.executable, '-c', code])\nexec(code)"
    )
    job.wait(60)
    assert printed(job) == "['_Finder']\n" * 2


def test_cancelled_while_it_runs(client, server):
    job = submit(client, LASTS)
    begun(job)
    server.run_of(job.id, "RUNNING")
    job.cancel()
    job.wait(60)
    server.run_of(job.id, "KILLED")


def test_cancelled_while_it_waits(client, server, cluster_queue):
    queue = cluster_queue({"cpu": "100m", "memory": "1Gi"})
    hog = submit(client, LASTS, queue=queue)
    begun(hog)
    job = submit(client, "print(1)", queue=queue)
    server.run_of(job.id, "SCHEDULED")
    job.cancel()
    server.run_of(job.id, "KILLED")
    hog.cancel()
    server.run_of(hog.id, "KILLED")


def test_preempted_and_back(client, server, cluster, cluster_queue):
    # Classes are the whole cluster's: a value that no other test has.
    cluster.apply(
        {"apiVersion": objects.KUEUE, "kind": "WorkloadPriorityClass", "metadata": {"name": "recorded"}, "value": 73}
    )
    queue = cluster_queue({"cpu": "100m", "memory": "1Gi"}, preemption={"withinClusterQueue": "LowerPriority"})
    job = submit(client, LASTS, queue=queue, grace=2)
    begun(job)
    urgent = submit(client, "print('urgent')", queue=queue, priority=73)
    assert urgent.wait(90)
    wait_until(lambda: ("RUNNING", "", 2) in states(job), "the second attempt", 90)
    server.run_of(job.id, "RUNNING")
    job.cancel()
    assert job.wait(60)
    run = server.run_of(job.id, "KILLED")
    assert len(server.of_job(job.id)) == 1
    assert (run.tags["qwex.attempt"], run.tags["qwex.attempt.2"]) == ("2", "Preempted")


def test_its_pod_is_deleted(client, server, cluster, namespace):
    job = submit(client, LASTS, retries=Retries(infrastructure=0))
    begun(job)
    cluster.delete("-n", namespace, "pods", "-l", f"qwex.dev/run-id={job.id}")
    job.wait(90)
    assert job.state is JobState.FAILED
    server.run_of(job.id, "FAILED")


def test_the_controller_is_killed_while_it_ends(client, server, tmp_path):
    job = submit(client, "import time; print('begun', flush=True); time.sleep(5); raise SystemExit(3)")
    begun(job)
    os.kill(client.health()["pid"], signal.SIGKILL)
    assert job.wait(90)
    assert job.record.reason == "ExitCode"
    server.run_of(job.id, "FAILED")
    assert len(server.of_job(job.id)) == 1


def test_its_node_is_lost(breakable, breakable_namespace, server, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, admit(breakable, breakable_namespace), breakable_namespace, node_patience="10")
    monkeypatch.setenv("QWEX_MLFLOW__ENABLED", "true")
    monkeypatch.setenv("QWEX_MLFLOW__TRACKING_URI", server.uri)
    job = submit(qwex.Client(), LASTS, retries=Retries(infrastructure=0))
    begun(job)
    breakable.stop_kubelet()
    try:
        assert job.wait(150)
        assert job.state is JobState.FAILED, states(job)
        server.run_of(job.id, "FAILED")
    finally:
        breakable.start_kubelet()


def test_one_that_is_refused_leaves_no_run(client, server):
    with pytest.raises(qwex.QwexError):
        client.submit(script("print(1)", queue="nowhere"), run_id="refused-abc234")
    assert server.of_job("refused-abc234") == []
