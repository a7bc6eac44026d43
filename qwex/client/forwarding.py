"""Ports of this computer whose connections go into a dev machine, each through a door of its own.

A connection that is cut is that connection's end alone: the port goes on listening, and the next one opens the door
anew.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qwex.door import SSH_PORT, DoorError
from qwex.errors import ConfigError, InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwex.door import Tunnel

__all__ = ["Forwarding", "Port", "ports"]

_HOST = "127.0.0.1"
#: Ports above a taken one that are tried in its place.
_TRIED = 100
_HIGHEST = 65535


class Port(NamedTuple):
    """One port here, and where its connections go in the machine."""

    local: int
    remote: int

    @property
    def url(self) -> str:
        """What a browser opens, where something speaks HTTP there; of the machine's own ssh server what ssh does."""
        return f"ssh://dev@{_HOST}:{self.local}" if self.remote == SSH_PORT else f"http://{_HOST}:{self.local}"


def ports(words: Sequence[str]) -> list[Port]:
    """``6006`` and ``8080:80`` (here, there) as ports.

    Raises:
        InvalidSpec: one of them is no port.
    """
    found = []
    for word in words:
        local, _, remote = word.rpartition(":")
        numbers = (local or remote, remote)
        if not all(number.isascii() and number.isdigit() for number in numbers):
            raise InvalidSpec.of("ports", f"{word!r}: write 6006, or HERE:THERE as 8080:80")
        port = Port(*map(int, numbers))
        if port.local > _HIGHEST or not 0 < port.remote <= _HIGHEST:
            raise InvalidSpec.of("ports", f"{word!r}: ports are numbers from 1 to {_HIGHEST}")
        found.append(port)
    return found


class Forwarding:
    """Listens until ``close``; ``dial`` opens a tunnel to a port of the machine.

    ``on_end`` hears of each connection that ended, with what was wrong with it, from the connection's own thread.
    """

    def __init__(self, dial: Callable[[int], Tunnel], on_end: Callable[[Port, DoorError | None], None]) -> None:
        self._dial, self._on_end = dial, on_end
        self._listeners: list[socket.socket] = []

    def listen(self, wanted: Port) -> Port:
        """Take connections from now on, on the next free port where the wanted one is taken; the port that it is.

        Raises:
            ConfigError: none of them can be had.
        """
        listener = _listener(wanted.local)
        self._listeners.append(listener)
        port = Port(listener.getsockname()[1], wanted.remote)
        threading.Thread(target=self._accept, args=(listener, port), name=f"qwex {port.local}", daemon=True).start()
        return port

    def close(self) -> None:
        """Take no more. Connections end with the process."""
        for listener in self._listeners:
            # A thread that waits for a connection would not be told by close alone.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket, port: Port) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED, errno.ENOBUFS, errno.ENOMEM):
                    threading.Event().wait(0.1)  # it can be had again when others have ended
                    continue
                return
            threading.Thread(target=self._carry, args=(connection, port), name=f"qwex {port}", daemon=True).start()

    def _carry(self, connection: socket.socket, port: Port) -> None:
        wrong = None
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # The two directions are two descriptors to whoever waits for them.
            out = os.dup(connection.fileno())
            try:
                self._dial(port.remote).relay(connection.fileno(), out)
            except DoorError as error:
                wrong = error
            except Exception as error:  # whatever a door raises: nobody hears a thread that dies
                wrong = DoorError(f"a connection to port {port.local} broke off: {error or type(error).__name__}")
            finally:
                os.close(out)
        self._on_end(port, wrong)


def _listener(port: int) -> socket.socket:
    for tried in range(port, min(port + _TRIED, _HIGHEST) + 1):
        try:
            return socket.create_server((_HOST, tried))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise ConfigError(f"port {tried} of {_HOST} cannot be listened on: {error.strerror}") from None
    raise ConfigError(f"port {port} of {_HOST} and the {_TRIED} above it are taken, or not yours to listen on")
