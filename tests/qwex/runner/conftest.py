"""Job folders, and the runner on them as backends start it."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest

from qwex.jobfolder import BOOT, RUNNER


def wait_until(condition, what, seconds=30.0):
    """The condition's first true value; fails naming ``what`` when time is over."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if value := condition():
            return value
        pause.wait(0.01)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


def gone(pid):
    """Whether the process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def inline(value):
    """An input value inside the job description."""
    return {"format": "cloudpickle", "data": base64.b64encode(pickle.dumps(value)).decode()}


class JobFolder:
    """A job folder and what became of it."""

    def __init__(self, path: Path, python: str = sys.executable) -> None:
        self.path = path
        self.python = python
        self.work = path / "work"
        self.work.mkdir()
        self.process: subprocess.Popen | None = None
        self.rc: int | None = None

    def write(self, kind, text="", *, name="", line_offset=0, execution_count=None, cells=(), limits=None, **fields):
        """Make ``job.json``."""
        source = {"kind": kind, "text": textwrap.dedent(text), "name": name or ("job.py" if kind == "script" else "")}
        source.update(line_offset=line_offset, execution_count=execution_count, cells=cells)
        job = {
            "version": 1,
            "run_id": "job-abc123",
            "attempt": 1,
            "source": source,
            "args": [],
            "env": {},
            "environment": None,
            "cwd": str(self.work),
            "inputs": {},
            "blobs": {},
            "outputs": [],
            "limits": {"timeout": None, "grace": 20.0, **(limits or {})},
            **fields,
        }
        (self.path / "job.json").write_text(json.dumps(job))
        return self

    @property
    def argv(self):
        return [self.python, "-c", BOOT, str(RUNNER), "run", str(self.path)]

    def start(self, **options):
        """Start the runner."""
        options.setdefault("stdin", subprocess.DEVNULL)
        self.process = subprocess.Popen(self.argv, **options)
        return self

    def join(self, seconds=60):
        """Wait for its end."""
        self.rc = self.process.wait(seconds)
        return self

    def run(self, kind, text="", **fields):
        """Write, start, join."""
        return self.write(kind, text, **fields).start().join()

    def stop(self, reason="", message="", number=signal.SIGTERM):
        """End it as backends do."""
        if reason:
            (self.path / "stop").write_text(json.dumps({"reason": reason, "message": message}))
        self.process.send_signal(number)
        return self

    @property
    def records(self):
        try:
            lines = (self.path / "events.jsonl").read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines[:-1]]

    def of(self, *types):
        return [record for record in self.records if record["type"] in types]

    @property
    def exit(self):
        return self.records[-1] if self.of("exit") else None

    def text(self, name="stdout"):
        return "".join(record["text"] for record in self.of("stream") if record["name"] == name)

    def until_prints(self, text):
        wait_until(lambda: text in self.text(), f"{text!r} in the output")
        return self

    def value(self, name):
        return pickle.loads((self.path / "values" / name).read_bytes())

    @property
    def error(self):
        (error,) = self.of("error")
        return error


@pytest.fixture
def folders():
    """Makes job folders with short paths."""
    made = []

    def make(python=sys.executable):
        job = JobFolder(Path(tempfile.mkdtemp(prefix="qx", dir="/tmp")), python)
        made.append(job)
        return job

    yield make
    for job in made:
        if job.process is not None and job.process.poll() is None:
            job.process.kill()
            job.process.wait()
        shutil.rmtree(job.path, ignore_errors=True)


@pytest.fixture
def job(folders):
    """One job folder."""
    return folders()


@pytest.fixture
def bare(job):
    """A job whose interpreter has an IPython that cannot be imported."""
    (job.work / "IPython.py").write_text("raise ImportError('no IPython here')\n")
    return job


def interpreters():
    """The oldest and newest Python at hand, besides this one."""
    found = []
    for version in ("3.9", "3.13"):
        places = [
            shutil.which(f"python{version}") or "",
            *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
        ]
        for place in places:
            probe = [place, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            if place and os.path.exists(place) and _says(probe, version):
                found.append(place)
                break
    return found


def _says(probe, text):
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == text


@pytest.fixture
def pod(tmp_path):
    """The containers of one attempt, which end with the test."""
    from .pods import Pod  # which needs this module

    pod = Pod(tmp_path, tmp_path)
    yield pod
    pod.close()
