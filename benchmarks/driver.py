"""One system under measurement: a process of its own, in its own environment, that stays warm between its turns."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
from pathlib import Path

import processes

__all__ = ["Driver", "NotMeasured", "cold"]

DRIVERS = Path(__file__).parent / "drivers"


class NotMeasured(Exception):
    """A system did not answer as it should; the message is its last words."""


class Driver:
    """Starts the script and waits until it can be asked. Everything it leaves behind is ended by ``close``."""

    def __init__(self, python, script, log):
        mark = secrets.token_hex(8)
        self._family = processes.Family(mark)
        self._log = log
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("QWEX_", "PYTHON"))}
        environment |= {processes.MARK: mark, "NO_COLOR": "1"}
        words = script.split()
        self._process = subprocess.Popen(
            [python, str(DRIVERS / words[0]), *words[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            cwd=DRIVERS,
            text=True,
            start_new_session=True,
        )
        try:
            hello = self._answer()
        except NotMeasured:
            self.close()
            raise
        self.version = hello["version"]
        self.has = hello["has"]

    def ask(self, measure, times=1, warm=0, **arguments):
        """Samples of one measure.

        Raises:
            NotMeasured: it failed, or the driver is gone.
        """
        request = {"measure": measure, "times": times, "warm": warm, **arguments}
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._answer()["samples"]

    def _answer(self):
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the driver ended without a word"}
        if "error" in answer:
            self._log.write(answer["error"])
            self._log.flush()
            raise NotMeasured(answer["error"].strip().splitlines()[-1][:300])
        return answer

    def memory(self):
        """MiB and number of the processes it started, without itself."""
        others = [pid for pid in self._family.alive() if pid != self._process.pid]
        return {"mib": processes.pss(others), "processes": len(others)}

    def close(self):
        """Let it tidy up, then end what is left."""
        self._family.alive()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(40)
        self._family.end()
        self._process.wait()
        self._process.stdout.close()


def cold(python, script, measure, log):
    """Seconds from starting a driver to its first result, with all that takes; nothing stays."""
    start = time.perf_counter()
    driver = Driver(python, script, log)
    try:
        driver.ask(measure)
        return time.perf_counter() - start
    finally:
        driver.close()
