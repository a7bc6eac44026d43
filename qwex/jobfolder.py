"""The folder an attempt runs in: how a plan becomes files, and how the runner is started on them.

Any backend that can put files beside a process can run jobs with these functions; the runner
(``qwex.runner``, standard library only) does the rest. Files of a job folder:

===================  ==================================================================================
``job.json``         what to run, written by ``write``
``events.jsonl``     the attempt's records (see ``qwex.events``), written by the runner, created exclusively
``bell``             a FIFO; when it exists the runner writes a byte after each flush, and holds it open for life
``stop``             ``{"reason": …, "message": …}``: why the attempt is to end, written by ``stop`` before SIGTERM
``values/<name>``    output values, each whole or absent
===================  ==================================================================================
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import marshal
import os
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex import notebooks
from qwex.events import is_type
from qwex.state import JobState, JobStatus, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.backend import Plan
    from qwex.spec import JobSpec

__all__ = [
    "BOOT",
    "RUNNER",
    "Zipapp",
    "describe",
    "ended",
    "exit_of",
    "lines",
    "outcome",
    "runner_argv",
    "stop",
    "write",
    "write_description",
    "zipapp",
]

#: The runner's package folder; it is also importable alone, under the name ``qwex_runner``.
RUNNER = Path(__file__).parent / "runner"

#: What comes with the runner stands after whatever the image has.
_EXTRAS = "extras"
_MAIN = f"""import signal, sys
# As process 1 of a container it would never hear of a SIGTERM that comes before its handler; a blocked one waits.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
pyz = sys.path.pop(0)
sys.path.append(pyz + "/{_EXTRAS}")
sys.path.insert(0, pyz)
from qwex_runner import main
sys.path.remove(pyz)
sys.exit(main())
"""

#: Loads the runner from its folder into any interpreter, with or without qwex installed there.
BOOT = (
    "import sys,importlib.util as u;"
    "s=u.spec_from_file_location('qwex_runner',sys.argv[1]+'/__init__.py',submodule_search_locations=[sys.argv[1]]);"
    "m=u.module_from_spec(s);sys.modules['qwex_runner']=m;s.loader.exec_module(m);"
    "sys.exit(m.main(sys.argv[2:]))"
)


def describe(plan: Plan, *, limits: dict[str, Any] | None = None) -> dict[str, Any]:
    """The contents of ``job.json``."""
    spec = plan.spec
    return {
        "version": 1,
        "run_id": plan.run_id,
        "attempt": plan.attempt,
        "source": _source(spec),
        "args": list(spec.args),
        "env": dict(spec.env),
        "environment": str(plan.environment) if plan.environment else None,
        "cwd": spec.cwd,
        "inputs": {name: value.model_dump() for name, value in spec.inputs.items()},
        "blobs": dict(plan.blobs),
        "outputs": list(spec.outputs),
        "limits": {"timeout": spec.timeout, "grace": spec.grace, **(limits or {})},
        **({"later": str(plan.later)} if plan.later else {}),
        **({"startup": [str(path) for path in plan.startup]} if plan.startup else {}),
        **({"parcel": list(plan.parcel)} if plan.parcel else {}),
    }


def _source(spec: JobSpec) -> dict[str, Any]:
    """A notebook's cells instead of its text: what stands around them is not run."""
    source = spec.source.model_dump()
    if spec.source.kind != "notebook":
        return source
    notebook = notebooks.with_parameters(notebooks.parsed(spec.source.text), spec.parameters)
    return {**source, "text": "", "cells": notebooks.cells(notebook)}


def write(plan: Plan, folder: Path, *, limits: dict[str, Any] | None = None, bell: bool = False) -> None:
    """Make ``folder`` (0700) ready for the runner. Input values that are blobs are read where they lie."""
    write_description(describe(plan, limits=limits), folder, bell=bell)


