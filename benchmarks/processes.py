"""What one driver started: known by a mark in its environment or by a parent that has it (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

__all__ = ["MARK", "Family", "pss"]

MARK = "QWEX_BENCH_MARK"


class Family:
    """All processes that came from one driver, also those that left its session or wrote over their environment."""

    def __init__(self, mark):
        self._mark = f"{MARK}={mark}".encode()
        self._seen = {}

    def alive(self):
        """Their ids now. What was once seen stays known, by its id and start time."""
        parents = {pid: fields for pid in _pids() if (fields := _status(pid))}
        found = {pid for pid in parents if self._marked(pid)}
        found |= {pid for pid, start in self._seen.items() if pid in parents and parents[pid][1] == start}
        while more := {pid for pid, (parent, _) in parents.items() if parent in found} - found:
            found |= more
        self._seen = {pid: parents[pid][1] for pid in found}
        return sorted(found)

    def _marked(self, pid):
        with contextlib.suppress(OSError):
            return self._mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return False

    def end(self, patience=10):
        """SIGTERM to all, SIGKILL to those that are still there after ``patience`` seconds."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            for _ in range(patience * 20):
                if not self.alive():
                    return
                time.sleep(0.05)


def _pids():
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _status(pid):
    """Parent and start time; None if it is gone or waits to be reaped."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return None if fields[0] == "Z" else (int(fields[1]), int(fields[19]))
    return None


def pss(pids):
    """Their memory in MiB, shared pages counted by their part so that it adds up."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as lines:
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024
