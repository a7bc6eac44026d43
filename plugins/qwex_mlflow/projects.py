"""``mlflow run . -b qwex``: an MLflow project's entry point as a job.

An entry point of MLflow's group ``mlflow.project_backend``. MLflow imports this module in the middle of its own import,
so that everything else of it is imported later.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

from mlflow.projects.backend.abstract_backend import AbstractBackend

__all__ = ["QwexProjectBackend", "project_backend"]

_FLAGS = ("backend", "cpu", "gpu", "image", "mem", "priority", "python", "queue", "retries", "time")
_MLFLOWS = ("build_image", "docker_auth")


def project_backend() -> QwexProjectBackend:
    """What MLflow calls for it."""
    return QwexProjectBackend()


class QwexProjectBackend(AbstractBackend):
    """Submits projects through the command ``qwex``, whose settings say where they run."""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: dict[str, Any],
        version: str | None,
        backend_config: Any,
        tracking_uri: str,
        experiment_id: str,
    ) -> Any:
        """Submit the entry point; MLflow's own environment managers are not used.

        ``backend_config`` may hold what ``_FLAGS`` names, as the command ``qwex submit`` takes it.
        """
        from mlflow.projects.utils import fetch_and_validate_project, get_or_create_run, load_project
        from mlflow.utils.mlflow_tags import MLFLOW_PROJECT_BACKEND

        flags = [f"--{name}={value}" for name, value in _given(backend_config).items()]
        folder = fetch_and_validate_project(project_uri, version, entry_point, params)
        project = load_project(folder)
        active = get_or_create_run(None, project_uri, experiment_id, folder, version, entry_point, params)
        run_id = active.info.run_id
        _client().set_tag(run_id, MLFLOW_PROJECT_BACKEND, "qwex")
        command = project.get_entry_point(entry_point).compute_command(params, None)
        words = [sys.executable, "-m", "qwex.cli", "submit", "--json", "--name", entry_point, *flags]
        words += ["--env", f"MLFLOW_RUN_ID={run_id}", "--env", f"MLFLOW_EXPERIMENT_ID={experiment_id}"]
        environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri}
        done = subprocess.run(
            [*words, "--", "sh", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            _client().set_terminated(run_id, "FAILED")
            from mlflow.exceptions import ExecutionException

            raise ExecutionException(done.stderr.strip() or "the job was not submitted")
        job = json.loads(done.stdout)["id"]
        # MLflow's own command waits for no plugin's jobs.
        sys.stderr.write(f"job {job}; follow it with: qwex logs {job} --follow\n")
        return _submitted(run_id, job)


def _given(config: Any) -> dict[str, Any]:
    """What of the configuration is meant for qwex; MLflow adds settings of its own."""
    if isinstance(config, str) and config:
        with open(config, encoding="utf-8") as file:
            config = json.load(file)
    given = {name: value for name, value in (config or {}).items() if not name.isupper() and name not in _MLFLOWS}
    if wrong := sorted(set(given) - set(_FLAGS)):
        from mlflow.exceptions import ExecutionException

        raise ExecutionException(f"backend-config has no {', '.join(wrong)}. There is: {', '.join(_FLAGS)}")
    return given


def _client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient()


def _submitted(run_id: str, job: str) -> Any:
    from mlflow.entities import RunStatus
    from mlflow.projects.submitted_run import SubmittedRun

    import qwex

    class SubmittedJob(SubmittedRun):
        """A job, as MLflow follows one."""

        def __init__(self) -> None:
            self._job = qwex.Client().job(job)
            self._lock = threading.Lock()

        @property
        def run_id(self) -> str:
            return run_id

        def wait(self) -> bool:
            with self._lock:
                self._job.wait()
            return bool(self._job.state.value == "SUCCEEDED")

        def get_status(self) -> Any:
            states = {"SUCCEEDED": RunStatus.FINISHED, "FAILED": RunStatus.FAILED, "CANCELLED": RunStatus.KILLED}
            states["RUNNING"] = RunStatus.RUNNING
            return states.get(self._job.state.value, RunStatus.SCHEDULED)

        def cancel(self) -> None:
            self._job.cancel()

    return SubmittedJob()
