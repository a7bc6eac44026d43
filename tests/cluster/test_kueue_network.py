"""What lies between a controller and its cluster: connections that break, answers that are lost, clocks that differ."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from harness.waiting import wait_until
from jobs import configure, following, printed, states, submit, write_config
from people import admit
from relay import Relay

import qwex

COUNTS = "import time\nfor n in range(100):\n    print(n, flush=True)\n    time.sleep(0.1)"
#: Two hours.
AHEAD, BEHIND = 7200, -7200
SKEWED = """
[[kueue.pod_template.spec.initContainers]]
name = "qwex-agent"
env = [{ name = "PYTHONPATH", value = "/clock" }]
volumeMounts = [{ name = "clock", mountPath = "/clock" }]

[[kueue.pod_template.spec.containers]]
name = "job"
env = [{ name = "PYTHONPATH", value = "/clock" }]
volumeMounts = [{ name = "clock", mountPath = "/clock" }]

[[kueue.pod_template.spec.volumes]]
name = "clock"
configMap = { name = "clock" }
"""


@pytest.fixture
def relay(cluster, namespace, home, tmp_path, monkeypatch):
    """Between the controllers of this test and the API server."""
    kubeconfig = yaml.safe_load(admit(cluster, namespace, reads_quotas=False).read_text())
    server = kubeconfig["clusters"][0]["cluster"]
    with Relay(server["server"]) as relay:
        server["server"] = relay.url
        path = tmp_path / "relayed.kubeconfig"
        path.write_text(json.dumps(kubeconfig))
        monkeypatch.chdir(tmp_path)
        configure(monkeypatch, path, namespace)
        yield relay


def kill(home):
    os.kill(json.loads((home / "controller.json").read_text())["pid"], signal.SIGKILL)


def test_connections_that_are_cut_lose_and_double_nothing(relay):
    client = qwex.Client()
    job = submit(client, COUNTS)
    reading = following(job)
    for last in ("10", "30", "50", "70"):
        wait_until(lambda last=last: last in printed(job).split(), f"the line {last}")
        assert relay.cut() > 2
    assert reading.communicate(timeout=60)[0].split() == [str(n) for n in range(100)]
    assert job.wait(30)
    assert states(job)[-1] == ("SUCCEEDED", "", 1)


def test_a_connection_that_is_lost_without_a_word_is_noticed(relay):
    job = submit(qwex.Client(), "for n in range(5): print(n, flush=True)\nimport time; time.sleep(10); print('end')")
    reading = following(job)
    wait_until(lambda: "4" in printed(job), "the first lines")
    relay.lose()
    assert reading.communicate(timeout=90)[0].split() == ["0", "1", "2", "3", "4", "end"]
    assert job.wait(30)
    assert states(job)[-1] == ("SUCCEEDED", "", 1)


def test_a_controller_that_is_killed_between_create_and_record_makes_no_second_job(relay, cluster, namespace, home):
    client = qwex.Client()
    assert submit(client, "print('after this nothing else is asked before a create')").wait(60)
    relay.hold_answers()
    command = [sys.executable, "-m", "qwex.cli", "submit", "--quiet", "--cpu", "100m", "--", "echo", "once"]
    submitting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(cluster.list("-n", namespace, "jobs")) == 2, "the Job whose controller does not know it")
    kill(home)
    relay.release_answers()
    submitting.communicate(timeout=60)
    (record,) = client.list(name="echo").records
    job = client.job(record.id)
    assert job.wait(60)
    assert (printed(job), states(job)[-1]) == ("once\n", ("SUCCEEDED", "", 1))
    assert len(cluster.list("-n", namespace, "jobs")) == 2


@pytest.mark.parametrize("seconds", [AHEAD, BEHIND])
def test_a_pod_whose_clock_differs(user, namespace, cluster, home, tmp_path, monkeypatch, seconds):
    """Where its Python reads it: what the controller says of the job is by the clock here."""
    text = f"import time\nreal = time.time\ntime.time = lambda: real() + {seconds}"
    clock = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clock", "namespace": namespace}}
    cluster.apply({**clock, "data": {"sitecustomize.py": text}})
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, user, namespace)
    write_config(SKEWED)
    job = submit(qwex.Client(), "import time; print(time.time()); time.sleep(1)")
    assert job.wait(60)
    assert float(printed(job)) == pytest.approx(time.time() + seconds, abs=60)
    assert [state for state, _, _ in states(job)] == ["PENDING", "QUEUED", "ADMITTED", "RUNNING", "SUCCEEDED"]
    record = job.status()
    assert time.time() - 60 < record.created_at <= record.started_at <= record.ended_at <= time.time()
