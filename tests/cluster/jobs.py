"""What the tests ask of a client whose jobs run on a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex.spec import JobSpec, Source

if TYPE_CHECKING:
    import pytest

    import qwex

__all__ = ["SMALL", "configure", "following", "printed", "script", "states", "submit", "write_config"]

#: A node of the tests has two cores.
SMALL = {"cpu": "100m"}


def configure(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path, namespace: str, **more: str) -> None:
    """Make the backend kueue, in that namespace, that of the clients of this test."""
    section = {
        "kubeconfig": str(kubeconfig),
        "namespace": namespace,
        "image": "qwex.test/python:3.11",
        "pull_policy": "IfNotPresent",
        "linger": "60",
        **more,
    }
    monkeypatch.setenv("QWEX_BACKEND", "kueue")
    for name, value in section.items():
        monkeypatch.setenv(f"QWEX_KUEUE__{name.upper()}", value)


def write_config(text: str) -> None:
    """What variables cannot say: tables and lists."""
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "qwex" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def script(code: str, **options: Any) -> JobSpec:
    """A job that runs ``code``."""
    return JobSpec(source=Source(kind="script", text=code, name="job.py"), **{"resources": SMALL, **options})


def submit(client: qwex.Client, code: str, **options: Any) -> qwex.Job:
    """A job that runs ``code``, handed over."""
    return client.submit(script(code, **options))


def printed(job: qwex.Job) -> str:
    """What it has printed by now."""
    return "".join(job.logs())


def following(job: qwex.Job) -> subprocess.Popen[str]:
    """``qwex logs --follow`` in a process of its own, which ends with the test."""
    command = [sys.executable, "-m", "qwex.cli", "logs", job.id, "--follow"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def states(job: qwex.Job) -> list[tuple[str, str, int]]:
    """State, reason and attempt of each move so far."""
    return [(event["state"], event["reason"], event.attempt) for event in job.events(follow=False, types=("state",))]
