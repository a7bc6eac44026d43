"""jupyter-scheduler in a Jupyter server of its own, asked by REST every 20 ms (its own panel asks every 10 s)."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nbformat
from notebook_cell import check, write
from turns import serve, timed

TOKEN = "loopback-only"


class Server:
    """A server in ``folder`` on a free port of loopback."""

    def __init__(self, folder):
        self._folder = Path(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        root = self._folder / "root"
        root.mkdir()
        write(root / "in.ipynb")
        places = {f"JUPYTER_{name}_DIR": str(self._folder / name) for name in ("DATA", "RUNTIME", "CONFIG")}
        argv = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
        argv += [f"--port={self._port}", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}"]
        argv += ["--LabApp.extension_manager=readonly"]
        self._log = (self._folder / "log").open("w")
        self.process = subprocess.Popen(argv, env=os.environ | places, stdout=self._log, stderr=subprocess.STDOUT)
        self._await()
        self._environment = self.ask("GET", "/runtime_environments")[0]["name"]

    def _await(self):
        for _ in range(600):
            with contextlib.suppress(OSError):
                return self.ask("GET", "/jobs?max_items=1")
            time.sleep(0.05)
        raise RuntimeError((self._folder / "log").read_text()[-2000:])

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/scheduler{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def submit(self):
        body = {"name": "j", "input_uri": "in.ipynb", "runtime_environment_name": self._environment}
        return self.ask("POST", "/jobs", {**body, "output_formats": ["ipynb"], "compute_type": None})["job_id"]

    def finish(self, job, pause=0.02):
        # A job that has not started yet reads STOPPED, the column's default, so that word does not mean an end.
        while (status := self.ask("GET", f"/jobs/{job}")["status"]) not in ("COMPLETED", "FAILED"):
            time.sleep(pause)
        assert status == "COMPLETED"
        staged = self._folder / "DATA/scheduler_staging_area" / job
        (result,) = (path for path in staged.iterdir() if path.name != "in.ipynb")
        check(nbformat.read(result, 4))

    def batch(self):
        for job in [self.submit() for _ in range(20)]:
            self.finish(job, 0.1)


@contextlib.contextmanager
def scheduler():
    with tempfile.TemporaryDirectory(prefix="qwex-scheduler-", ignore_cleanup_errors=True) as folder:
        server = Server(folder)
        try:
            yield {"single": timed(lambda: server.finish(server.submit())), "batch": timed(server.batch)}
        finally:
            server.process.terminate()
            server.process.wait(30)


if __name__ == "__main__":
    serve("jupyter-scheduler", scheduler)
