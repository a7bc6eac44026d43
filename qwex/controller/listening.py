"""The home of a controller: its lock, its socket, and the files that say where it is."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import qwex
from qwex.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["AlreadyRunning", "announce", "lock", "tcp_socket", "unix_socket"]

#: Unix socket paths are limited to 104 bytes on macOS, 108 on Linux.
_LONGEST_PATH = 100


class AlreadyRunning(Exception):
    """Another controller holds this home."""


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for life.

    Raises:
        AlreadyRunning: another process does.
        ConfigError: the folder cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / "controller.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be used: {error.strerror}. Set QWEX_HOME to another.") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise AlreadyRunning(f"another controller runs in {folder}") from None
    finally:
        os.close(fd)


def unix_socket(folder: Path) -> socket.socket:
    """Bound to ``controller.sock`` in ``folder`` (0600), or to a short path that ``controller.addr`` names.

    Call it with the lock held: a socket that lies there is a dead controller's.
    """
    path = folder / "controller.sock"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        path = _short_path(folder)
        (folder / "controller.addr").write_text(f"{path}\n")
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        bound.bind(str(path))
    finally:
        os.umask(before)
    return bound


def tcp_socket(host: str, port: int) -> socket.socket:
    """Bound to ``host`` and ``port``.

    Raises:
        ConfigError: it cannot be; the message says why.
    """
    if not 0 <= port < 1 << 16:
        raise ConfigError(f"there is no port {port}; ports go from 1 to 65535, 0 takes a free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return bound


def announce(folder: Path, bound: socket.socket) -> None:
    """Write ``controller.json``."""
    said = {
        "pid": os.getpid(),
        "start_time": _start_time(),
        "socket": bound.getsockname(),
        "version": qwex.__version__,
        "python": sys.executable,
    }
    part = folder / "controller.json.part"
    part.write_text(json.dumps(said) + "\n")
    part.replace(folder / "controller.json")


def _short_path(folder: Path) -> Path:
    private = Path(tempfile.gettempdir()) / f"qwex-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid():
        raise ConfigError(f"{private} belongs to another user. Set QWEX_HOME to a folder with a shorter path.")
    private.chmod(0o700)
    return private / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.sock"


def _start_time() -> int:
    """With the pid, this process's identity: on Linux in clock ticks since boot, else in seconds."""
    try:
        return int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    except OSError:
        return int(time.time())
