"""The zygote: loads the runner, and IPython, once; then each job costs no start of an interpreter, and no fork.

A server on a Unix socket (0600), one thread. Messages are lines of JSON::

    {"op": "start", "folder": F}   → {"event": "started", "folder": F, "pid": …, "start_time": …}
    {"op": "list"}                 → {"event": "list", "jobs": [{"folder", "pid", "start_time"}], "version": 1}
    {"op": "end"}                    ends the zygote once no job is left

and to every connection, when a supervisor has ended, ``{"event": "exited", "folder", "pid", "status"}`` with its wait
status. What is not understood is answered by ``{"event": "error", "message": …}``.

One supervisor with its worker is forked ahead and waits for a folder. Jobs are in sessions of their own: the end of
the zygote, even by SIGKILL, is nothing to them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import time
import traceback

from . import processes
from .supervisor import Supervisor, occupy_standard_fds
from .wakeup import ENDING, catch, wakeup_pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:
    from .tuples import NamedTuple

__all__ = ["serve"]

VERSION = 1
#: Seconds between a start and the fork that replaces the spare: the job comes first.
_REFILL_AFTER = 0.01
#: Seconds between looks at the socket file while nobody is connected.
_LOOK_EVERY = 5.0
_NEVER = float("inf")


def serve(path: str, flavour: str, linger: float) -> int:
    """Listen on ``path`` until nobody needs this process any more."""
    occupy_standard_fds()
    with contextlib.suppress(PermissionError):
        os.setsid()
    _preload(flavour)
    listener = _listen(path)
    zygote = Zygote(listener, path, linger)
    os.write(1, b"ready\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)
    return zygote.serve()


def _preload(flavour: str) -> None:
    import asyncio  # noqa: F401
    import hashlib  # noqa: F401
    import pickle  # noqa: F401
    import subprocess  # noqa: F401
    import urllib.parse  # noqa: F401

    from . import tracebacks  # noqa: F401

    with contextlib.suppress(ImportError):
        import cloudpickle  # noqa: F401
    importlib.invalidate_caches()  # every job does; the first time it imports importlib.metadata, a hundredth second
    if flavour == "ipython":
        from . import shell

        shell.warm()
    gc.collect()
    gc.freeze()


def _listen(path: str) -> socket.socket:
    """Take the path over in one step from a zygote that may have it, which then sees that it is replaced."""
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    temporary = f"{path}.{os.getpid()}"
    try:
        listener.bind(temporary)
        os.replace(temporary, path)
    finally:
        os.umask(before)
    listener.listen(64)
    listener.setblocking(False)
    return listener


class Child(NamedTuple):
    """A supervisor that was forked here."""

    pid: int
    start_time: int | str


class Spare(NamedTuple):
    """A supervisor that waits for its folder."""

    child: Child
    line: socket.socket


class Zygote:
    """The server's state and its loop."""

    def __init__(self, listener: socket.socket, path: str, linger: float) -> None:
        self._listener: socket.socket | None = listener
        self._path = path
        self._inode = os.stat(path).st_ino
        self._linger = linger
        self._wakeup, self._wakeup_sender = wakeup_pair()
        self._connections: dict[socket.socket, bytes] = {}
        self._jobs: dict[int, tuple[Child, str]] = {}
        self._spare: Spare | None = None
        self._refill_at = time.monotonic()
        self._idle_since = time.monotonic()
        self._ending = False

    def serve(self) -> int:
        """Run until the end."""
        catch(self._wakeup_sender, signal.SIGCHLD, *ENDING)
        while not self._finished():
            self._step()
        self._stop_listening()
        if self._spare is not None:
            self._spare.line.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._spare.child.pid, 0)
        return 0

    def _finished(self) -> bool:
        if self._jobs:
            return False
        if self._ending or self._listener is None:
            return True
        return not self._connections and time.monotonic() - self._idle_since >= self._linger

    def _step(self) -> None:
        watched = [self._wakeup, *self._connections, *([self._listener] if self._listener else [])]
        ready = select.select(watched, [], [], self._patience())[0]
        if self._wakeup in ready:
            self._handle_signals(self._wakeup.recv(4096))
        if self._listener in ready:
            self._accept()
        for connection in ready:
            if connection in self._connections:
                self._receive(connection)
        if self._connections or self._jobs:
            self._idle_since = time.monotonic()
        if not self._connections and not self._owns_path():
            self._stop_listening()
        if time.monotonic() >= self._refill_at:
            self._refill()

    def _patience(self) -> float | None:
        """How long nothing may happen; for ever while somebody is connected and the spare is ready."""
        now = time.monotonic()
        waits = [self._refill_at - now]
        if not self._connections and self._listener is not None:
            waits += [_LOOK_EVERY] if self._jobs else [_LOOK_EVERY, self._idle_since + self._linger - now]
        wait = min(waits)
        return None if wait == _NEVER else max(0.0, wait)

    def _handle_signals(self, numbers: bytes) -> None:
        if any(number != signal.SIGCHLD for number in numbers):
            self._ending = True
        with contextlib.suppress(ChildProcessError):
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                self._reaped(*reaped)

    def _reaped(self, pid: int, status: int) -> None:
        if self._spare is not None and self._spare.child.pid == pid:
            self._spare.line.close()
            self._spare = None
            self._refill_at = time.monotonic() + 1  # killed by somebody; not at once again
        elif pid in self._jobs:
            _, folder = self._jobs.pop(pid)
            for connection in list(self._connections):
                self._send(connection, event="exited", folder=folder, pid=pid, status=status)

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(BlockingIOError, ConnectionError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._connections[connection] = b""

    def _receive(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        *lines, self._connections[connection] = (self._connections[connection] + data).split(b"\n")
        for line in lines:
            self._handle(connection, line)

    def _drop(self, connection: socket.socket) -> None:
        if self._connections.pop(connection, None) is not None:
            connection.close()

    def _handle(self, connection: socket.socket, line: bytes) -> None:
        try:
            message = json.loads(line)
            operation = message["op"]
            folder = message["folder"] if operation == "start" else ""
        except (ValueError, LookupError, TypeError) as error:
            self._send(connection, event="error", message=f"not a message: {error}")
            return
        if operation == "start":
            child = self._start(folder)
            self._send(connection, event="started", folder=folder, **child._asdict())
        elif operation == "list":
            jobs = [{"folder": folder, **child._asdict()} for child, folder in self._jobs.values()]
            self._send(connection, event="list", jobs=jobs, version=VERSION)
        elif operation == "end":
            self._ending = True
        else:
            self._send(connection, event="error", message=f"no such operation: {operation!r}")

    def _send(self, connection: socket.socket, **message: Any) -> None:
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:  # gone, or it does not read
            self._drop(connection)

    def _start(self, folder: str) -> Child:
        if self._spare is not None and os.waitpid(self._spare.child.pid, os.WNOHANG)[0]:
            self._spare.line.close()  # killed by somebody
            self._spare = None
        spare = self._spare or self._fork()
        self._spare = None
        try:
            spare.line.sendall(os.fsencode(folder))
        except OSError:  # killed just now
            spare.line.close()
            spare = self._fork()
            spare.line.sendall(os.fsencode(folder))
        spare.line.close()
        self._jobs[spare.child.pid] = (spare.child, folder)
        self._refill_at = min(self._refill_at, time.monotonic() + _REFILL_AFTER)
        return spare.child

    def _refill(self) -> None:
        self._refill_at = _NEVER
        if self._spare is None and not self._ending and self._listener is not None:
            self._spare = self._fork()

    def _fork(self) -> Spare:
        """Fork a supervisor, which never returns from here."""
        line, childs_line = socket.socketpair()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pid = os.fork()
        if not pid:
            try:
                line.close()
                self._let_go()
                os._exit(_supervise(childs_line))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(70)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        childs_line.close()
        return Spare(Child(pid, processes.start_time(pid)), line)

    def _let_go(self) -> None:
        """Close in the child what is the zygote's."""
        processes.reset_signals()
        for mine in (self._listener, self._wakeup, self._wakeup_sender, *self._connections):
            if mine is not None:
                mine.close()
        if self._spare is not None:
            self._spare.line.close()

    def _owns_path(self) -> bool:
        try:
            return os.stat(self._path).st_ino == self._inode
        except OSError:
            return False

    def _stop_listening(self) -> None:
        if self._listener is None:
            return
        if self._owns_path():
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self._listener.close()
        self._listener = None


def _supervise(line: socket.socket) -> int:
    """The life of a supervisor forked ahead."""
    os.setsid()
    supervisor = Supervisor(line.fileno())
    folder = line.recv(65536)
    line.close()
    return supervisor.run(os.fsdecode(folder)) if folder else supervisor.abandon()
