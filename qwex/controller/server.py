"""uvicorn on the sockets it is given: no polling, peers checked, streams ended before it waits for them."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qwex.controller.auth import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Server"]

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75
_GRACE_SECONDS = 3
#: Bytes of a request's head, and seconds for it over the network.
_LONGEST_HEAD = 64 * 1024
_HEAD_SECONDS = 30.0
#: ``struct ucred``: pid, uid, gid.
_UCRED = struct.Struct("3i")


class Server(uvicorn.Server):
    """Serves until ``stop``; ``on_stop`` ends streams that would go on for ever."""

    def __init__(self, app: Any, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End soon; a second time at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._stopped.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_ready()

    async def main_loop(self) -> None:
        """Wait for ``stop``; uvicorn's own loop wakes up ten times a second."""
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then as uvicorn does."""
        self._on_stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM and SIGINT mean ``stop``, handled on the event loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


class _Protocol(HttpToolsProtocol):
    """Refuses another user's process on the Unix socket, whatever the socket's permissions have become."""

    _refused = False
    _is_local = False
    #: Bytes of the request's head so far; None while a body is read or an answer written.
    _head: int | None = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or drop it."""
        connection = transport.get_extra_info("socket")
        self._is_local = connection.family == socket.AF_UNIX
        if _is_own(connection) and (self._is_local or len(self.connections) < _most_connections()):
            super().connection_made(transport)
            self._await_head()
        else:
            self._refused = True
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """As uvicorn does, for heads that have an end."""
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > _LONGEST_HEAD:
            self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        """As uvicorn does; and say which socket it is, which the address of a peer that has gone does not tell."""
        super().on_message_begin()
        self._await_head()
        cast("dict[str, Any]", self.scope)[LOCAL] = self._is_local

    def on_headers_complete(self) -> None:
        """As uvicorn does."""
        self._have_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """As uvicorn does; the next bytes begin a head."""
        self._head = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn does, for connections that it knows."""
        self._have_head()
        if not self._refused:
            super().connection_lost(exc)

    def _await_head(self) -> None:
        """Whoever comes over the network and says nothing, or not all, is not waited for."""
        if self._patience is None and not self._is_local:
            self._patience = asyncio.get_running_loop().call_later(_HEAD_SECONDS, self.transport.close)

    def _have_head(self) -> None:
        self._head = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _most_connections() -> int:
    """Half of what this process may open: the other half is for files, so that jobs do not suffer."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2


def _is_own(connection: socket.socket) -> bool:
    if connection.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return bool(uid == os.getuid())
