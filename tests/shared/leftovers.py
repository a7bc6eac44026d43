"""Processes that a test has left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

__all__ = ["end_all", "processes_of"]


def processes_of(folder: Path) -> list[int]:
    """Processes whose command line or environment names ``folder`` (Linux; elsewhere none are found)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*") if Path("/proc/self").exists() else ():
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in text and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def end_all(folder: Path) -> None:
    """Kill them."""
    for pid in processes_of(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
