"""Signals as bytes of a socket, for loops that wait in ``select``."""

from __future__ import annotations

import signal
import socket

__all__ = ["ENDING", "catch", "wakeup_pair"]

#: Signals that mean "end".
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def wakeup_pair() -> tuple[socket.socket, socket.socket]:
    """The end to read and the end to write."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    return reading, writing


def catch(writing: socket.socket, *numbers: int) -> None:
    """From now on each of these signals is a byte written, one that was blocked until now too."""
    for number in numbers:
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _ignore(number: int, stack: object) -> None:
    """Python runs a handler; the socket does the work."""
