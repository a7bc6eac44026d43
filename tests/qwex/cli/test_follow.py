"""Following a job in a terminal: the line that waits, and Ctrl-C, which leaves the job alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import termios
from subprocess import DEVNULL
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import Popen

    from command_line import Done


def test_ctrl_c_detaches_and_says_what_next(qwex: Callable[..., Done], start: Callable[..., Popen[str]]) -> None:
    process = start("submit", "--wait", "--name", "long", "--", "sh", "-c", "echo ready; sleep 60")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    run_id = err.split()[0]
    assert f"no longer following; {run_id} goes on" in err
    assert f"qwex logs {run_id} --follow --offset" in err
    assert f"qwex cancel {run_id}" in err
    assert "RUNNING" in qwex("list").out


def test_following_goes_on_from_the_offset(qwex: Callable[..., Done], start: Callable[..., Popen[str]]) -> None:
    process = start(
        "submit", "--wait", "--", "sh", "-c", "echo first; while [ ! -e go ]; do sleep 0.05; done; echo second"
    )
    assert process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=30)[1]
    step = next(line.split()[2:] for line in err.splitlines() if "--follow" in line)
    again = start(*step)
    qwex("submit", "--wait", "--", "touch", "go")
    assert again.communicate(timeout=30)[0] == "second\n"


def test_a_terminal_sees_why_it_waits(qwex: Callable[..., Done], start: Callable[..., Popen[str]]) -> None:
    blocker = qwex("submit", "--quiet", "--cpu", "2", "--", "sleep", "60").out.strip()
    terminal, side = os.openpty()
    process = start("submit", "--wait", "--cpu", "2", "--", "echo", "done", stderr=side)
    os.close(side)
    seen = b""
    while b"1st in default" not in seen:
        seen += os.read(terminal, 4096)
    qwex("cancel", blocker)
    while b"finished in" not in seen:
        seen += os.read(terminal, 4096)
    os.close(terminal)
    assert process.stdout.read() == "done\n"
    assert process.wait(timeout=30) == 0
    assert b"QUEUED" in seen
    assert b"\r\x1b[K" in seen


def read_all(terminal: int) -> bytes:
    """What was written until nobody is left to write; Linux ends that with an error."""
    seen = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen, contextlib.suppress(OSError):
        while some := screen.read(4096):
            seen += some
    return seen


@pytest.mark.parametrize("columns", [80, 40])
def test_the_last_line_is_whole_however_narrow_the_terminal(
    start: Callable[..., Popen[str]], tmp_path: Path, columns: int
) -> None:
    (tmp_path / "raises.py").write_text("raise ValueError('too narrow ' * 9 + 'for this')")
    terminal, side = os.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    start("submit", "--wait", "raises.py", stdout=DEVNULL, stderr=side)
    os.close(side)
    last = read_all(terminal).rpartition("✖".encode())[2]
    assert b" failed after " in last
    assert b"ValueError: " + b"too narrow " * 9 + b"for this" in last


@pytest.mark.parametrize("command", [["logs", "--follow"], ["wait"]])
def test_a_pipe_is_told_once_that_it_waits_and_that_it_runs(
    qwex: Callable[..., Done], start: Callable[..., Popen[str]], command: list[str]
) -> None:
    blocker = qwex("submit", "--quiet", "--cpu", "2", "--", "sleep", "60").out.strip()
    before = qwex("submit", "--quiet", "--cpu", "2", "--", "sleep", "60").out.strip()
    waiting = qwex("submit", "--quiet", "--cpu", "2", "--", "sh", "-c", "exit 3").out.strip()
    process = start(command[0], waiting, *command[1:])
    first = process.stderr.readline()
    assert first.startswith(f"◌ {waiting}  QUEUED  2nd in default · ")
    qwex("cancel", before)  # another place is no other state
    qwex("cancel", blocker)
    states = [line.split()[2] for line in process.communicate(timeout=30)[1].splitlines()]
    assert "QUEUED" not in states
    assert states[0] == "RUNNING"


def test_a_pipe_is_not_told_of_what_is_long_past(qwex: Callable[..., Done]) -> None:
    run_id = qwex("submit", "--wait", "--", "true").err.split()[0]
    (line,) = qwex("logs", run_id, "--follow").err.splitlines()
    assert "finished in" in line
