"""Following a job in a terminal: the line that waits, and Ctrl-C, which leaves the job alone."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
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
