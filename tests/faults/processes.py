"""Waiting for things to happen, and killing the controller."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> object:
    """The condition's first true value; fails naming ``what`` when time is over."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if value := condition():
            return value
        pause.wait(0.02)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


class Killer:
    """Knows the controller's process and ends it without asking."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def pid(self) -> int:
        return int(json.loads((self.home / "controller.json").read_text())["pid"])

    def kill(self) -> int:
        """SIGKILL, and wait until the process is gone."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not running(pid), f"the end of process {pid}")
        return pid


def running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
