"""What runs in the machine: the kernel, and a process that keeps it and outlives every connection to it.

The kernel listens on Unix sockets in a folder of the user's alone, so that no port is open and no two are the same.
Its folder has also the socket ``way``, to which each connection from outside is handed over.

It runs where qwex is not installed: the standard library alone, from Python 3.8 on.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from selectors import EVENT_READ
from typing import Any

from qwex_kernel.link import CLOSE, END, HELLO, OPEN, SIGNAL, Frame, Link, Loop, Streams

__all__ = ["main"]

#: Seconds: for the kernel to listen, to be told of who started it, without anybody until it ends, to end when asked,
#: for its last words, and for somebody to come and hear that it has ended.
_START, _FIRST, _ALONE, _GRACE, _LAST, _TOLD = 120.0, 60.0, 7 * 86400.0, 2.0, 1.0, 600.0
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
#: Longest name of a folder in which sockets can be, and how much of the log is shown.
_LONGEST, _TAIL = 80, 4000
#: What a machine that stops tells its processes.
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def main(head: dict[str, Any]) -> None:
    """Do what a connection is for: start a kernel and join it, join one that runs, or end it."""
    folder = head.get("folder") or _start(head)
    if folder:
        _join(folder, head)


def _start(head: dict[str, Any]) -> str | None:
    """The folder of a new kernel, whose keeper waits there; None where there can be none, which is said."""
    if find_spec("ipykernel") is None:
        _say({"missing": "ipykernel", "python": sys.executable})
        return None
    folder = tempfile.mkdtemp(prefix="qwex-kernel-")
    if len(folder) > _LONGEST:
        os.rmdir(folder)
        folder = tempfile.mkdtemp(prefix="qwex-kernel-", dir="/tmp")
    file = os.path.join(folder, "connection.json")
    ports = {name: number for number, name in enumerate(_PORTS, 1)}
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump({**head["connection"], **ports, "transport": "ipc", "ip": os.path.join(folder, "s")}, opened)
    way = socket.socket(socket.AF_UNIX)
    way.bind(os.path.join(folder, "way"))
    way.listen()
    if os.fork() == 0:
        try:
            _leave(folder)
            Keeper(folder, way).run()
        finally:
            os._exit(0)
    way.close()
    return folder


def _leave(folder: str) -> None:
    """Have nothing to do with the connection that this process was started from."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd, target in enumerate((nothing, log, log)):
        os.dup2(target, fd)
    os.close(nothing)
    os.close(log)


def _join(folder: str, head: dict[str, Any]) -> None:
    """Hand this connection over to the kernel's keeper, and stay until that is done with it."""
    with socket.socket(socket.AF_UNIX) as way:
        try:
            way.connect(os.path.join(folder, "way"))
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            _say({"gone": True})
            return
        asked = json.dumps({"end": head.get("end", False), "received": head.get("received", 0)}).encode()
        way.sendmsg([asked], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))])
        way.recv(1)


