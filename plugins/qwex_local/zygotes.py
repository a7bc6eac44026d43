"""Preloaded interpreters that fork a process per job; one per Python, flavour and start-up variables.

A zygote outlives the controller: the next one finds it at the same socket. When one cannot be started (no fork, a
broken IPython), jobs are started as plain processes instead.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qwex
from qwex import jobfolder
from qwex_local import process
from qwex_local.request import Interpreter, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from qwex_local.attempt import Attempt

__all__ = ["Zygote", "Zygotes"]

log = logging.getLogger(__name__)

#: Seconds a zygote may take to load, and to answer.
_LOAD, _ANSWER = 60.0, 10.0
#: Seconds an idle zygote has to end when it is left.
_END = 2.0
#: Seconds after which a zygote that could not be started is tried again.
_RETRY = 60.0
#: Zygotes without jobs that are kept for what comes next.
_IDLE = 4
#: A Unix socket's path is limited to about 104 bytes, less what macOS takes.
_LONGEST = 100


class ZygoteFailed(Exception):
    """It did not come up."""


class Zygote(asyncio.Protocol):
    """The connection to one zygote: newline-delimited JSON both ways."""

    def __init__(self, on_lost: Callable[[Zygote, bool], None]) -> None:
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._attempts: dict[str, Attempt] = {}
        self._unanswered: set[str] = set()
        self._deadline: asyncio.TimerHandle | None = None
        self._rest = b""
        self._closing = self._hangs = False
        self._gone = asyncio.get_running_loop().create_future()

    @property
    def idle(self) -> bool:
        """Whether it has no job of ours."""
        return not self._attempts

    def start(self, attempt: Attempt) -> None:
        """Fork a process for the attempt; the attempt hears of it, whatever happens."""
        assert self._transport is not None
        folder = str(attempt.folder)
        self._attempts[folder] = attempt
        self._unanswered.add(folder)
        self._watch_answers()
        self._transport.write(json.dumps({"op": "start", "folder": folder}).encode() + b"\n")

    async def leave(self) -> None:
        """Have it end once it has no job; wait for that only if it has none."""
        self._closing = True
        self._watch_answers(stop=True)
        if self._transport:
            self._transport.write(b'{"op":"end"}\n')
            await asyncio.wait([self._gone], timeout=_END if self.idle else 0)
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def connection_lost(self, _: Exception | None) -> None:
        """asyncio's. Jobs that the zygote forked go on without it; those it did not get to start elsewhere."""
        self._watch_answers(stop=True)
        if not self._gone.done():
            self._gone.set_result(None)
        if self._closing:
            return
        self._on_lost(self, self._hangs)
        for attempt in list(self._attempts.values()):
            attempt.adopt()

    def _take(self, message: dict[str, Any]) -> None:
        folder = message.get("folder", "")
        attempt = self._attempts.get(folder)
        if attempt is None:
            return
        if message["event"] == "started":
            self._unanswered.discard(folder)
            self._watch_answers()
            attempt.started(process.Identity(message["pid"], message["start_time"]))
        elif message["event"] == "exited":
            self._unanswered.discard(folder)
            del self._attempts[folder]
            attempt.process_ended()

    def _watch_answers(self, *, stop: bool = False) -> None:
        """Have one deadline for the oldest start that was not answered."""
        if self._deadline and (stop or not self._unanswered):
            self._deadline.cancel()
            self._deadline = None
        elif self._unanswered and self._deadline is None and not stop:
            self._deadline = asyncio.get_running_loop().call_later(_ANSWER, self._give_up)

    def _give_up(self) -> None:
        self._hangs = True
        if self._transport:
            self._transport.abort()


