"""The asyncio transport. Imported by ``AsyncClient`` only, so that blocking use never loads asyncio."""

from __future__ import annotations

import asyncio
import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qwex.client.address import Address

__all__ = ["AsyncioTransport"]

_READ = 1 << 18
T = TypeVar("T")


class AsyncioStream:
    """A pair of asyncio streams as a ``Stream``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, timeout: float) -> bytes:
        """What has come, after waiting for something."""
        return await _within(timeout, self._reader.read(_READ))

    async def write(self, data: bytes | memoryview, timeout: float) -> None:
        """Send all of it."""
        self._writer.write(data)
        await _within(timeout, self._writer.drain())

    def idle(self) -> bool:
        """Whether nothing has come, not even the end."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        """Let go at once."""
        try:
            self._writer.close()
        except RuntimeError:
            # Its event loop is closed, and the socket with it.
            return


class AsyncioTransport:
    """Streams of the running event loop."""

    def scope(self) -> object:
        """The running event loop."""
        # A weak reference: the id of a loop that is gone may be another's later.
        return os.getpid(), weakref.ref(asyncio.get_running_loop())

    async def connect(self, address: Address, timeout: float) -> AsyncioStream:
        """A new connection."""
        if address.path:
            opening = asyncio.open_unix_connection(address.path)
        else:
            name = address.host if address.tls else None
            opening = asyncio.open_connection(address.host, address.port, ssl=address.tls or None, server_hostname=name)
        return AsyncioStream(*await _within(timeout, opening))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def run(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function that may block."""
        await asyncio.get_running_loop().run_in_executor(None, partial(function, *args))


async def _within(timeout: float, awaitable: Awaitable[T]) -> T:
    """As ``asyncio.wait_for``, which before Python 3.12 forgets a cancellation that comes along with the result."""
    future = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait({future}, timeout=timeout)
        if future.done():
            return future.result()
        raise TimeoutError
    finally:
        if not future.done():
            future.cancel()
            await asyncio.wait({future})
        if not future.cancelled():
            future.exception()  # asked for, so that asyncio does not tell of one that came too late
