"""The client with the real controller and the queue on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import qwex
from qwex.client import Client, daemon
from qwex.errors import ControllerUnavailable, JobCancelled, JobFailed, RemoteError
from qwex.state import JobState

COUNTING = """
import pathlib, time
for n in range(2000):
    print("line", n)
    if n == 1000:
        pathlib.Path("half").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
"""


@pytest.fixture
def client(home, tmp_path, monkeypatch):
    """The client that ``qwex.submit`` uses; its controller ends with the test."""
    from qwex.client.sdk import client

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    yield client()
    client().close()


def kill(home) -> None:
    """SIGKILL the controller; nothing of it is left when this returns."""
    pid = json.loads((home / "controller.json").read_text())["pid"]
    watch = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    os.kill(pid, signal.SIGKILL)
    if watch is not None:
        import select

        poll = select.poll()
        poll.register(watch, select.POLLIN)
        assert poll.poll(10_000)
        os.close(watch)


def test_a_function_comes_back(client):
    offset = 10

    @qwex.remote(cpu=1)
    def add(a, b=0):
        return {"sum": a + b + offset, "pid": os.getpid()}

    got = add.submit(1, b=2).result(timeout=60)
    assert got["sum"] == 13
    assert got["pid"] != os.getpid()


def test_map_and_await(client):
    jobs = qwex.map(lambda n: n * n, range(4), name="square")

    async def main():
        return await asyncio.gather(*jobs)

    assert asyncio.run(main()) == jobs.results(60) == [0, 1, 4, 9]
    assert {job.id for job in qwex.jobs(group=jobs[0].record.group)} == {job.id for job in jobs}


def test_an_exception_keeps_type_message_and_frames(client):
    def inner(n):
        return 1 / n

    def outer():
        return inner(0)

    with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
        qwex.submit(outer).result(timeout=60)
    error = caught.value
    assert isinstance(error, RemoteError)
    assert [(frame["name"], frame["line"].strip()) for frame in error.frames[-2:]] == [
        ("outer", "return inner(0)"),
        ("inner", "return 1 / n"),
    ]
    assert "return 1 / n" in str(error.__cause__)


def test_a_script_its_outputs_and_its_text(client, tmp_path):
    (tmp_path / "train.py").write_text("import sys\nprint('lr', sys.argv[2])\nmodel = {'lr': float(sys.argv[2])}\n")
    job = qwex.submit("train.py", args=["--lr", 0.1], outputs=["model"])
    assert job.result(timeout=60) == {"model": {"lr": 0.1}}
    assert "".join(job.logs()) == "lr 0.1\n"
    assert qwex.attach(job.id).value("model") == {"lr": 0.1}


def test_a_command_that_fails(client):
    job = qwex.submit(["sh", "-c", "exit 3"])
    with pytest.raises(JobFailed) as caught:
        job.result(timeout=60)
    assert (caught.value.reason, caught.value.exit_code) == ("ExitCode", 3)


def test_cancel(client):
    job = qwex.submit(["sleep", "600"])
    assert job.cancel() is True
    with pytest.raises(JobCancelled):
        job.result(timeout=60)
    assert job.cancelled()
    assert job.cancel() is False


def test_resubmit_why_queues_gpus_and_preflight(client):
    job = qwex.submit(["echo", "one"])
    again = job.resubmit(args=["echo", "two"])
    assert again.wait(60)
    assert "".join(again.logs()) == "two\n"
    assert job.why().summary
    assert any(queue.default for queue in qwex.queues())
    assert {"local"} == set(client.gpus().reports)
    why, rendered = client.preflight({"source": {"kind": "command"}, "args": ["true"]})
    assert rendered
    assert why is None or why.summary
    assert "local" in [backend["name"] for backend in client.backends()]
    assert client.plugins()


def test_a_cell_again_with_more_memory(client):
    source = {"kind": "cell", "text": "y = x + b' again'", "name": "In [1]"}
    blob = {"digest": client.put_blob(b"once"), "size": 4, "format": "bytes"}
    spec = {"source": source, "inputs": {"x": blob}, "outputs": ["y"], "resources": {"cpu": "2", "memory": "64Mi"}}
    job = client.submit(spec)
    again = job.resubmit(resources={"memory": "128Mi"})
    assert again.record.resources == {"cpu": "2", "memory": "128Mi", "gpu": None}
    assert again.record.tags == {"qwex.resubmit-of": job.id}
    assert (job.result(60), again.result(60)) == ({"y": b"once again"}, {"y": b"once again"})


def test_the_same_run_id_is_one_job(client):
    spec = {"source": {"kind": "command"}, "args": ["true"]}
    for _ in range(2):
        assert client.submit(spec, run_id="once-abc234").id == "once-abc234"
    assert client.list(name=None).total == 1


def test_what_is_asked_of_many_jobs(client):
    done = qwex.submit(["true"], name="Ended first")
    assert done.wait(60)
    waits = [qwex.submit(["sleep", "600"], name=f"sleeps {n}", cpu=2) for n in range(2)]
    page = client.list(order="ended", limit=2)
    rest = client.list(order="ended", cursor=page.next_cursor)
    assert [record.id for record in (*page.records, *rest.records)] == [waits[1].id, waits[0].id, done.id]
    assert [record.id for record in client.list(match="FIRST").records] == [done.id]
    assert client.counts(state=JobState.SUCCEEDED) == {**dict.fromkeys(JobState, 0), JobState.SUCCEEDED: 1}
    assert sum(client.counts(match="sleeps").values()) == 2
    assert client.whoami()["own"] is True
    glances = client.glance([waits[1].id, "nobody-abc234", done.id])
    assert [(glance.id, glance.line) for glance in glances] == [(waits[1].id, ""), (done.id, "")]
    assert (glances[0].why, glances[1].why) == (waits[1].why(), None)


def test_a_large_argument_travels(client):
    data = os.urandom(300_000)
    assert qwex.submit(lambda data: data[::-1], data).result(timeout=60) == data[::-1]


def test_killing_the_controller_loses_and_doubles_nothing(client, home, tmp_path):
    (tmp_path / "count.py").write_text(COUNTING)
    job = qwex.submit("count.py")
    events, text = [], ""
    for event in job.events():
        events.append(event)
        text += event["text"] if event.type == "stream" else ""
        if "line 999\n" in text and not (tmp_path / "go").exists():
            kill(home)
            (tmp_path / "go").touch()
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert text == "".join(f"line {n}\n" for n in range(2000))
    assert job.state is JobState.SUCCEEDED
    assert "".join(job.logs()) == text


def test_a_dead_controller_is_started_again(client, home):
    first = qwex.submit(["echo", "one"])
    kill(home)
    second = qwex.submit(["echo", "two"])
    assert first.wait(60)
    assert second.wait(60)
    assert {job.id for job in qwex.jobs()} == {first.id, second.id}


def test_processes_that_race_start_one_controller(home, tmp_path):
    code = "import qwex; print(qwex.Client().health()['pid'])"
    command = [sys.executable, "-c", code]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(3)]
    said = [process.communicate(timeout=60)[0].strip() for process in racing]
    assert len(set(said)) == 1
    assert said[0].isdigit()


def test_an_ended_controller_is_gone_when_end_returns(client, home):
    job = qwex.submit(["sleep", "600"])
    first = client.health()["pid"]
    daemon.end(home, first)
    with Client(start=False) as asking, pytest.raises(ControllerUnavailable, match="is not running"):
        asking.health()
    assert client.health()["pid"] != first
    assert job.cancel() is True


def test_done_callbacks(client):
    called = threading.Event()
    job = qwex.submit(["true"])
    job.add_done_callback(lambda job: called.set() if job.record.state is JobState.SUCCEEDED else None)
    assert called.wait(60)
