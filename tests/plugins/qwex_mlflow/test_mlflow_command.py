"""``qwex mlflow``."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from harness.network import free_ports
from leftovers import processes_of
from mlflowserver import missing
from qwex_mlflow.local import LocalStore
from qwex_mlflow.runs import Runs


def qwex(*words, **more):
    command = [sys.executable, "-m", "qwex.cli", "mlflow", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_where_jobs_are_recorded(recorded, home, monkeypatch):
    assert qwex("uri").communicate(timeout=60)[0] == f"sqlite:///{home / 'mlflow' / 'mlflow.db'}\n"
    monkeypatch.setenv("QWEX_MLFLOW__TRACKING_URI", "http://site:5000")
    assert qwex("uri").communicate(timeout=60)[0] == "http://site:5000\n"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mine:5000")
    assert qwex("uri").communicate(timeout=60)[0] == "http://mine:5000\n"
    assert qwex("ui", "--no-browser").communicate(timeout=60)[0] == "http://mine:5000\n"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///own.db")
    assert qwex("uri").communicate(timeout=60)[0] == f"sqlite:///{Path.cwd() / 'own.db'}\n"


def test_nowhere(recorded, monkeypatch):
    monkeypatch.setenv("QWEX_MLFLOW__ENABLED", "false")
    asked = qwex("uri")
    assert "not recorded in MLflow here" in asked.communicate(timeout=60)[1]
    assert asked.returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_pages_over_the_store_on_this_machine(recorded, home, end):
    (home / "mlflow").mkdir(parents=True)
    with closing(LocalStore(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}", home / "mlflow")) as store:
        for name in ("one", "two"):
            Runs(store).experiment(name)
    port = free_ports(1)[0]
    pages = qwex("ui", "--no-browser", "--port", str(port))
    try:
        assert pages.stdout.readline() == f"http://127.0.0.1:{port}\n"
        assert b"MLflow" in urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).read()
    finally:
        pages.send_signal(end)
        assert pages.wait(60) == (0 if end == signal.SIGINT else 143)
    assert processes_of(home) == []


@pytest.mark.parametrize("words", [(), ("dance",), ("ui", "--port", "many")])
def test_what_is_no_command(words):
    asked = qwex(*words)
    assert "usage: qwex mlflow" in asked.communicate(timeout=60)[1]
    assert asked.returncode == 2