class Zygotes:
    """All zygotes of one controller."""

    def __init__(self, folder: Path, linger: float) -> None:
        self._folder = folder
        self._linger = linger
        self._ready: dict[Interpreter, Zygote] = {}
        self._pending: dict[Interpreter, list[Attempt]] = {}
        self._failed: dict[Interpreter, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def launch(self, attempt: Attempt, interpreter: Interpreter) -> None:
        """Run the attempt; it hears of its start, its end, or of what kept it from starting."""
        zygote = self._ready.get(interpreter)
        if zygote:
            zygote.start(attempt)
        elif time.monotonic() < self._failed.get(interpreter, 0.0):
            _spawn(attempt, interpreter)
        else:
            self._open(interpreter).append(attempt)

    def warm(self, interpreter: Interpreter) -> None:
        """Load it before the first job asks for it."""
        if interpreter not in self._ready:
            self._open(interpreter)

    def withdraw(self, attempt: Attempt) -> bool:
        """Whether the attempt was still waiting for its zygote; it is forgotten then."""
        for attempts in self._pending.values():
            if attempt in attempts:
                attempts.remove(attempt)
                return True
        return False

    async def close(self) -> None:
        """Leave them all; jobs go on, and a zygote as long as it has some."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(zygote.leave() for zygote in self._ready.values()))

    def _open(self, interpreter: Interpreter) -> list[Attempt]:
        """Begin to load it, once; the attempts that wait for it."""
        if interpreter not in self._pending:
            self._pending[interpreter] = []
            self._run(self._load(interpreter))
        return self._pending[interpreter]

    async def _load(self, interpreter: Interpreter) -> None:
        start: Callable[[Attempt], None]
        try:
            zygote = self._ready[interpreter] = await self._connect(interpreter)
            start = zygote.start
        except Exception:
            # Whatever it is: the attempts that wait for it are started without, or hear why they cannot be.
            log.exception(
                "no zygote for %s (%s); jobs start as plain processes", interpreter.python, interpreter.flavour
            )
            self._failed[interpreter] = time.monotonic() + _RETRY
            start = lambda attempt: _spawn(attempt, interpreter)  # noqa: E731
        for attempt in self._pending.pop(interpreter):
            start(attempt)
        self._thin_out()

    async def _connect(self, interpreter: Interpreter) -> Zygote:
        """The zygote at the interpreter's socket: one that an earlier controller left, else a new one."""
        socket = self._socket(interpreter)

        def lost(_: Zygote, hangs: bool) -> None:
            self._ready.pop(interpreter, None)
            if hangs:  # without its socket it ends once it comes round
                socket.unlink(missing_ok=True)

        loop = asyncio.get_running_loop()
        try:
            _, zygote = await loop.create_unix_connection(lambda: Zygote(lost), str(socket))
        except (FileNotFoundError, ConnectionRefusedError):
            socket.unlink(missing_ok=True)
            await _start(interpreter, socket, self._linger)
            _, zygote = await loop.create_unix_connection(lambda: Zygote(lost), str(socket))
        return zygote

    def _thin_out(self) -> None:
        idle = [interpreter for interpreter, zygote in self._ready.items() if zygote.idle]
        for interpreter in idle[:-_IDLE]:
            self._run(self._ready.pop(interpreter).leave())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _socket(self, interpreter: Interpreter) -> Path:
        """Its path holds what must be equal: another Python or another runner has another socket."""
        seen = (*interpreter, _stamp(interpreter.python), qwex.__version__, _stamp(str(jobfolder.RUNNER)))
        name = hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
        folder = self._folder
        if len(os.fsencode(folder)) + len(name) + 1 > _LONGEST:
            place = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
            folder = Path(tempfile.gettempdir()) / f"qwex-{os.getuid()}-{place}"
        return _private(folder) / name


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(1, "the folder of the zygotes' sockets is open to others", str(folder))
    return folder


async def _start(interpreter: Interpreter, socket: Path, linger: float) -> None:
    """Start a zygote and wait until it listens."""
    words = ["zygote", "--socket", str(socket), "--flavour", interpreter.flavour, "--linger", str(linger)]
    argv = [interpreter.python, "-c", jobfolder.BOOT, str(jobfolder.RUNNER), *words]
    with open(socket.with_suffix(".log"), "wb") as log:  # noqa: ASYNC230 - the disk is local
        popen = _popen(argv, interpreter, stdout=subprocess.PIPE, stderr=log)
    try:
        line = await asyncio.wait_for(_first_line(popen.stdout), _LOAD)
    except BaseException:
        popen.kill()
        raise
    finally:
        _reap(popen, lambda: None)
    if line != b"ready\n":
        raise ZygoteFailed(interpreter)


async def _first_line(stream: Any) -> bytes:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, stream)
    try:
        return await reader.readline()
    finally:
        transport.close()


def _spawn(attempt: Attempt, interpreter: Interpreter) -> None:
    """Run the attempt in a process of its own, without a zygote."""
    log = attempt.folder / "runner.log"
    argv = jobfolder.runner_argv(attempt.folder, interpreter.python)
    try:
        with open(log, "wb") as errors:
            popen = _popen(argv, interpreter, stdout=subprocess.DEVNULL, stderr=errors)
    except (OSError, ValueError) as error:
        attempt.process_ended(f"cannot run the Python {interpreter.python}: {getattr(error, 'strerror', error)}")
        return
    attempt.started(process.identify(popen.pid))

    def ended() -> None:
        said = log.read_text(errors="replace").strip().rpartition("\n")[2]
        attempt.process_ended(f"the Python {interpreter.python} ended before the job began. {said}".strip())

    _reap(popen, ended)


def _popen(argv: list[str], interpreter: Interpreter, **streams: Any) -> subprocess.Popen[bytes]:
    own = variables(os.environ)
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment.update(interpreter.variables)
    return subprocess.Popen(argv, env=environment, cwd="/", stdin=subprocess.DEVNULL, start_new_session=True, **streams)


def _reap(popen: subprocess.Popen[bytes], then: Callable[[], None]) -> None:
    """Wait for a child without a poll, on a thread that does not keep this process alive; then call back here."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        popen.wait()
        try:
            loop.call_soon_threadsafe(then)
        except RuntimeError:  # the loop is closed; nobody asks any more
            return

    threading.Thread(target=wait, name=f"wait-{popen.pid}", daemon=True).start()
