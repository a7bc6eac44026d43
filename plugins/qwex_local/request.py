"""What the backend sends to itself: a plan, checked against this machine's queues and made into plain data."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex import jobfolder
from qwex.errors import InvalidSpec
from qwex.quantities import parse_cpu, parse_gpu, parse_memory
from qwex_local.queue import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.backend import Plan

__all__ = ["Interpreter", "LocalRequest", "shape_of", "variables"]

#: Variables an interpreter or its loader reads before the first line of a job runs.
_STARTUP = ("PYTHON", "LD_", "DYLD_")


class Interpreter(NamedTuple):
    """What two jobs must share to be forked from one zygote."""

    python: str
    flavour: str
    #: The environment variables that matter before a job sets its own, sorted.
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LocalRequest:
    """One attempt as this machine's queue takes it; everything needed later is in it."""

    run_id: str
    attempt: int
    queue: str
    priority: int
    #: Cores.
    cpu: float
    #: Bytes; 0 means not asked for, and not counted.
    memory: int
    gpu: str | None
    #: As the user gave it; None means this process's own.
    python: str | None
    flavour: str
    #: ``job.json``.
    job: dict[str, Any]

    @classmethod
    def of(cls, plan: Plan, queue: str, longest_grace: float) -> LocalRequest:
        """The request for ``plan``.

        Raises:
            InvalidSpec: it asks for what only a cluster has.
        """
        spec, resources = plan.spec, plan.spec.resources
        for name, given in (("image", spec.runtime.image), ("packages", spec.runtime.packages)):
            if given:
                raise InvalidSpec.of(f"runtime.{name}", f"the local backend runs your own Python and has no {name}")
        return cls(
            run_id=plan.run_id,
            attempt=plan.attempt,
            queue=queue,
            priority=spec.priority,
            cpu=parse_cpu(resources.cpu),
            memory=parse_memory(resources.memory) if resources.memory else 0,
            gpu=resources.gpu,
            python=spec.runtime.python,
            flavour="ipython" if spec.source.kind in ("cell", "notebook") else "plain",
            job=jobfolder.describe(plan, limits={"grace": min(spec.grace, longest_grace)}),
        )

    @classmethod
    def loads(cls, text: str) -> LocalRequest:
        """The inverse of ``dumps``."""
        return cls(**json.loads(text))

    def dumps(self) -> str:
        """One line of JSON."""
        return json.dumps(vars(self), separators=(",", ":"))

    @property
    def grace(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""
        return float(self.job["limits"]["grace"])

    def interpreter(self) -> Interpreter:
        """What it must be started with.

        Raises:
            OSError: the environment kept at submit cannot be read, or there is no such Python.
        """
        environment = _environment(self.job["environment"])
        startup = {**dict(environment.startup), **variables(self.job["env"])}
        python = _executable(self.python, self.job["cwd"], self.job["env"].get("PATH", environment.path))
        return Interpreter(python, self.flavour, tuple(sorted(startup.items())))


def shape_of(request: LocalRequest) -> Shape:
    """What it asks for, as the queue compares it."""
    return _shape(request.cpu, request.memory, request.gpu)


@lru_cache(maxsize=1024)
def _shape(cpu: float, memory: int, gpu: str | None) -> Shape:
    return Shape(max(round(cpu * 1000), 1), memory, parse_gpu(gpu) if gpu else None)


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables that matter at an interpreter's start."""
    return {name: value for name, value in environment.items() if name.startswith(_STARTUP)}


class _Environment(NamedTuple):
    startup: tuple[tuple[str, str], ...]
    path: str | None


def _environment(file: str | None) -> _Environment:
    if file is None:
        return _Environment(tuple(variables(os.environ).items()), os.environ.get("PATH"))
    return _read(file)


@lru_cache(maxsize=64)
def _read(file: str) -> _Environment:
    """A file's name is the digest of its bytes, so that it needs to be read once."""
    environment = json.loads(Path(file).read_bytes())
    return _Environment(tuple(variables(environment).items()), environment.get("PATH"))


def _executable(python: str | None, cwd: str, path: str | None) -> str:
    if python is None:
        return sys.executable
    if os.sep in python:
        return os.path.join(cwd or os.curdir, os.path.expanduser(python))
    found = shutil.which(python, path=path)
    if found is None:
        raise FileNotFoundError(2, "no such command on the PATH", python)
    return found
