"""A full disk while a job logs: its state stays true and the user is told."""

from __future__ import annotations

import os
import subprocess

import pytest

from qwex.spec import JobSpec, Source
from qwex.state import JobState


@pytest.fixture
def small_disk(home):
    """The home on a file system of 24 MB."""
    home.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(home)], capture_output=True)
    if os.getuid() or mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def test_a_job_that_fills_the_disk(small_disk, client):
    spec = JobSpec(source=Source(kind="script", text="for _ in range(60): print('f' * 1_000_000)\n", name="fills.py"))
    job = client.submit(spec)
    assert job.wait(60)
    assert job.state is JobState.SUCCEEDED
    assert any(e.type == "notice" and "disk" in e["message"] for e in job.events())
    assert client.health()["status"]


def test_the_next_job_after_space_is_made(small_disk, client):
    ballast = small_disk / "ballast"
    client.health()
    with open(ballast, "wb") as file:
        try:
            while True:
                file.write(bytes(1_000_000))
                file.flush()
        except OSError:
            pass
    with pytest.raises(Exception, match=r"(?i)disk|space|full"):
        client.submit(JobSpec(source=Source(kind="command"), args=("true",)))
    ballast.unlink()
    job = client.submit(JobSpec(source=Source(kind="command"), args=("echo", "back")))
    assert job.wait(60)
    assert job.state is JobState.SUCCEEDED
