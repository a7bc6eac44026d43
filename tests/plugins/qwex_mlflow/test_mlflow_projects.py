"""``mlflow run . -b qwex``."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

PROJECT = """\
name: demo
entry_points:
  main:
    parameters:
      lr: {type: float, default: 0.1}
    command: "python train.py {lr}"
"""
TRAIN = """\
import sys
import mlflow
mlflow.log_metric("loss", float(sys.argv[1]))
raise SystemExit(3 if sys.argv[1] == "0.9" else 0)
"""


def run(*words):
    command = [sys.executable, "-m", "mlflow", "run", ".", "-b", "qwex", "--env-manager", "local", *words]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, timeout=100)


@pytest.fixture
def project(client, tmp_path, monkeypatch):
    (tmp_path / "MLproject").write_text(PROJECT)
    (tmp_path / "train.py").write_text(TRAIN)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    return client


@pytest.mark.parametrize(("lr", "status"), [("0.5", "FINISHED"), ("0.9", "FAILED")])
def test_its_run_is_the_jobs(project, server, lr, status):
    done = run("-P", f"lr={lr}", "--backend-config", '{"cpu": 1, "priority": 3}')
    assert done.returncode == 0, done.stderr
    job = project.job(re.search(r"job (\S+);", done.stderr)[1])
    job.wait(60)
    assert (job.record.priority, job.record.kind) == (3, "command")
    (ran,) = server.of_job(job.id)
    ran = server.run_of(job.id, status)
    assert (ran.params["lr"], ran.tags["mlflow.project.entryPoint"]) == (lr, "main")
    assert ran.metrics["loss"] == float(lr)


def test_a_setting_that_there_is_not(project):
    done = run("--backend-config", '{"cpus": 2}')
    assert done.returncode == 1
    assert "backend-config has no cpus. There is: backend, cpu, gpu" in done.stderr
