"""What counts as use of a machine of this computer: each kind, by real processes below this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from qwex_local.machines.activity import Look
from qwex_local.machines.limits import Warnings
from qwex_local.machines.processes import Seen, seen

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

BUSY = "import time\nwhile True: pass"


@pytest.fixture
def child():
    """Makes processes of this one's, which end with the test."""
    made = []

    def make(*words, **how):
        made.append(subprocess.Popen(words, **how))
        return made[-1]

    yield make
    for each in made:
        each.kill()
        each.wait()


@pytest.fixture
def look(tmp_path, monkeypatch):
    """A look at this process's children that has nothing to do with those of other tests."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    sessions = [0, 0]
    made = Look(tmp_path, 3, 1.0, lambda: tuple(sessions), Warnings(tmp_path, "train", print))
    made.sessions = sessions

    def said():
        made.look()
        return json.loads((tmp_path / "activity.json").read_text())

    made.said = said
    return made


def test_nothing_goes_on(look, child):
    child("sleep", "1000")
    before = look.said()
    now = look.said()
    assert now["doing"] == []
    assert now["run"] == 3
    assert now["active_at"] == before["active_at"] < now["at"]


def test_somebody_is_logged_in(look):
    look.sessions[:] = 2, 2
    now = look.said()
    assert now["doing"] == ["2 connections"]
    assert now["active_at"] == now["at"]


def test_somebody_came_and_went(look):
    look.sessions[:] = 0, 1
    assert look.said()["doing"] == ["1 connection"]
    assert look.said()["doing"] == []


def test_a_process_works(look, child):
    busy = child(sys.executable, "-c", BUSY)
    while seen([busy.pid])[busy.pid].ticks < 10:  # its own clock, not ours
        os.sched_yield()
    look._at = time.time() - 1
    assert [said.split(" at ")[0].split(" (")[1] for said in look.said()["doing"]] == [f"pid {busy.pid})"]


def test_a_terminal_shows_something(look, child):
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)
    script = 'exec < "$0" > "$0"; read line; echo shown; exec sleep 1000'
    child("/bin/sh", "-c", script, name, start_new_session=True)
    os.write(ours, b"go\n")
    said = b""
    while b"shown" not in said:
        said += os.read(ours, 100)
    look._at = os.stat(name).st_mtime - 1
    assert f"terminal {name.rpartition('/')[2]}" in look.said()["doing"]
    look._at = os.stat(name).st_mtime + 1
    assert look.said()["doing"] == []
    os.close(theirs)
    os.close(ours)


def test_a_gpu_of_its_own_works(look, tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\n[ "$2" = 1,2 ] && printf "1, 97\\n2, 0\\n"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert look.said()["doing"] == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2")
    assert look.said()["doing"] == ["GPU 1 at 97 %"]
    monkeypatch.setenv("QWEX_SIMULATED_GPUS", "1")
    assert look.said()["doing"] == []


def test_a_process_as_linux_writes_it(tmp_path):
    (tmp_path / "7").mkdir()
    numbers = " ".join(map(str, [1, 7, 7, 34817, 7, 0, 1, 2, 3, 4, 10, 20, 30, 40, 5]))
    (tmp_path / "7" / "stat").write_text(f"7 (a ) (b) S {numbers}\n")
    assert seen([7, 8], str(tmp_path)) == {7: Seen("a ) (b", "/dev/pts/1", 100)}
