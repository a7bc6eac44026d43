"""Jobs on a real cluster, as a user has them: a client, the controller it starts, pods."""

from __future__ import annotations

import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import images, objects
from harness.waiting import wait_until
from ipynb import code, notebook, prose
from jobs import SMALL, configure, printed, states, submit

import qwex
from qwex.errors import InvalidSpec, JobFailed, RemoteError
from qwex.runner.values import PYTHON
from qwex.spec import JobSpec, Source


@pytest.fixture
def client(user, namespace, home, tmp_path, monkeypatch):
    """A client of the backend ``kueue`` in a namespace of the test's own, with a user's rights."""
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, user, namespace)
    return qwex.Client()


def pods(cluster, namespace):
    return cluster.list("-n", namespace, "pods")


def test_a_job_comes_back_as_if_it_had_run_here(client):
    job = submit(client, "print('hello'); import sys; print('aside', file=sys.stderr)")
    assert "".join(job.logs(follow=True)).splitlines() == ["hello", "aside"]
    assert job.wait(60)
    assert [state for state, _, _ in states(job)] == ["PENDING", "QUEUED", "ADMITTED", "RUNNING", "SUCCEEDED"]


def test_values_and_tracebacks_cross_the_cluster(client):
    @qwex.remote(cpu="100m")
    def divide(a, b):
        return a / b

    assert divide.submit(6, 3).result(60) == 2
    with pytest.raises(RemoteError, match="division by zero") as failed:
        divide.submit(1, 0).result(60)
    assert "return a / b" in str(failed.value.__notes__ if hasattr(failed.value, "__notes__") else failed.value.frames)


def test_a_whole_notebook_comes_back_with_its_outputs(client, tmp_path):
    total = "total = sum(range(n))\nprint('summed')"
    cells = [code("n = 1", "parameters"), total, code("1/0", "raises-exception"), "total"]
    (tmp_path / "report.ipynb").write_text(notebook(prose("# Report"), *cells))
    job = qwex.submit("report.ipynb", parameters={"n": 5}, outputs=["total"], cpu="100m", mem="128Mi")
    assert job.result(60) == {"total": 10}
    shown = [output for cell in job.notebook()["cells"] for output in cell.get("outputs", ())]
    assert [output["output_type"] for output in shown] == ["stream", "error", "execute_result"]
    assert (shown[0]["text"], shown[2]["data"]["text/plain"]) == ("summed\n", "10")


def test_the_working_folder_comes_along(client, tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "train.py").write_text("import neighbour\nprint(neighbour.x, open('data.txt').read())")
    (tmp_path / "steps" / "neighbour.py").write_text("x = 1")
    (tmp_path / "data.txt").write_text("from here")
    job = qwex.submit("steps/train.py", workdir=".", cpu="100m", mem="128Mi")
    assert job.wait(90)
    assert printed(job) == "1 from here\n"


@pytest.fixture
def foreign_image():
    """One with another Python than this process."""
    bare = [image.name for image in images.planned() if "/python:" in image.name]
    for name in bare:
        if not name.endswith(f":{PYTHON}"):
            return name
    return pytest.skip(f"needs a second interpreter on this machine, to make an image that has not Python {PYTHON}")


def test_code_of_another_python_is_refused_where_it_would_crash(client, foreign_image):
    python = re.escape(foreign_image.rpartition(":")[2])

    @qwex.remote(cpu="100m", image=foreign_image)
    def answer():
        return 42

    with pytest.raises(InvalidSpec, match=rf"has Python {python} by its name, and there is code among the inputs from"):
        answer.submit()
    with pytest.raises(RemoteError, match="the function cannot be loaded here: there is code in it from Python"):
        answer.options(no_preflight=True).submit().result(60)
    with pytest.raises(InvalidSpec, match=rf"has Python {python}\.\d+, and there is code among the inputs from"):
        answer.submit()


def test_a_value_outlives_its_pod(client, cluster, namespace):
    job = client.submit(
        JobSpec(source=Source(kind="cell", text="x = b'1' * 5_000_000", name="cell"), outputs=("x",), resources=SMALL)
    )
    assert job.wait(60)
    cluster.delete("-n", namespace, "jobs,pods", "--all")
    assert job.value("x") == b"1" * 5_000_000


