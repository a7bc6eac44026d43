"""The command line as a process of its own, in a private home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command_line import COMMAND, Done

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def qwex(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Runs ``qwex`` in an empty folder, its controller with two cores."""
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    monkeypatch.setenv("USER", "tester")

    def run(*argv: str, **env: Any) -> Done:
        done = subprocess.run(
            [*COMMAND, *argv],
            cwd=tmp_path,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def start(qwex: Callable[..., Done], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``qwex`` with pipes and leaves none behind."""
    started = []

    def run(*argv: str, **more: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        process = subprocess.Popen([*COMMAND, *argv], cwd=tmp_path, text=True, **pipes)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def boxes(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin with machines on this computer, installed for children of this process; the person's own folder."""
    site = home.parent / "site"
    info = site / "qwex_boxes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: qwex-boxes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[qwex]\nboxes = boxes\n[qwex.doors]\nbox = boxes:connect\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(Path(__file__).parent), *sys.path]))
    monkeypatch.setenv("QWEX_PLUGINS", "boxes,qwex_local")
    monkeypatch.setenv("QWEX_BACKEND", "box")
    person = tmp_path / "person"
    person.mkdir()
    monkeypatch.setenv("HOME", str(person))
    return person
