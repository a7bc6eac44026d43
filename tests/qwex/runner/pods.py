"""An agent beside a job, as a pod has them, and its readers."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys

from qwex.jobfolder import BOOT, RUNNER
from qwex.runner.eventfile import EventFile

from .conftest import wait_until


class Pod:
    """The folders and processes of one attempt in a pod."""

    def __init__(self, path, work, python=sys.executable):
        self.description = path / "description"
        self.description.mkdir()
        self.folder = path / "job" / "attempt"
        self.log = self.folder / "events.jsonl"
        self.boot = [python, "-c", BOOT, str(RUNNER)]
        self.work = work
        self.processes = []
        self.describe("script", "")

    def describe(self, kind, text, attempt=3, **fields):
        """What is to run."""
        job = {
            "version": 1,
            "run_id": "pod-1",
            "attempt": attempt,
            "source": {"kind": kind, "text": text, "name": "job.py", "line_offset": 0},
            "args": [],
            "env": {},
            "environment": None,
            "cwd": str(self.work),
            "inputs": {},
            "blobs": {},
            "outputs": [],
            "limits": {},
            **fields,
        }
        (self.description / "job.json").write_text(json.dumps(job))
        return self

    def start(self, *words, **options):
        """One container's process."""
        return self._popen(words[0], str(self.folder), "--description", str(self.description), *words[1:], **options)

    def start_hook(self):
        """What runs before the job is told to end."""
        return self._popen("await", str(self.log))

    def _popen(self, *words, **options):
        command = [*self.boot, *words]
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process

    def run(self, *words):
        """The job's container."""
        return self.start("run", *words)

    def agent(self, *, linger=60, keep=4_000_000):
        """The agent's container, once it listens."""
        port = self.folder / "agent-port"
        port.unlink(missing_ok=True)
        process = self.start("agent", "--port", "0", "--linger", str(linger), "--keep", str(keep))
        wait_until(lambda: port.exists() or process.poll() is not None, "the agent's port")
        assert process.poll() is None, process.communicate()
        self.port = int(port.read_text())
        return process

    def writer(self, attempt=3):
        """The runner's side of the log, in this process."""
        log = EventFile(str(self.folder))
        log.attempt = attempt
        return log

    def get(self, target, method="GET"):
        """Status and body."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, target)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def events(self, after=0, *, follow=True):
        """All of them up to the end."""
        status, body = self.get(f"/events?after={after}{'&follow=1' if follow else ''}")
        assert status == 200
        return body

    def follow(self, after=0):
        """An answer to read from piece by piece; close its connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", f"/events?after={after}&follow=1")
        return connection, connection.getresponse()

    def reader(self):
        """A connection that follows; None when there are too many."""
        connection, answer = self.follow()
        if answer.status == 200:
            return connection
        connection.close()
        return None

    def raw(self, data):
        """What comes back for these bytes until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def acknowledge(self, seq):
        return self.get(f"/acknowledge?seq={seq}", "POST")[0]

    @property
    def state(self):
        return json.loads(self.get("/state")[1])

    def end(self, process, timeout=30):
        """Its exit code, stdout and stderr."""
        out, err = process.communicate(timeout=timeout)
        return process.returncode, out.decode(), err.decode()

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def records(data):
    """Parsed lines; every one is whole."""
    assert not data or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]