def test_nothing_is_lost_of_a_large_output(client):
    lines = 200_000
    job = submit(client, f"for n in range({lines}): print(n, 'x' * 200)")
    read = [line.partition(" ")[0] for line in "".join(job.logs(follow=True)).splitlines()]
    assert read == [str(n) for n in range(lines)]


def test_the_output_of_an_unfollowed_job_is_there_when_it_has_ended(client):
    job = submit(client, "print('unheard')")
    assert job.wait(60)
    assert printed(job) == "unheard\n"


def test_out_of_memory_says_what_it_used_and_what_it_had(client):
    job = submit(client, "x = bytearray(400 << 20)", resources={"cpu": "100m", "memory": "64Mi"})
    with pytest.raises(JobFailed):
        job.result(90)
    assert job.record.reason == "OutOfMemory"
    assert "67 MB" in job.record.message


def test_an_image_that_is_not_there(client, monkeypatch):
    job = submit(client, "print(1)", runtime={"image": "qwex.test/nothing:1"})
    wait_until(lambda: "image cannot be pulled" in job.why().summary, "the reason")
    job.cancel()
    assert job.wait(60)


def test_waiting_tells_both_positions_and_the_reason(client, cluster_queue):
    queue = cluster_queue({"cpu": "200m", "memory": "1Gi"})
    held = submit(client, "import time; time.sleep(100)", queue=queue, resources={"cpu": "200m"})
    wait_until(lambda: held.status().state == "RUNNING", "the first job")
    waiting = [submit(client, "print(1)", queue=queue, resources={"cpu": "200m"}) for _ in range(2)]
    wait_until(lambda: {job.why().position for job in waiting} == {1, 2}, "both places")
    wait_until(lambda: "0.2 of 0.2 in use" in waiting[0].why().summary, "the queue's own count")
    for why in (job.why() for job in waiting):
        assert why.cluster_position == why.position
        assert why.reason == "WaitingForQuota"
        assert why.summary == "waits for 0.2 cores: 0.2 of 0.2 in use"
    for job in (*waiting, held):
        job.cancel()
    assert all(job.wait(60) for job in (*waiting, held))


def test_more_than_the_queue_can_ever_give_is_refused_at_once(client, cluster_queue):
    queue = cluster_queue({"cpu": "1", "memory": "1Gi"})
    with pytest.raises(InvalidSpec, match="1 core is the most"):
        submit(client, "print(1)", queue=queue, resources={"cpu": "2"})
    with pytest.raises(InvalidSpec, match="no queue 'nosuch'"):
        submit(client, "print(1)", queue="nosuch")


def test_preemption_is_a_story(client, cluster, cluster_queue):
    # Classes are the whole cluster's: a value that no other test has.
    cluster.apply(
        {"apiVersion": objects.KUEUE, "kind": "WorkloadPriorityClass", "metadata": {"name": "story"}, "value": 71}
    )
    queue = cluster_queue({"cpu": "200m", "memory": "1Gi"}, preemption={"withinClusterQueue": "LowerPriority"})
    code = "import time; print('begun', flush=True); time.sleep(100)"
    low = submit(client, code, queue=queue, resources={"cpu": "200m"}, grace=2)
    wait_until(lambda: "begun" in printed(low), "the first job's output")
    high = submit(client, "print('urgent')", queue=queue, priority=71, resources={"cpu": "200m"})
    assert high.wait(90)
    wait_until(lambda: ("RUNNING", "", 2) in states(low), "the second attempt", 90)
    assert ("QUEUED", "Preempted", 2) in states(low)
    low.cancel()
    assert low.wait(60)
    assert states(low)[-1][0] == "CANCELLED"


def test_a_job_deleted_by_hand(client, cluster, namespace):
    job = submit(client, "import time; time.sleep(100)")
    wait_until(lambda: job.status().state == "RUNNING", "the job")
    cluster.kubectl("delete", "-n", namespace, "job", job.id, "--wait=false")
    assert job.wait(60)
    assert states(job)[-1][:2] == ("FAILED", "Deleted")


