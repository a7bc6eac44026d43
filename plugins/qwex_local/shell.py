"""A shell in a machine of this computer without ssh: the client's end. Standard library only."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any

from qwex.door import DoorError
from qwex_local.door import SHELL, reach
from qwex_local.machines import shells

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

__all__ = ["shell"]

_CHUNK = 1 << 16


def shell(door: Mapping[str, Any], words: Sequence[str]) -> int:
    """Log in, or run a command there, whose words are put together as ssh does; its exit code.

    Raises:
        DoorError: the machine does not run, or ended meanwhile.
    """
    connection = reach(door["folder"], SHELL)
    interactive = not words and os.isatty(0) and os.isatty(1)
    size = os.get_terminal_size(0) if interactive else None
    try:
        terminal = shells.ask(connection, " ".join(words), size and (size.lines, size.columns))
        if terminal is not None:
            _carry(terminal)
        return _code(connection)
    except OSError as error:
        raise DoorError(f"the connection to the machine was cut ({error.strerror or error})") from None


def _code(connection: socket.socket) -> int:
    said = connection.recv(1)
    if not said:
        raise DoorError("the machine has ended")
    return said[0]


def _carry(terminal: int) -> None:
    """Carry what is typed and shown, until the shell has ended."""

    def resized(*_: object) -> None:
        size = os.get_terminal_size(0)
        shells.resize(terminal, (size.lines, size.columns))

    before = termios.tcgetattr(0)
    signal.signal(signal.SIGWINCH, resized)
    tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is kept
    try:
        watched = [0, terminal]
        while ready := select.select(watched, [], [])[0]:
            if terminal in ready:
                try:
                    shown = os.read(terminal, _CHUNK)
                except OSError:  # nobody has the other end any more
                    return
                os.write(1, shown)
            elif typed := os.read(0, _CHUNK):
                os.write(terminal, typed)
            else:
                watched.remove(0)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.flush()