def _say(answer: dict[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


class Keeper:
    """Keeps one kernel, and carries what goes between its sockets and whoever is connected."""

    def __init__(self, folder: str, way: socket.socket) -> None:
        self._folder, self._way = folder, way
        self._loop = Loop()
        self._link = Link(self._loop, self._hear, self._cut)
        self._streams = Streams(self._loop, self._link)
        #: The connection of the process whose descriptors are in use; its end lets that process end.
        self._guest: socket.socket | None = None
        self._since = time.monotonic()
        self._asked_to_end: float | None = None
        self._ended_at: float | None = None
        #: What the link calls the last that was said: how the kernel ended.
        self._last: int | None = None

    def run(self) -> None:
        """Until the kernel has ended, and somebody knows, or this process is told to end."""
        for number in _ENDING:
            signal.signal(number, _told_to_end)
        try:
            self._kernel = self._started()
            try:
                self._carry()
            finally:
                # Before the kernel ends, since who stops a machine waits little; what that still writes goes after it.
                shutil.rmtree(self._folder, ignore_errors=True)
                self._have_ended()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _carry(self) -> None:
        self._ended, ended = os.pipe()
        threading.Thread(target=self._await_end, args=(ended,), daemon=True).start()
        self._listens()
        self._loop.watch(self._ended, EVENT_READ, self._has_ended)
        self._loop.watch(self._way, EVENT_READ, self._visited)
        while not self._over():
            if not self._loop.once(0.1 if self._ended_at or self._asked_to_end else 1.0):
                self._link.acknowledge()
            self._look()

    def _have_ended(self) -> None:
        """The kernel goes before this process does, willing or not."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._kernel.wait(_LAST)
        self._signal(signal.SIGKILL)

    def _started(self) -> subprocess.Popen[bytes]:
        file = os.path.join(self._folder, "connection.json")
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", file]
        # ipykernel ends with the process of this id.
        env = {**os.environ, "JPY_PARENT_PID": str(os.getpid())}
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env, start_new_session=True)

    def _await_end(self, ended: int) -> None:
        self._kernel.wait()
        os.write(ended, b".")

    def _listens(self) -> None:
        """Return when the kernel listens everywhere, or never will."""
        sockets = [os.path.join(self._folder, f"s-{number}") for number in range(1, len(_PORTS) + 1)]
        latest = time.monotonic() + _START
        while not all(map(os.path.exists, sockets)) and self._kernel.poll() is None:
            if time.monotonic() > latest:
                self._signal(signal.SIGKILL)
            time.sleep(0.01)

    def _visited(self, _: int) -> None:
        guest, _address = self._way.accept()
        descriptors = array.array("i")
        asked, more, _flags, _from = guest.recvmsg(1 << 16, socket.CMSG_LEN(2 * descriptors.itemsize))
        for level, kind, data in more:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data)
        if len(descriptors) != 2:
            guest.close()
            return
        head = json.loads(asked)
        if head["end"]:
            self._end()
        self._leave_guest()
        self._guest, self._since = guest, time.monotonic()
        read, write = descriptors
        self._link.connect(read, write, head["received"], json.dumps(self._answer()).encode() + b"\n")

    def _answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"folder": self._folder, "received": self._link.received, "python": sys.executable}
        # One that has never been heard has ended while it started.
        if self._kernel.poll() is not None and not self._link.received:
            with open(os.path.join(self._folder, "log"), "rb") as log:
                log.seek(max(os.fstat(log.fileno()).st_size - _TAIL, 0))
                answer["failed"] = log.read().decode(errors="replace")
        return answer

    def _leave_guest(self) -> None:
        self._link.disconnect()
        if self._guest:
            self._guest.close()
            self._guest = None

    def _cut(self) -> None:
        self._leave_guest()
        self._since = time.monotonic()

    def _hear(self, frame: Frame) -> None:
        if frame.kind == OPEN:
            self._open(frame)
        elif frame.kind == SIGNAL:
            self._signal(frame.number)
        elif frame.kind == END:
            self._end()
        elif frame.kind != HELLO:
            self._streams.hear(frame)

    def _open(self, frame: Frame) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(os.path.join(self._folder, f"s-{_PORTS.index(frame.data.decode()) + 1}"))
        except OSError:
            connection.close()
            self._link.say(CLOSE, frame.number)
        else:
            self._streams.add(frame.number, connection)

    def _signal(self, number: int) -> None:
        """The kernel and what it has started get it, as with a kernel on the same machine."""
        if self._kernel.returncode is None:
            with contextlib.suppress(OSError):
                os.killpg(self._kernel.pid, number)

    def _end(self) -> None:
        if self._asked_to_end is None:
            self._asked_to_end = time.monotonic()
            self._signal(signal.SIGTERM)

    def _has_ended(self, _: int) -> None:
        self._loop.watch(self._ended, 0, self._has_ended)
        self._ended_at = time.monotonic()

    def _look(self) -> None:
        """What is due by the clock."""
        now = time.monotonic()
        if self._asked_to_end and now - self._asked_to_end > _GRACE:
            self._signal(signal.SIGKILL)
        if not self._guest and now - self._since > (_ALONE if self._link.received else _FIRST):
            self._end()
        # Its last words first; a process that it has left may hold its sockets open.
        if self._ended_at and self._last is None and (not self._streams or now - self._ended_at > _LAST):
            self._last = self._link.say(END, self._kernel.returncode)

    def _over(self) -> bool:
        if self._last is None or self._ended_at is None:
            return False
        # Nobody waits for what is said after that, such as the ends of sockets that were still open.
        known = self._link.has_heard(self._last)
        unheard = not self._guest and not self._link.received
        patience = _LAST if self._asked_to_end else _TOLD
        return known or unheard or time.monotonic() - self._ended_at > patience + _LAST


def _told_to_end(_number: int, _frame: Any) -> None:
    """End as by an exception, and once: a second signal would cut short what is removed."""
    for number in _ENDING:
        signal.signal(number, lambda *_: None)
    raise SystemExit