def test_a_pod_deleted_by_hand_is_lost_and_started_once_more(client, cluster, namespace):
    job = submit(client, "import time; print('begun', flush=True); time.sleep(100)", grace=1)
    wait_until(lambda: "begun" in printed(job), "the output")
    (pod,) = pods(cluster, namespace)
    cluster.kubectl("delete", "-n", namespace, "pod", pod["metadata"]["name"], "--wait=false")
    wait_until(lambda: ("RUNNING", "", 2) in states(job), "the second attempt", 90)
    job.cancel()
    assert job.wait(60)


def test_a_killed_controller_loses_and_doubles_nothing(client, home):
    code = "import time\nfor n in range(60):\n    print(n, flush=True)\n    time.sleep(0.1)"
    job = submit(client, code)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: "".join(job.logs(follow=True)))
        for _ in range(2):
            wait_until(lambda: job.status().state == "RUNNING", "the job")
            pid = json.loads((home / "controller.json").read_text())["pid"]
            os.kill(pid, signal.SIGKILL)
            client.health()
        assert reading.result(60).split() == [str(n) for n in range(60)]
    assert job.wait(30)


def test_a_controller_that_was_away_for_the_whole_job(client, cluster, namespace, home, monkeypatch):
    """The agent gives up waiting and leaves the story in its container's log."""
    monkeypatch.setenv("QWEX_KUEUE__LINGER", "2")
    job = submit(client, "print('while you were away')")
    os.kill(json.loads((home / "controller.json").read_text())["pid"], signal.SIGKILL)
    wait_until(
        lambda: [each["status"]["phase"] for each in pods(cluster, namespace)] == ["Succeeded"], "the pod's end", 90
    )
    client.health()
    assert job.wait(60)
    assert printed(job) == "while you were away\n"
    assert states(job)[-1][0] == "SUCCEEDED"


def test_cancelled_while_it_waits_and_while_it_runs(client, cluster_queue, cluster, namespace):
    queue = cluster_queue({"cpu": "200m", "memory": "1Gi"})
    running = submit(client, "import time; time.sleep(100)", queue=queue, resources={"cpu": "200m"})
    waiting = submit(client, "print(1)", queue=queue, resources={"cpu": "200m"})
    wait_until(lambda: running.status().state == "RUNNING" and waiting.status().state == "QUEUED", "both")
    waiting.cancel()
    running.cancel()
    assert waiting.wait(60)
    assert running.wait(60)
    assert {states(job)[-1][:2] for job in (waiting, running)} == {("CANCELLED", "CancelledByUser")}
    wait_until(lambda: not cluster.list("-n", namespace, "jobs"), "nothing left")


def test_a_controller_that_is_killed_while_a_cancelled_job_ends_makes_no_other(client, cluster, namespace, home):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('begun', flush=True); time.sleep(300)"
    job = submit(client, deaf, grace=6)
    wait_until(lambda: "begun" in printed(job), "the job")
    (first,) = cluster.list("-n", namespace, "jobs")
    job.cancel()
    os.kill(json.loads((home / "controller.json").read_text())["pid"], signal.SIGKILL)
    client.health()
    assert job.wait(60)
    assert states(job)[-1] == ("CANCELLED", "CancelledByUser", 1)
    assert printed(job) == "begun\n"
    uids = {each["metadata"]["uid"] for each in cluster.list("-n", namespace, "jobs")}
    assert uids <= {first["metadata"]["uid"]}


def test_a_queue_that_is_drained(client, cluster, cluster_queue):
    queue = cluster_queue({"cpu": "200m", "memory": "1Gi"})
    job = submit(client, "import time; time.sleep(100)", queue=queue, resources={"cpu": "200m"}, grace=1)
    wait_until(lambda: job.status().state == "RUNNING", "the job")
    patch = json.dumps({"spec": {"stopPolicy": "HoldAndDrain"}})
    cluster.kubectl("patch", "clusterqueues.kueue.x-k8s.io", queue, "--type=merge", "-p", patch)
    wait_until(lambda: ("QUEUED", "QueueStopped", 2) in states(job), "back in the queue", 60)
    assert wait_until(lambda: job.why().reason == "QueueStopped", "the reason")
    job.cancel()
    assert job.wait(60)
