"""What a machine says of what goes on in it: the script itself, over a /proc of the test's own, and how it is read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import qwex_kueue.machines
from harness.waiting import wait_until
from qwex_kueue.machines.activity import RECENT, newest

SCRIPT = Path(qwex_kueue.machines.__file__).parent / "scripts" / "activity.sh"
HEAD = "  sl  local_address rem_address   st tx_queue\n"
LISTENING = "   0: 0100007F:08AE 00000000:0000 0A 00000000\n"
LOGGED_IN = "   1: 0100007F:08AE 0100007F:9C40 01 00000000\n"
#: Ended 3 s ago (57 s are left of the minute), closed by the server, and by the other side; and half a minute ago.
LEFT = "   1: 0100007F:08AE 0100007F:9C40 06 00000000:00000000 03:00001644 00000000\n"
LEFT_BY_CLIENT = "   1: 0100007F:9C40 0100007F:08AE 06 00000000:00000000 03:00001644 00000000\n"
LEFT_LONG_AGO = "   1: 0100007F:08AE 0100007F:9C40 06 00000000:00000000 03:00000BB8 00000000\n"
ELSEWHERE = "   2: 0100007F:1F90 0100007F:9C40 01 00000000\n"


@pytest.fixture
def said(tmp_path):
    """Runs the script once; what it said of what goes on."""
    proc, run, pts = tmp_path / "proc", tmp_path / "run", tmp_path / "pts"
    for folder in (proc / "net", run, pts, tmp_path / "bin", tmp_path / "secret"):
        folder.mkdir(parents=True)

    def once(connections="", before=None, ticks=None, name="python3", terminal=False, smi="", limits="- -", took=0):
        (proc / "net" / "tcp").write_text(HEAD + LISTENING + connections)
        stat = proc / "812" / "stat"
        programs = tmp_path / "bin"
        write = (
            f"printf '812 ({name}) S 1 1 1 0 -1 0 0 0 0 0 %s 0 0 0\\n' {ticks} > {stat}" if ticks is not None else ":"
        )
        if before is not None or ticks is not None:
            stat.parent.mkdir()
        if before is not None:
            stat.write_text(f"812 ({name}) S 1 1 1 0 -1 0 0 0 0 0 {before} 0 0 0\n")
        secret = tmp_path / "secret"
        (secret / "limits").write_text(f"{limits}\n")
        (secret / "tell").write_text((SCRIPT.parent / "tell.sh").read_text())
        # Time passes here: what happens between two looks happens in its place.
        show = f"touch -d '+5 seconds' {pts}/0" if terminal else ":"
        clock = tmp_path / "clock"
        clock.write_text("1000\n")
        program(programs / "date", f"cat {clock}\n")
        program(programs / "sleep", f"{write}\n{show}\necho {1000 + took} > {clock}\n")
        if smi:
            program(programs / "nvidia-smi", f"echo '{smi}'\n")
        variables = {
            "QWEX_RUN": run,
            "QWEX_PROC": proc,
            "QWEX_PTS": pts,
            "QWEX_EVERY": "10",
            "QWEX_ONCE": "1",
            "QWEX_SECRET": secret,
        }
        variables["QWEX_MACHINE"] = "train"
        environment = {**os.environ, **{k: str(v) for k, v in variables.items()}}
        environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(["sh", str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=20)
        assert done.stderr == ""
        return newest(done.stdout)

    return once


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def test_nothing_goes_on(said):
    found = said(ELSEWHERE, before=100, ticks=120)
    assert found.doing == ()
    assert found.active_at <= found.at


@pytest.mark.parametrize(("count", "words"), [(1, "1 ssh connection"), (3, "3 ssh connections")])
def test_who_is_logged_in_counts(said, count, words):
    assert said(LOGGED_IN * count).doing == (words,)


@pytest.mark.parametrize("connections", [LEFT, LEFT_BY_CLIENT])
def test_so_does_who_came_and_went_since_the_last_look(said, connections):
    assert said(connections + LEFT_LONG_AGO, took=10).doing == ("1 ssh connection that ended",)
    assert said(LEFT_LONG_AGO, took=10).doing == ()


@pytest.mark.parametrize("name", ["python3", "odd) name (x"])
def test_a_process_that_works_counts(said, name):
    found = said(before=100, ticks=600, name=name)
    assert found.doing == (f"{name} (pid 812) at 50 % of a core",)
    assert found.active_at == found.at


def test_so_does_one_that_has_just_begun(said):
    assert said(ticks=400).doing == ("python3 (pid 812) at 40 % of a core",)


def test_the_server_itself_does_not(said):
    assert said(before=100, ticks=600, name="sshd").doing == ()


@pytest.mark.skipif(sys.platform != "linux", reason="needs GNU touch")
def test_a_terminal_that_shows_something_new_counts(said):
    assert said(terminal=True).doing == ("terminal 0",)


def test_a_gpu_that_works_counts(said):
    assert said(smi="0, 73").doing == ("GPU 0 at 73 %",)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ("50 -", "nobody uses this machine; it stops in 1 min. More time: qwex machine set train --idle TIME"),
        ("- 50", "this machine has run for nearly as long as it may; it stops in 1 min. More time: qwex machine set"),
    ],
)
def test_shells_are_told_before_a_limit_is_reached(said, tmp_path, limits, sentence):
    shell = tmp_path / "pts" / "0"
    shell.touch()
    said(limits=limits, took=45)
    wait_until(lambda: sentence in shell.read_text(), "the shell is told")


def test_before_that_they_are_left_alone(said, tmp_path):
    (tmp_path / "pts" / "0").touch()
    said(limits="50 50", took=30)
    assert not (tmp_path / "pts" / "0").read_text()


def test_of_a_log_the_newest_line_counts():
    log = (
        "Server listening\nqwex-activity 10 5 \nqwex-activity 30 30 1 ssh connection;GPU 0 at 9 %\nAccepted publickey\n"
    )
    found = newest(log)
    assert (found.at, found.active_at, found.doing) == (30.0, 30.0, ("1 ssh connection", "GPU 0 at 9 %"))


def test_a_line_is_the_present_until_others_should_have_come():
    (longest,) = re.findall(r"longest=\$\{QWEX_EVERY:-(\d+)\}", SCRIPT.read_text())
    assert 3 * int(longest) <= RECENT


@pytest.mark.parametrize("log", ["", "Server listening\n", "qwex-activity\n", "qwex-activity x y\n"])
def test_without_one_nothing_is_known(log):
    assert newest(log) is None
