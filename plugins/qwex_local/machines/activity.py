"""Looks every so often at what goes on in a machine, and writes it down. Standard library only; Linux.

Somebody is logged in, a terminal shows something new, a process works, or a GPU of the machine's does.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from qwex.runner.processes import descendants
from qwex_local.machines.limits import Limits
from qwex_local.machines.processes import Seen, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qwex_local.machines.limits import Warnings

__all__ = ["Look"]

#: Percent of a core, and of a GPU, from which on that counts.
_BUSY = 5
_GPU_SECONDS = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Look(threading.Thread):
    """Looks for as long as the process runs."""

    def __init__(
        self, folder: Path, run: int, every: float, sessions: Callable[[], tuple[int, int]], warnings: Warnings
    ) -> None:
        super().__init__(daemon=True, name="look")
        self._folder = folder
        self._warnings = warnings
        self._run = run
        self._every = every
        #: How many there are, and how many there were in all.
        self._sessions = sessions
        self._begun = 0
        self._before = seen(descendants(os.getpid()))
        self._at = self._active_at = self._started_at = time.time()

    def run(self) -> None:
        """Look, and again."""
        if not sys.platform.startswith("linux"):
            return  # what is not known is not said
        while True:
            # A short limit is looked at more often.
            time.sleep(min(self._every, (Limits.read(self._folder).idle or math.inf) / 6 + 1))
            with contextlib.suppress(OSError):  # a full disk, or a machine that is just removed
                self.look()

    def look(self) -> None:
        """Write down what went on since the last look."""
        now, below = time.time(), seen(descendants(os.getpid()))
        doing = [*self._connections(), *self._shown(below), *self._works(below, now), *_gpus()]
        self._active_at = now if doing else self._active_at
        self._at, self._before = now, below
        said = {"run": self._run, "at": now, "active_at": self._active_at, "doing": doing}
        part = self._folder / ".activity.json"
        part.write_text(json.dumps(said))
        os.replace(part, self._folder / "activity.json")
        if self._warnings.look(now - self._active_at, now - self._started_at):
            self._at = time.time()  # what a shell is told is nothing new that its terminal shows

    def _connections(self) -> Iterator[str]:
        now, begun = self._sessions()
        # One that came and went since the last look is use, too.
        count = max(now, begun - self._begun)
        self._begun = begun
        if count:
            yield f"{count} connection{'s' * (count > 1)}"

    def _shown(self, below: dict[int, Seen]) -> Iterator[str]:
        for terminal in sorted({each.terminal for each in below.values()} - {""}):
            with contextlib.suppress(OSError):
                if os.stat(terminal).st_mtime > self._at:
                    yield f"terminal {terminal.rpartition('/')[2]}"

    def _works(self, below: dict[int, Seen], now: float) -> Iterator[str]:
        for pid, each in below.items():
            if each.name.startswith("sshd"):
                continue
            # One that is new has used all of it since the last look; so has one with the pid of another.
            before = self._before.get(pid)
            ticks = each.ticks - before.ticks if before and before.ticks <= each.ticks else each.ticks
            percent = round(100 * ticks / _TICKS / max(now - self._at, 0.001))
            if percent >= _BUSY:
                yield f"{each.name} (pid {pid}) at {percent} % of a core"


def _gpus() -> Iterator[str]:
    """Those that this machine was given and that work."""
    own = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not own or "QWEX_SIMULATED_GPUS" in os.environ or not shutil.which("nvidia-smi"):
        return
    command = ["nvidia-smi", "-i", own, "--query-gpu=index,utilization.gpu", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        said = subprocess.run(command, capture_output=True, text=True, timeout=_GPU_SECONDS, check=False).stdout
        for index, use in (line.split(", ") for line in said.splitlines() if line.count(", ") == 1):
            if use.isdecimal() and int(use) >= _BUSY:
                yield f"GPU {index} at {use} %"
