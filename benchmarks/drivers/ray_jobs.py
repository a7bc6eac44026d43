"""Ray Jobs on a head of its own: by the command (as used) and by its Python client asked every 20 ms."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Ray starts a head with a token by itself and refuses clients that were not told so.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

import payload
from ray.job_submission import JobStatus, JobSubmissionClient
from turns import serve, timed

RAY = str(Path(sys.executable).with_name("ray"))


def _free_ports(count):
    """Ports of loopback nobody listens on now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _start(folder):
    """A head; its address."""
    port, dashboard, client = _free_ports(3)
    argv = [RAY, "start", "--head", "--num-cpus=2", "--disable-usage-stats", f"--temp-dir={folder}"]
    argv += ["--node-ip-address=127.0.0.1", f"--port={port}", f"--ray-client-server-port={client}"]
    argv += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
    started = subprocess.run(argv, capture_output=True, text=True)
    if started.returncode:
        raise RuntimeError(started.stdout + started.stderr)
    return f"http://127.0.0.1:{dashboard}"


class Jobs:
    """The measures, each job checked SUCCEEDED and its line read."""

    def __init__(self, address, folder):
        self._address = address
        self._client = JobSubmissionClient(address)
        self._result = f"{folder}/value"

    def _words(self):
        return [sys.executable, payload.__file__, "41", self._result]

    def _submit(self):
        return self._client.submit_job(entrypoint=" ".join(self._words()), entrypoint_num_cpus=1)

    def _finish(self, job, pause=0.02):
        while not (status := self._client.get_job_status(job)).is_terminal():
            time.sleep(pause)
        assert status == JobStatus.SUCCEEDED
        assert "hello 41" in self._client.get_job_logs(job)

    def polled(self):
        self._finish(self._submit())

    def command(self):
        argv = [RAY, "job", "submit", "--address", self._address, "--", *self._words()]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert "hello 41" in done.stdout + done.stderr

    def batch(self):
        for job in [self._submit() for _ in range(20)]:
            self._finish(job, 0.1)


@contextlib.contextmanager
def jobs():
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        measures = Jobs(_start(folder), folder)
        # The head's processes are ended by run.py, which knows all that came from here by their environment.
        yield {
            "single-used": timed(measures.command),
            "single-fast": timed(measures.polled),
            "batch": timed(measures.batch),
        }


if __name__ == "__main__":
    serve("ray", jobs)
