"""SIGKILL of the zygote, of a job's supervisor and of its worker: the story stays true, the rest goes on."""

from __future__ import annotations

import os
import signal

from processes import running, wait_until

from qwex.spec import JobSpec, Retries, Source
from qwex.state import JobState

WAITS = """
import os, pathlib, time
print("pid", os.getpid(), os.getppid(), flush=True)
pathlib.Path("up").write_text(f"{os.getpid()} {os.getppid()}")
while not pathlib.Path("go").exists():
    time.sleep(0.01)
print("went on", flush=True)
"""


def submit(client, **more):
    return client.submit(JobSpec(source=Source(kind="script", text=WAITS, name="waits.py"), **more))


def pids(tmp_path):
    wait_until(lambda: (tmp_path / "up").exists() and (tmp_path / "up").read_text(), "the job's start")
    return tuple(int(pid) for pid in (tmp_path / "up").read_text().split())


def parent(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[1])


def test_zygote(client, killer, tmp_path):
    job = submit(client)
    _, supervisor = pids(tmp_path)
    os.kill(parent(supervisor), signal.SIGKILL)
    after = client.submit(JobSpec(source=Source(kind="script", text="print('next')", name="next.py")))
    assert after.wait(60)
    assert "".join(after.logs()) == "next\n"
    (tmp_path / "go").touch()
    assert job.wait(60)
    assert job.state is JobState.SUCCEEDED
    assert "".join(job.logs()).endswith("went on\n")


def test_worker(client, killer, tmp_path):
    job = submit(client)
    worker, _ = pids(tmp_path)
    os.kill(worker, signal.SIGKILL)
    assert job.wait(60)
    assert (job.state, job.record.reason, job.record.exit_code) == (JobState.FAILED, "Signal", 137)
    assert "SIGKILL" in job.record.message
    assert "".join(job.logs()).startswith("pid")


def test_supervisor(client, killer, tmp_path):
    """Nobody is left to tell how the job ended: it is Lost, and its worker does not run on unseen."""
    job = submit(client, retries=Retries(infrastructure=0))
    worker, supervisor = pids(tmp_path)
    os.kill(supervisor, signal.SIGKILL)
    assert job.wait(60)
    assert (job.state, job.record.reason) == (JobState.FAILED, "Lost")
    wait_until(lambda: not running(worker), "the end of the worker")


def test_lost_job_is_started_again(client, killer, tmp_path):
    job = submit(client)
    _, supervisor = pids(tmp_path)
    (tmp_path / "up").unlink()
    os.kill(supervisor, signal.SIGKILL)
    pids(tmp_path)
    (tmp_path / "go").touch()
    assert job.wait(60)
    assert (job.state, job.record.attempt) == (JobState.SUCCEEDED, 2)


def test_both_controller_and_supervisor(client, killer, tmp_path):
    job = submit(client, retries=Retries(infrastructure=0))
    _, supervisor = pids(tmp_path)
    killer.kill()
    os.kill(supervisor, signal.SIGKILL)
    assert job.wait(60)
    assert (job.state, job.record.reason) == (JobState.FAILED, "Lost")
