"""A whole qwex backend in one file: every job is a process of its own on this machine, started at once, no queue.

Copy it, rename it, and put your scheduler where ``subprocess.Popen`` stands. Under the backend's folder lie

    <run_id>/<attempt>/        the job folder, see qwex.jobfolder
    <run_id>/<attempt>.lock    the runner's pid; locked by the runner for as long as it lives

and nothing is kept in memory that these files do not say, so a new instance finds every job again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import Field

from qwex import hookimpl, jobfolder
from qwex.backend import Backend, BackendContext, BackendOptions, BackendUnavailable, Capability, InvalidSpec, Plan
from qwex.errors import NotFound
from qwex.quantities import parse_cpu
from qwex.spec import validated
from qwex.state import JobState, JobStatus, Position

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from qwex.hookspecs import Register

CANCELLED = ("CancelledByUser", "cancelled by its user")


@dataclass(frozen=True)
class Request:
    """What ``--dry-run`` prints and ``submit`` starts."""

    argv: tuple[str, ...]
    folder: Path
    plan: Plan


class ExampleBackend(Backend[Request]):
    """Jobs as processes."""

    name = "example"
    capabilities = frozenset({Capability.TIMEOUT, Capability.VALUES, Capability.INHERITS_ENVIRONMENT})
    poll = (0.05, 2.0)

    class Options(BackendOptions):
        """``--option nice=10``."""

        nice: int = Field(0, ge=0, le=19, description="how far the job steps back for others on this machine")

    def __init__(self, context: BackendContext) -> None:
        super().__init__(context)
        self._children: list[subprocess.Popen[bytes]] = []

    def render(self, plan: Plan) -> Request:
        """Refuse what can never run here; else say what would be started where."""
        spec, cores = plan.spec, os.cpu_count() or 1
        if spec.queue:
            raise InvalidSpec.of("queue", f"the example backend has no queues; leave out {spec.queue!r}")
        if spec.resources.gpu:
            raise InvalidSpec.of("resources.gpu", "the example backend has no GPUs")
        if parse_cpu(spec.resources.cpu) > cores:
            raise InvalidSpec.of("resources.cpu", f"{spec.resources.cpu} cores are more than this machine's {cores}")
        options = validated(self.Options, **spec.backend_options)
        folder = self.context.folder / plan.run_id / str(plan.attempt)
        prefix = ("nice", "-n", str(options.nice)) if options.nice else ()
        return Request((*prefix, *jobfolder.runner_argv(folder, spec.runtime.python)), folder, plan)

    async def submit(self, request: Request) -> str:
        """Start the runner, once: a locked or filled lock file says that the attempt was submitted before."""
        try:
            request.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _lock(request.folder).open("a+b") as lock:
                if _take(lock, fcntl.LOCK_EX) and lock.tell() == 0:
                    self._start(request, lock)
        except OSError as error:
            raise BackendUnavailable(f"cannot start {request.plan.run_id}: {error}") from error
        self.adopt(request.plan.run_id)
        return request.plan.run_id

    def _start(self, request: Request, lock: BinaryIO) -> None:
        shutil.rmtree(request.folder, ignore_errors=True)  # left by an instance that did not get further
        jobfolder.write(request.plan, request.folder)
        # Not asyncio's subprocesses: those are killed with their event loop, and a job outlives its controller.
        quiet: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        child = subprocess.Popen(request.argv, start_new_session=True, pass_fds=[lock.fileno()], **quiet)
        self._children.append(child)  # asked in status(), so that no zombie stays
        lock.write(b"%d" % child.pid)

    async def cancel(self, native_id: str) -> None:
        """Tell the runner why, then send it SIGTERM; it sees to the grace and the force."""
        for folder in self._attempts(native_id)[-1:]:
            if not _status(folder).state.terminal:
                jobfolder.stop(folder, *CANCELLED)
                with contextlib.suppress(ProcessLookupError):  # it ended just now
                    os.kill(int(_lock(folder).read_bytes()), signal.SIGTERM)

    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        """Read from the files; a job that has none is unknown."""
        self._children = [child for child in self._children if child.poll() is None]
        found = {native_id: self._attempts(native_id) for native_id in native_ids}
        return {native_id: _status(attempts[-1]) for native_id, attempts in found.items() if attempts}

    async def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        """One attempt after the other."""
        for folder in self._attempts(native_id):
            skip = after.seq if int(folder.name) == after.attempt else 0
            if int(folder.name) >= after.attempt:
                async for chunk in self._follow(folder, skip):
                    yield chunk

    async def _follow(self, folder: Path, skip: int) -> AsyncIterator[bytes]:
        offset = 0
        while True:
            ended = _status(folder).state.terminal  # asked before reading, so that what is read then is all
            while lines := jobfolder.lines(folder, offset):
                offset += sum(map(len, lines))
                skip, lines = max(skip - len(lines), 0), lines[skip:]  # a record's seq is its line number
                if lines:
                    yield b"".join(lines)
            if ended:
                return
            await asyncio.sleep(self.poll[0])

    async def value(self, native_id: str, attempt: int, name: str) -> AsyncIterator[bytes]:
        """The file that the runner wrote."""
        path = self.context.folder / native_id / str(attempt) / "values" / name
        if not name.isidentifier() or not path.is_file():
            raise NotFound(f"{native_id} has no value {name!r}")
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk

    async def forget(self, native_id: str) -> None:
        """Remove the files."""
        shutil.rmtree(self.context.folder / native_id, ignore_errors=True)

    def _attempts(self, native_id: str) -> list[Path]:
        """Folders of the attempts that were started, in order."""
        locks = [path for path in (self.context.folder / native_id).glob("*.lock") if path.stat().st_size]
        return sorted((path.with_suffix("") for path in locks), key=lambda folder: int(folder.name))


def _lock(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _take(lock: BinaryIO, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _status(folder: Path) -> JobStatus:
    """What the files say; how it ended is in the runner's last record, once that is there."""
    attempt = int(folder.name)
    with _lock(folder).open("rb") as lock:
        alive = not _take(lock, fcntl.LOCK_SH)
    if ended := jobfolder.outcome(folder):
        return ended
    if alive:
        begun = (folder / "events.jsonl").exists()
        return JobStatus(JobState.RUNNING if begun else JobState.ADMITTED, attempt=attempt)
    if (folder / "stop").exists():
        return JobStatus(JobState.CANCELLED, *CANCELLED, attempt=attempt)
    return JobStatus(JobState.FAILED, "Lost", "its process vanished without a word", attempt=attempt)


@hookimpl
def qwex_register_backends(register: Register[Backend[Any]]) -> None:
    """Found through the entry point in pyproject.toml."""
    register(ExampleBackend)
