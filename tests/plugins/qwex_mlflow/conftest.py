"""A real tracking server for the tests of a module, and a controller of a private home that records jobs there."""

from __future__ import annotations

import pytest
from mlflowserver import missing, mlflow_server

import qwex


@pytest.fixture(scope="session")
def server():
    if missing():
        pytest.skip(missing())
    with mlflow_server() as running:
        yield running


@pytest.fixture
def own_server():
    """One that a test may stop."""
    if missing():
        pytest.skip(missing())
    with mlflow_server() as running:
        yield running


@pytest.fixture
def recorded(home, tmp_path, monkeypatch):
    """A client whose controller records jobs in MLflow, and whose jobs run in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    monkeypatch.setenv("QWEX_MLFLOW__ENABLED", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return qwex.Client()


@pytest.fixture
def client(recorded, server, monkeypatch):
    """Jobs are recorded by the module's server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    return recorded
