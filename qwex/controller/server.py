"""uvicorn on the sockets it is given: no polling, peers checked, streams ended before it waits for them."""

from __future__ import annotations

import asyncio
import os
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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or drop it."""
        connection = transport.get_extra_info("socket")
        self._is_local = connection.family == socket.AF_UNIX
        if _is_own(connection):
            super().connection_made(transport)
        else:
            self._refused = True
            transport.abort()

    def on_message_begin(self) -> None:
        """As uvicorn does; and say which socket it is, which the address of a peer that has gone does not tell."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[LOCAL] = self._is_local

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn does, for connections that it knows."""
        if not self._refused:
            super().connection_lost(exc)


def _is_own(connection: socket.socket) -> bool:
    if connection.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return bool(uid == os.getuid())
