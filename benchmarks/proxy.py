"""What the way through a Jupyter server adds to a request: the same requests to the controller and through the proxy.

``python benchmarks/proxy.py`` starts a Jupyter server and a controller of its own, asks both in turn, ends them.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qwex import config
from qwex.client import Client, daemon

WARM, TIMES, JOBS = 50, 1000, 50
UPLOAD = 64 << 20
#: Milliseconds that the proxy may add.
GOAL = 2.0


class Local(http.client.HTTPConnection):
    """HTTP over the controller's Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


class Place:
    """One of the two to ask: a connection that is kept, what stands before each target, headers and, later, cookies."""

    def __init__(self, connection, prefix="", headers=None):
        self._connection = connection
        self._prefix = prefix
        self._headers = dict(headers or {})

    def ask(self, method, target, body=None):
        """Seconds until the whole answer was there."""
        start = time.perf_counter()
        self._connection.request(method, self._prefix + target, body, self._headers)
        answer = self._connection.getresponse()
        data = answer.read()
        seconds = time.perf_counter() - start
        assert answer.status < 300, (answer.status, data[:300])
        if cookies := answer.headers.get_all("set-cookie"):
            self._headers["cookie"] = "; ".join(cookie.split(";")[0] for cookie in cookies)
        return seconds


def jupyter(folder):
    """A Jupyter server with the extension: its process, its port and its token."""
    token = secrets.token_hex(16)
    arguments = [
        *("--no-browser", "--allow-root", "--ServerApp.port=0", f"--ServerApp.root_dir={folder}"),
        *(f"--IdentityProvider.token={token}", "--ServerApp.jpserver_extensions={'qwex_ext': True}"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_server", *arguments], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    runtime = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{process.pid}.json"
    while process.poll() is None:
        try:
            port = json.loads(runtime.read_text())["port"]
            socket.create_connection(("127.0.0.1", port)).close()
        except (OSError, ValueError):
            time.sleep(0.05)
        else:
            return process, port, token
    raise SystemExit("the Jupyter server did not start; run jupyter server by hand to see why")


def compare(name, places, method, target, times=TIMES, body=None):
    """Both in turn, so that what else the machine does concerns both."""
    taken = [[], []]
    for at in range(times + min(WARM, times)):
        for place, samples in zip(places, taken, strict=True):
            seconds = place.ask(method, target, body)
            if at >= min(WARM, times):
                samples.append(seconds * 1000)
    direct, proxied = map(statistics.median, taken)
    print(f"{name:38} {direct:8.2f} ms {proxied:8.2f} ms  +{proxied - direct:7.2f} ms  x{proxied / direct:.1f}")
    return proxied - direct


def measure(folder):
    """All comparisons; whether the goal is met."""
    with Client() as client:
        pid = client.health()["pid"]
        client.submit_many([{"source": {"kind": "command"}, "args": ["true"]}] * JOBS).wait()
    process, port, token = jupyter(folder)
    try:
        local = Place(Local(str(config.load().folder / "controller.sock")))
        through = Place(http.client.HTTPConnection("127.0.0.1", port), "/qwex/api", {"Authorization": f"token {token}"})
        places = (local, through)
        print(f"{'median':38} {'controller':>11} {'through Jupyter':>11}")
        added = compare("GET /healthz", places, "GET", "/healthz")
        added = max(added, compare(f"GET /jobs?limit={JOBS}", places, "GET", f"/jobs?limit={JOBS}"))
        digest = f"sha256:{hashlib.sha256(bytes(UPLOAD)).hexdigest()}"
        compare(f"PUT /blobs, {UPLOAD >> 20} MiB", places, "PUT", f"/blobs/{digest}", 3, bytes(UPLOAD))
    finally:
        process.terminate()
        process.wait()
        daemon.end(config.load().folder, pid)
    print(
        f"added to a request: {added:.2f} ms; the goal is at most {GOAL:.0f} ms: {'met' if added <= GOAL else 'MISSED'}"
    )
    return added <= GOAL


def main():
    """Exit code 1 when the goal is missed."""
    with tempfile.TemporaryDirectory(prefix="qx", dir="/tmp") as folder:
        homes = {"QWEX_HOME": "h", "XDG_CONFIG_HOME": "c", "JUPYTER_CONFIG_DIR": "j", "JUPYTER_RUNTIME_DIR": "r"}
        os.environ.update({name: os.path.join(folder, inner) for name, inner in homes.items()})
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path[1:]))
        return 0 if measure(folder) else 1


if __name__ == "__main__":
    sys.exit(main())
