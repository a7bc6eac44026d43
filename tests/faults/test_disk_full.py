"""A full disk while a job logs: its state stays true and the user is told."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest
from processes import Killer, wait_until

from qwex.errors import ControllerUnavailable
from qwex.machines import MachineState
from qwex.spec import JobSpec, Source
from qwex.sshkeys import make_key
from qwex.state import JobState


@pytest.fixture
def small_disk(home):
    """The home on a file system of 24 MB."""
    home.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", str(home)], capture_output=True
    )
    if os.getuid() or mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield home
    subprocess.run(["umount", "-l", str(home)], check=True)


def fill(path):
    """Write until the disk takes not one byte more."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        for size in (1_000_000, 1_000, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


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
    fill(ballast)
    with pytest.raises(Exception, match=r"(?i)disk|space|full"):
        client.submit(JobSpec(source=Source(kind="command"), args=("true",)))
    ballast.unlink()
    job = client.submit(JobSpec(source=Source(kind="command"), args=("echo", "back")))
    assert job.wait(60)
    assert job.state is JobState.SUCCEEDED


def test_a_machine_is_stopped_and_deleted_by_controllers_that_start_on_it(small_disk, client, tmp_path):
    killer = Killer(small_disk)
    make_key(tmp_path / "key")
    client.create_machine({"name": "box", "keys": [(tmp_path / "key.pub").read_text().strip()]})
    wait_until(lambda: client.machine("box").state is MachineState.RUNNING, "a machine that runs")
    fill(small_disk / "ballast")
    killer.kill()
    client.stop_machine("box")
    wait_until(lambda: client.machine("box").state is MachineState.STOPPED, "a machine that is stopped")
    client.delete_machine("box", purge=True)
    wait_until(lambda: not client.machines(), "the end of the machine")


def test_a_controller_that_cannot_start_says_that_the_disk_is_full(small_disk, client):
    killer = Killer(small_disk)
    client.health()
    (small_disk / "reserve").unlink()
    killer.kill()
    fill(small_disk / "ballast")
    with pytest.raises(ControllerUnavailable, match=r"could not be started: the (disk of|database) .*full"):
        client.health()
