"""The blocking transport: plain sockets, no event loop, no thread. Its coroutines never suspend."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwex.client.address import Address

__all__ = ["BlockingTransport"]

_READ = 1 << 18


class SocketStream:
    """A connected socket as a ``Stream``."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def read(self, timeout: float) -> bytes:
        """What has come, after waiting for something."""
        self._sock.settimeout(timeout)
        return self._sock.recv(_READ)

    async def write(self, data: bytes | memoryview, timeout: float) -> None:
        """Send all of it."""
        self._sock.settimeout(timeout)
        self._sock.sendall(data)

    def idle(self) -> bool:
        """Whether nothing has come, not even the end."""
        if self._sock.fileno() < 0:
            return False
        poll = select.poll()  # select() cannot watch descriptors above 1023
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Let go at once."""
        self._sock.close()


class BlockingTransport:
    """Sockets of this process."""

    def scope(self) -> object:
        """This process."""
        return os.getpid()

    async def connect(self, address: Address, timeout: float) -> SocketStream:
        """A new connection."""
        return SocketStream(_connect(address, timeout))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)  # noqa: ASYNC251 (there is no event loop here)

    async def run(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function that may block."""
        function(*args)


def _connect(address: Address, timeout: float) -> socket.socket:
    if not address.path:
        return _tcp(address, timeout)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(timeout)
        sock.connect(address.path)
    except BaseException:
        sock.close()
        raise
    return sock


def _tcp(address: Address, timeout: float) -> socket.socket:
    sock = socket.create_connection((address.host, address.port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not address.tls:
        return sock
    import ssl

    return ssl.create_default_context().wrap_socket(sock, server_hostname=address.host)
