"""``job.json`` as the runner reads it, and what a job needs around it: environment, search path, working folder."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time

from . import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:
    from .tuples import NamedTuple

__all__ = ["Job", "Source", "enter"]

#: A folder with a ``sitecustomize`` alone.
_STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")


class Source(NamedTuple):
    """The code; see ``qwex.spec.Source``. ``cells`` are a notebook's: ``id``, ``text``, ``may_raise`` of each."""

    kind: str
    text: str = ""
    name: str = ""
    line_offset: int = 0
    execution_count: int | None = None
    cells: list[dict[str, Any]] = []  # noqa: RUF012 - never written to


class Job(NamedTuple):
    """What to run. Keys of ``job.json`` that this version does not know are left out."""

    folder: str
    run_id: str
    attempt: int
    source: Source
    args: list[str]
    env: dict[str, str]
    environment: str | None
    cwd: str
    inputs: dict[str, dict[str, Any]]
    blobs: dict[str, str]
    outputs: list[str]
    #: A JSON file with more variables, which may come later; None where none will.
    later: str | None = None
    #: Python files that every Python process of the job runs first.
    startup: list[str] = []  # noqa: RUF012 - never written to

    @classmethod
    def read(cls, request: dict[str, Any]) -> Job:
        """From the supervisor's request."""
        fields = {key: value for key, value in request["job"].items() if key in cls._fields}
        source = {key: value for key, value in fields.pop("source").items() if key in Source._fields}
        return cls(folder=request["folder"], source=Source(**source), **fields)

    @property
    def filename(self) -> str:
        """The script's absolute path, as tracebacks show it."""
        return os.path.abspath(self.source.name or "script.py")


def enter(job: Job) -> None:
    """Make this process the job's: environment, module search path, working folder.

    Raises:
        OSError: the environment cannot be read or the folder not entered.
        ValueError: the folder that came along cannot be unpacked.
    """
    with contextlib.suppress(OSError):  # of a full disk the job itself may have something to say
        os.makedirs(os.path.join(job.folder, files.FOLDER), exist_ok=True)
    before = os.environ.get("PYTHONPATH", "")
    _apply_environment(_environment(job))
    if workdir := job.inputs.pop("__workdir__", None):
        from .workdir import unpack

        os.chdir(unpack(workdir, job.blobs, job.folder))
    elif job.cwd:
        os.chdir(job.cwd)
    _apply_pythonpath(before, os.environ.get("PYTHONPATH", ""))
    sys.path[:] = [entry for entry in sys.path if entry]  # "" is there from this process's own -c
    sys.path.insert(0, os.path.dirname(job.filename) if job.source.kind == "script" else "")
    importlib.invalidate_caches()
    for path in job.startup:
        _run_first(path)


def _environment(job: Job) -> dict[str, str]:
    if job.environment is None:
        environment = dict(os.environ)
    else:
        with open(job.environment, encoding="utf-8", errors="surrogateescape") as file:
            environment = json.load(file)
    own = {"QWEX_RUN_ID": job.run_id, "QWEX_ATTEMPT": str(job.attempt)}
    own["QWEX_FILES"] = os.path.join(job.folder, files.FOLDER)
    if job.later:
        own |= {"QWEX_LATER": job.later, "QWEX_FOLDER": job.folder}
    given = {**environment, **_later(job), **job.env, **own}
    if job.startup:
        given["QWEX_STARTUP"] = os.pathsep.join(job.startup)
        given["PYTHONPATH"] = os.pathsep.join(filter(None, (_STARTUP, given.get("PYTHONPATH"))))
    return given


def _later(job: Job) -> dict[str, str]:
    """The variables that came in time."""
    try:
        with open(job.later or "", encoding="utf-8") as file:
            variables: dict[str, str] = json.load(file)
    except (OSError, ValueError):
        return {}
    return variables


def _run_first(path: str) -> None:
    """What ``startup/sitecustomize.py`` does in other processes; this one began before it had a job."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("qwex_startup", path)
    with contextlib.suppress(Exception):  # whatever becomes of it, the job's own code runs
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _apply_environment(environment: dict[str, str]) -> None:
    """Only what differs is set, since each variable costs a call into C."""
    zone = os.environ.get("TZ")
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if os.environ.get("TZ") != zone:
        time.tzset()


def _apply_pythonpath(before: str, after: str) -> None:
    if before == after:
        return
    gone = set(before.split(os.pathsep))
    sys.path[:] = [entry for entry in sys.path if entry not in gone]
    sys.path[:0] = [os.path.abspath(entry) for entry in after.split(os.pathsep) if entry and entry != _STARTUP]
