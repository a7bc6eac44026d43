"""A qwex home of its own: two slots, no configuration, nothing running yet; all that starts in it ends with it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["Home"]


class Home:
    """A context. Inside it this process's clients, and processes it starts, use the home."""

    def __enter__(self):
        # Unix sockets need short paths.
        self._folder = Path(tempfile.mkdtemp(prefix="qxb", dir="/tmp"))
        self.path = self._folder / "h"
        self.environment = {"QWEX_HOME": str(self.path), "XDG_CONFIG_HOME": str(self._folder), "QWEX_LOCAL__CPU": "2"}
        self._before = {name: os.environ.get(name) for name in self.environment}
        os.environ |= self.environment
        return self

    def __exit__(self, *_):
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        while pids := self.processes():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        shutil.rmtree(self._folder, ignore_errors=True)

    def controller(self):
        """Process id of the home's controller."""
        return json.loads((self.path / "controller.json").read_text())["pid"]

    def processes(self):
        """Ids of the processes that were started for this home."""
        mark = f"QWEX_HOME={self.path}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                    found.append(int(folder.name))
        return found

    def memory(self, name):
        """MiB of the controller, MiB of the interpreters it keeps ready, and how many processes these are in all."""
        pids, controller = self.processes(), self.controller()
        return {
            f"controller_{name}_mib": pss(controller),
            f"others_{name}_mib": sum(pss(pid) for pid in pids if pid != controller),
            f"processes_{name}": len(pids),
        }

    def command(self, *words):
        """The ``qwex`` command of this environment."""
        return [str(Path(sys.executable).with_name("qwex")), *words]


def pss(pid):
    """A process's memory in MiB, shared pages counted by their part."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0
