"""Plain shells of a machine, for a computer without an ssh server: what both ends of the socket say to each other.

Who wants one sends its three standard files along with one line of JSON, and gets, where it wants a terminal, the end
of a new one that the machine made for the shell; at last it gets one byte, the shell's exit code.

Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import termios
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Given", "ask", "asked", "resize", "tell_end"]

_LONGEST = 1 << 20
#: Has the shell's own session get the terminal: who opens one first in a session controls it.
_ON_TERMINAL = ("/bin/sh", "-c", 'terminal=$1; shift; exec "$@" < "$terminal" > "$terminal" 2>&1', "sh")


@dataclass(frozen=True)
class Given:
    """What a shell is begun with."""

    #: Words before those that begin the session.
    before: Sequence[str] = ()
    variables: dict[str, str] = field(default_factory=dict)
    #: Its standard files.
    files: dict[str, int] = field(default_factory=dict)


def ask(connection: socket.socket, command: str, size: tuple[int, int] | None) -> int | None:
    """Ask for a shell, or a command of it; the end of its terminal where there is to be one, of that size.

    Raises:
        OSError: the machine is gone.
    """
    wish = {"command": command, "size": size, "term": os.environ.get("TERM", "dumb")}
    socket.send_fds(connection, [json.dumps(wish).encode() + b"\n"], [0, 1, 2])
    if size is None:
        return None
    _, fds, _, _ = socket.recv_fds(connection, 1, 1)
    if not fds:
        raise ConnectionError("the machine made no terminal")
    return fds[0]


@contextlib.contextmanager
def asked(connection: socket.socket) -> Iterator[Given]:
    """What the other end asks for; its files are closed here afterwards.

    Raises:
        OSError: it does not say.
        ValueError: it says nothing of the kind.
    """
    said, fds, _, _ = socket.recv_fds(connection, _LONGEST, 3)
    try:
        while not said.endswith(b"\n"):
            if not (more := connection.recv(_LONGEST)):
                raise ConnectionError("it has gone")
            said += more
        wish: dict[str, Any] = json.loads(said)
        variables = {"SSH_ORIGINAL_COMMAND": wish["command"]} if wish["command"] else {}
        if wish["size"] is None:
            yield Given((), variables, dict(zip(("stdin", "stdout", "stderr"), fds, strict=True)))
            return
        ours, theirs = os.openpty()
        fds += [ours, theirs]
        resize(ours, wish["size"])
        socket.send_fds(connection, [b"t"], [ours])
        # It has the terminal from its begin: one that nobody has open for a moment is at its end for who reads it.
        own = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        yield Given((*_ON_TERMINAL, os.ttyname(theirs)), {**variables, "TERM": wish["term"]}, own)
    finally:
        for fd in fds:
            os.close(fd)


def tell_end(connection: socket.socket, code: int) -> None:
    """The shell has ended: with that code, or by the signal of that number below zero."""
    with connection, contextlib.suppress(OSError):
        connection.send(bytes([code if code >= 0 else 128 - code]))


def resize(terminal: int, size: Sequence[int]) -> None:
    """The terminal has so many lines and columns."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
