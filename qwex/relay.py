"""Bytes between two file descriptors and a socket, for doors whose tunnel is a plain socket."""

from __future__ import annotations

import os
import select
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from qwex.door import DoorError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SocketTunnel", "unblocked"]

_CHUNK = 1 << 18
_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class SocketTunnel:
    """A tunnel (see ``qwex.door.Tunnel``) over a connected stream socket, which it closes when it ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def relay(self, read: int, write: int) -> None:
        """As ``Tunnel.relay``: the end of ``read`` is passed on, and what the machine says then is still carried.

        Raises:
            DoorError: the connection was cut.
        """
        self._socket.setblocking(False)
        with self._socket, unblocked(read, write):
            _Relay(self._socket, read, write).run()


class _Relay:
    """One connection. In each direction there is one chunk on its way: the next is read when it is written."""

    def __init__(self, connection: socket.socket, read: int, write: int) -> None:
        self.socket, self.read, self.write = connection, read, write
        self.up = self.down = b""
        #: Whether more may come from ``read``, from the socket, and be heard at ``write``.
        self.reading = self.receiving = self.heard = True

    def run(self) -> None:
        while self.heard and (self.receiving or self.down):
            ready = self._ready()
            if ready.get(self.write, 0) & (select.POLLOUT | _GONE):
                self._put_out(ready[self.write])
            if self.reading and not self.up and ready.get(self.read, 0) & (select.POLLIN | _GONE):
                self._take_in()
            events = ready.get(self.socket.fileno(), 0)
            if self.up and events & (select.POLLOUT | _GONE):
                self._send()
            if self.receiving and not self.down and events & (select.POLLIN | _GONE):
                self._receive()

    def _ready(self) -> dict[int, int]:
        """What can go on, waited for. A descriptor of which nothing is wanted is left out, or its end would wake us."""
        # ``write`` is always in: that nobody hears it any more is told without asking.
        wanted = {self.write: select.POLLOUT if self.down else 0}
        if self.reading and not self.up:
            wanted[self.read] = wanted.get(self.read, 0) | select.POLLIN
        towards = (select.POLLOUT if self.up else 0) | (select.POLLIN if self.receiving and not self.down else 0)
        if towards:
            wanted[self.socket.fileno()] = towards
        poll = select.poll()
        for fd, events in wanted.items():
            poll.register(fd, events)
        return dict(poll.poll())

    def _take_in(self) -> None:
        try:
            self.up = os.read(self.read, _CHUNK)
        except BlockingIOError:
            return
        except OSError:  # a terminal that is gone
            self.up = b""
        if not self.up:
            self.reading = False
            self._shut()

    def _send(self) -> None:
        try:
            self.up = self.up[self.socket.send(self.up) :]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):  # it listens no more; what it said last may still be here
            self.up, self.reading = b"", False

    def _receive(self) -> None:
        try:
            self.down = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise DoorError(f"the connection to the machine was cut ({error.strerror or error})") from None
        self.receiving = bool(self.down)

    def _put_out(self, events: int) -> None:
        if not self.down:
            self.heard = not events & _GONE
            return
        try:
            self.down = self.down[os.write(self.write, self.down) :]
        except BlockingIOError:
            pass
        except OSError:
            self.heard = False

    def _shut(self) -> None:
        # One that the other side has closed is an error; what is left to read says how.
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)


@contextmanager
def unblocked(*fds: int) -> Iterator[None]:
    """The descriptors do not block meanwhile. Others may share them, so they are as they were afterwards."""
    before = [os.get_blocking(fd) for fd in fds]
    try:
        for fd in fds:
            os.set_blocking(fd, False)
        yield
    finally:
        for fd, blocking in zip(fds, before, strict=True):
            os.set_blocking(fd, blocking)
