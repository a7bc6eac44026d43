"""The user's own controller: where it listens, and how the first client that finds none starts it.

One daemon per home, whoever races: starters queue on ``start.lock`` and look again once they hold it, and the daemon
itself holds ``controller.lock`` for life. A socket that another user owns is refused, never spoken to.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qwex.client.address import Address
from qwex.config import own_folder
from qwex.errors import ConfigError, ControllerUnavailable, NotAuthorized

if TYPE_CHECKING:
    import io
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["address", "answers", "end", "ensure"]

#: Unix socket paths are limited to 104 bytes on macOS, 108 on Linux.
_LONGEST_PATH = 100
_START_SECONDS = 60.0
_END_SECONDS = 10.0
#: A daemon that finds the lock held ends with this code.
_HELD = 3
#: Seconds before starting again while an ending daemon still holds the lock.
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
_LOGS = "qwex controller logs"
#: Daemons this process started, kept so that one that ended is reaped.
_children: list[subprocess.Popen[bytes]] = []


def address(folder: Path) -> Address | None:
    """Where the daemon of ``folder`` listens, or None when there is no socket.

    Raises:
        NotAuthorized: the socket belongs to another user.
    """
    path = str(folder / "controller.sock")
    if len(os.fsencode(path)) > _LONGEST_PATH:
        try:
            path = (folder / "controller.addr").read_text().strip()
        except FileNotFoundError:
            return None
    try:
        owner = os.stat(path).st_uid
    except FileNotFoundError:
        return None
    if owner != os.getuid():
        raise NotAuthorized(
            f"the controller's socket {path} belongs to {_user(owner)}, not to you. "
            "Use a folder of your own: set QWEX_HOME."
        )
    return Address(path)


def ensure(folder: Path) -> None:
    """Return once a daemon answers on the socket of ``folder``; start it if there is none.

    Raises:
        ControllerUnavailable: it could not be started; the message says why.
    """
    with _start_lock(folder):
        for pause in _PAUSES:
            if answers(folder) or _start(folder):
                return
            time.sleep(pause)
    held = f"a controller holds {folder / 'controller.lock'} but does not answer"
    raise ControllerUnavailable(f"{held}. See {folder / 'controller.log'}.", command=_LOGS)


def end(folder: Path, pid: int) -> None:
    """Ask the daemon ``pid`` to end and wait until it has; by force when it takes too long. Jobs go on."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if _released(folder / "controller.lock"):
            return


def answers(folder: Path) -> bool:
    """Whether a daemon listens on the socket of ``folder`` now.

    Raises:
        NotAuthorized: the socket belongs to another user.
    """
    import socket

    found = address(folder)
    if found is None:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(found.path)
        except OSError:
            return False
    return True


def _start(folder: Path) -> bool:
    """Start a daemon; False when another one holds the lock."""
    read, write = os.pipe()
    try:
        child = _spawn(folder, write)
    finally:
        os.close(write)
    _children[:] = [child, *(other for other in _children if other.poll() is None)]
    with open(read, "rb", buffering=0) as pipe:
        said = _first_line(pipe)
    if said == "ready":
        return True
    if not said and (child.wait() == _HELD or child.returncode < 0):
        return False  # another holds the lock, or somebody killed it while it started: look again
    raise ControllerUnavailable(_failure(folder, said), command=_LOGS)


def _spawn(folder: Path, ready: int) -> subprocess.Popen[bytes]:
    import subprocess

    with open(folder / "controller.log", "ab") as log:
        return subprocess.Popen(
            _command(folder, ready),
            cwd=folder,
            env={"QWEX_WARM": "ipython" if "IPython" in sys.modules else "plain", **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[ready],
            start_new_session=True,
        )


def _command(folder: Path, ready: int) -> list[str]:
    return [sys.executable, "-m", "qwex.controller.daemon", "--home", str(folder), "--ready-fd", str(ready)]


def _first_line(pipe: io.FileIO) -> str:
    """What the daemon says of its start; empty when it ended without a word.

    Raises:
        ControllerUnavailable: it took too long.
    """
    import select

    said = b""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    deadline = time.monotonic() + _START_SECONDS
    while b"\n" not in said:
        if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
            raise ControllerUnavailable(f"your controller was not ready after {_START_SECONDS:g} s", command=_LOGS)
        data = pipe.read(4096)
        if not data:
            break
        said += data
    return said.decode("utf-8", "replace").strip()


def _failure(folder: Path, said: str) -> str:
    log = folder / "controller.log"
    why = said.removeprefix("error:").strip()
    if not why:
        lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
        why = lines[-1] if lines else "it ended without a word"
    return f"your controller could not be started: {why} (log: {log})"


@contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    own_folder(folder)
    try:
        fd = os.open(folder / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be used: {error.strerror}. Set QWEX_HOME to another.") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _released(lock: Path) -> bool:
    """Whether nobody holds ``lock`` any more, within a bounded time."""
    deadline = time.monotonic() + _END_SECONDS
    with open(lock, "ab") as file:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
            else:
                return True
    return False


def _user(uid: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