def write_description(description: dict[str, Any], folder: Path, *, bell: bool = False) -> None:
    """``write``, for a backend that kept what ``describe`` said.

    Raises:
        FileExistsError: the folder is there already.
    """
    folder.mkdir(parents=True, mode=0o700)
    data = json.dumps(description).encode()
    fd = os.open(folder / "job.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    if bell:
        os.mkfifo(folder / "bell", 0o600)


class Zipapp(NamedTuple):
    """The runner as one file; ``version`` is the same for the same sources, packed by the same Python."""

    data: bytes
    version: str


@cache
def zipapp() -> Zipapp:
    """The runner as one file that any Python from 3.9 on runs.

    Images need not have cloudpickle: this one's comes along, for those that have none. Beside each source lies what
    this Python makes of it: one of the same version starts in half the time, and others read the source.
    """
    import cloudpickle

    files = {f"qwex_runner/{path.relative_to(RUNNER)}": path.read_bytes() for path in RUNNER.rglob("*.py")}
    pickler = Path(cloudpickle.__file__).parent
    files |= {f"{_EXTRAS}/cloudpickle/{path.name}": path.read_bytes() for path in pickler.glob("*.py")}
    version = hashlib.sha256(importlib.util.MAGIC_NUMBER + _MAIN.encode())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for name in sorted(files):
            version.update(name.encode() + files[name])
            _add(archive, name, files[name])
            _add(archive, f"{name}c", _compiled(files[name], name))
    return Zipapp(packed.getvalue(), version.hexdigest())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def _compiled(source: bytes, name: str) -> bytes:
    """A module as a ``.pyc`` that is never compared with its source (PEP 552)."""
    unchecked = 0b01
    head = importlib.util.MAGIC_NUMBER + unchecked.to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(compile(source, f"<qwex>/{name}", "exec", dont_inherit=True))


def runner_argv(folder: Path, python: str | None = None) -> list[str]:
    """The command that runs the attempt in ``folder`` and ends with its exit code."""
    return [python or sys.executable, "-c", BOOT, str(RUNNER), "run", str(folder)]


def stop(folder: Path, reason: str, message: str) -> None:
    """Leave word why the attempt is to end; send the runner SIGTERM after it."""
    # Whole or absent, since the runner may read it while a second cancel writes it again.
    part = folder / f".stop-{os.getpid()}"
    part.write_text(json.dumps({"reason": reason, "message": message}), encoding="utf-8")
    part.replace(folder / "stop")


def lines(folder: Path, offset: int, size: int = 1 << 20) -> list[bytes]:
    """Whole lines of ``events.jsonl`` from byte ``offset`` on, about ``size`` bytes of them; empty when that is all."""
    try:
        with (folder / "events.jsonl").open("rb") as file:
            file.seek(offset)
            return [line for line in file.readlines(size) if line.endswith(b"\n")]
    except FileNotFoundError:
        return []


def outcome(folder: Path) -> JobStatus | None:
    """How the attempt ended, from its ``exit`` record; None as long as there is none."""
    try:
        size = (folder / "events.jsonl").stat().st_size
    except FileNotFoundError:
        return None
    tail = lines(folder, max(size - _EXIT_BYTES, 0), _EXIT_BYTES)
    exit = exit_of(tail[-1]) if tail else None
    return ended(exit, exit["attempt"]) if exit else None


def exit_of(line: bytes) -> dict[str, Any] | None:
    """The ``exit`` record that a line is; None of any other, also of what a job has written into its log itself."""
    if not is_type(line, "exit"):
        return None
    try:
        exit: dict[str, Any] = {"attempt": 1, "code": None, "reason": "", "message": "", **json.loads(line)}
    except (ValueError, TypeError):
        return None
    kinds = {"attempt": int, "code": (int, type(None)), "reason": str, "message": str}
    return exit if all(isinstance(exit[name], kind) for name, kind in kinds.items()) else None  # type: ignore[arg-type]


def ended(exit: Mapping[str, Any], attempt: int) -> JobStatus:
    """What an ``exit`` record says of the attempt."""
    state = _STATES.get(exit["reason"], JobState.FAILED)
    return JobStatus(state, exit["reason"], exit["message"], exit["code"], attempt)


#: More than an ``exit`` record is long.
_EXIT_BYTES = 64 * 1024
#: Reasons that are not failures. A preempted attempt is over, and its job goes back to the queue.
_STATES = {
    Reason.NONE.value: JobState.SUCCEEDED,
    Reason.CANCELLED_BY_USER.value: JobState.CANCELLED,
    Reason.PREEMPTED.value: JobState.QUEUED,
}
