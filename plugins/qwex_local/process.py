"""Who a process is: its pid and when it started, so that a pid given to another one is never mistaken for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["Identity", "alive", "identify", "send"]


class Identity(NamedTuple):
    """``start_time`` is field 22 of ``/proc/<pid>/stat`` on Linux, what ``ps -o lstart=`` says elsewhere."""

    pid: int
    start_time: int | str


def identify(pid: int) -> Identity | None:
    """The process that has this pid now; None if none has, or only one that has ended and was not waited for."""
    started = _linux(pid) if sys.platform == "linux" else _elsewhere(pid)
    return None if started is None else Identity(pid, started)


def alive(who: Identity) -> bool:
    """Whether that very process still runs."""
    return identify(who.pid) == who


def send(who: Identity, number: int) -> bool:
    """Signal that very process; False if it is gone."""
    if not alive(who):
        return False
    try:
        os.kill(who.pid, number)
    except ProcessLookupError:
        return False
    return True


def _linux(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets, and may hold brackets and spaces itself.
    fields = text[text.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _elsewhere(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(None, 1)
    return None if not answer or answer[0].startswith("Z") else answer[1].strip()
