"""A real MLflow tracking server of the tests' own, and what it knows of a job.

``python -m mlflowserver up | down``: one for a person, which is what ``make mlflow-…`` calls.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from harness.network import free_ports
from harness.waiting import wait_until

__all__ = ["MlflowServer", "missing", "mlflow_server"]

_SECONDS = 120


def missing():
    """What keeps a server from being started; empty if nothing does."""
    return "" if importlib.util.find_spec("mlflow.server") else "needs mlflow (not mlflow-skinny alone)"


class MlflowServer:
    """One server over its own store; it can be stopped, killed and started again at the same address."""

    def __init__(self, folder, store="", *options, port=0):
        self.folder = folder
        self.port = port or free_ports(1)[0]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.artifacts = folder / "artifacts"
        self._store = store or f"sqlite:///{folder / 'server.db'}"
        self._options = options
        self.process = None

    def start(self):
        """Return once it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", self._store]
        if "--no-serve-artifacts" in self._options:
            command += ["--default-artifact-root", str(self.artifacts)]
        else:
            command += ["--artifacts-destination", str(self.artifacts)]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "QWEX_"))}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self._options],
                cwd=self.folder,
                env={**kept, **quiet},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, f"the MLflow server; see {self.folder / 'log'}", _SECONDS, 0.1)

    def stop(self):
        """End it and all its processes."""
        if self.process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.process.pid, number)
                    self.process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue
            self.process = None

    def call(self, path, body=None, **query):
        """What an endpoint of the API answers."""
        address = f"{self.uri}/api/2.0/mlflow/{path}"
        if query:
            address += "?" + "&".join(f"{key}={value}" for key, value in query.items())
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(address, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def search(self, where="", experiments=()):
        """Runs, newest first."""
        found = self.call("experiments/search", {"max_results": 1000}).get("experiments", [])
        ids = list(experiments) or [each["experiment_id"] for each in found]
        return [Run(raw) for raw in self.call("runs/search", {"experiment_ids": ids, "filter": where}).get("runs", [])]

    def of_job(self, run_id):
        """The job's runs, one for each attempt that started over, newest first."""
        return self.search(f"tags.`qwex.run_id` = '{run_id}'")

    def run_of(self, run_id, status=None):
        """The job's run once it has that status."""

        def found():
            runs = self.of_job(run_id)
            newest = max(runs, key=lambda run: int(run.tags["qwex.attempt"]), default=None)
            return newest if newest and status in (None, newest.status) else None

        return wait_until(found, f"a run of {run_id} that is {status}", 60, 0.1)

    def files(self, run):
        """The run's artifacts by path."""
        root = self.artifacts / run.experiment / run.id / "artifacts"
        if not root.exists():
            root = self.artifacts / run.id / "artifacts"
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return urllib.request.urlopen(f"{self.uri}/health", timeout=5).status == 200
        except OSError:
            return False


class Run:
    """A run as the API describes it."""

    def __init__(self, raw):
        info, data = raw["info"], raw["data"]
        self.id, self.experiment = info["run_id"], info["experiment_id"]
        self.status, self.name = info["status"], info["run_name"]
        self.start_time, self.end_time = info.get("start_time"), info.get("end_time")
        self.tags = {each["key"]: each["value"] for each in data.get("tags", [])}
        self.params = {each["key"]: each["value"] for each in data.get("params", [])}
        self.metrics = {each["key"]: each["value"] for each in data.get("metrics", [])}

    @property
    def parent(self):
        return self.tags.get("mlflow.parentRunId")


@contextmanager
def mlflow_server(store="", *options):
    """A server that is there for the block, with nothing left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="qxml", dir="/tmp"))
    server = MlflowServer(folder, store, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _state():
    from harness import places

    return places.cache() / "mlflow" / "running.json"


def _up(port):
    _down()
    folder = _state().parent
    folder.mkdir(parents=True, exist_ok=True)
    server = MlflowServer(folder, port=port)
    server.start()
    _state().write_text(json.dumps({"pid": server.process.pid}))
    print(
        f"""
An MLflow server listens at {server.uri} until: make mlflow-down
What it has is in {folder}; it stays. For this shell's jobs to be recorded there:

export MLFLOW_TRACKING_URI={server.uri}"""
    )


def _down():
    with contextlib.suppress(OSError, ValueError):
        pid = json.loads(_state().read_text())["pid"]
        # Unless another process has the number by now.
        if b"mlflow" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.killpg(pid, signal.SIGTERM)
    _state().unlink(missing_ok=True)


if __name__ == "__main__":
    {"up": lambda: _up(5000), "down": _down}[sys.argv[1]]()
