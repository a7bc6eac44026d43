"""A controller in a process of its own, and talk to it over its socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading

from frames import parse_frames
from scripted import Script

__all__ = ["Connection", "Daemon"]


class Daemon:
    """A controller in a process of its own."""

    def __init__(self, home):
        self.home = home
        self.process = None

    def start(self, *, wait=True):
        read, write = os.pipe()
        command = [sys.executable, "-m", "qwex.controller.daemon", "--home", str(self.home), "--ready-fd", str(write)]
        with open(self.home.parent / "log", "ab") as log:
            self.process = subprocess.Popen(command, pass_fds=[write], stderr=log, start_new_session=True)
        os.close(write)
        with open(read) as ready:
            return ready.readline().strip() if wait else ""

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        self.process.terminate()
        return self.process.wait(15)

    def connect(self):
        return Connection(self.home / "controller.sock")

    def call(self, method, path, body=None, headers=None):
        """Status, headers, and the body, parsed where it is JSON."""
        connection = self.connect()
        try:
            return connection.call(method, path, body, headers)
        finally:
            connection.close()

    def script(self, run_id):
        return Script(self.home / "scripted", run_id)

    def job(self, run_id, **more):
        return {"run_id": run_id, "spec": {"source": {"kind": "command"}, "args": ["true"], **more}}

    def handed_over(self, run_id, attempt=1):
        """Return once the backend has the job, for that attempt."""
        pause = threading.Event()
        for _ in range(2000):
            if (status := self.script(run_id).status()) and status.attempt >= attempt:
                return
            pause.wait(0.01)
        raise AssertionError(f"{run_id} did not reach its backend")

    def frames(self, run_id, query=""):
        """The whole stream of a job's events; ends with the job."""
        return parse_frames(self.call("GET", f"/jobs/{run_id}/events{query}")[2])

    def wait(self, run_id, *wanted, attempt=1, reason=""):
        """The record once the job's story has one of the states, in that attempt or a later one."""
        for said in self.story(run_id):
            if said.get("state") in wanted and said["attempt"] >= attempt and reason in said["reason"]:
                return self.call("GET", f"/jobs/{run_id}")[2]
        raise AssertionError(f"{run_id} ended without {wanted}")

    def printed(self, run_id, text):
        """Return once the job's story has the text."""
        assert any(said.get("text") == text for said in self.story(run_id)), f"{run_id} ended without {text!r}"

    def story(self, run_id):
        """The job's records as they come, until it has ended."""
        connection = self.connect()
        connection.request("GET", f"/jobs/{run_id}/events")
        try:
            for line in connection.getresponse():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        finally:
            connection.close()


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("qwex", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)

    def call(self, method, path, body=None, headers=None):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        self.request(method, path, data, headers or {})
        answer = self.getresponse()
        raw = answer.read()
        is_json = (answer.headers.get_content_type() or "").endswith("json") and raw
        return answer.status, answer.headers, json.loads(raw) if is_json else raw
