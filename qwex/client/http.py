"""HTTP/1.1 over a stream, written once: over blocking sockets its coroutines never suspend.

A ``Connection`` carries one exchange at a time. Whoever does not read an answer to its end closes the connection, so
one that was interrupted is never used again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import h11

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from qwex.client.address import Address

__all__ = [
    "SILENCE",
    "Chunked",
    "Connection",
    "DeadlineError",
    "LostError",
    "Request",
    "Response",
    "SilentError",
    "Stream",
    "Transport",
]

#: Seconds without a byte after which a peer counts as gone; the controller pings its streams every 15 s.
SILENCE = 60.0
#: Seconds without an answer after which it is said that one is awaited.
PATIENCE = 5.0
_SLICE = 1 << 20


class LostError(Exception):
    """The connection ended, or fell silent, before the answer was whole."""


class SilentError(LostError):
    """The peer took the request and said nothing for ``SILENCE`` seconds; asking again would only take as long."""


class DeadlineError(Exception):
    """The caller's own time is over; the connection was fine."""


class Stream(Protocol):
    """Bytes to and from a peer. ``read`` gives ``b""`` at the end; both raise OSError, TimeoutError included."""

    async def read(self, timeout: float) -> bytes:
        """What has come, after waiting for something."""
        ...

    async def write(self, data: bytes | memoryview, timeout: float) -> None:
        """Send all of it."""
        ...

    def idle(self) -> bool:
        """Whether nothing has come, not even the end."""
        ...

    def close(self) -> None:
        """Let go at once; safe to repeat."""
        ...


class Transport(Protocol):
    """The few things that differ between blocking and asynchronous use."""

    def scope(self) -> object:
        """Where connections may be shared: this process, this event loop."""
        ...

    async def connect(self, address: Address, timeout: float) -> Stream:
        """A new connection; raises OSError."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def run(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function that may block."""
        ...


class Chunked(NamedTuple):
    """A body of so many bytes that is read as it is sent: ``chunks`` begins anew each time it is called."""

    size: int
    chunks: Callable[[], Iterable[bytes]]


class Request(NamedTuple):
    """What is asked; ``repeatable`` when asking twice has the effect of once."""

    method: str
    target: str
    body: bytes | Chunked = b""
    headers: tuple[tuple[str, str], ...] = ()
    repeatable: bool = True


class Connection:
    """One connection to a controller; reusable once an answer was read to its end."""

    def __init__(self, stream: Stream, scope: object) -> None:
        self.stream = stream
        self.scope = scope
        self._http = h11.Connection(h11.CLIENT)
        #: Awaited once when an answer takes long to begin.
        self.on_slow: Callable[[], Awaitable[None]] | None = None

    async def exchange(self, request: Request, deadline: float | None = None) -> Response:
        """Send ``request``, give the answer's head.

        Raises:
            LostError: no whole head came.
            DeadlineError: ``deadline`` (monotonic seconds) has passed.
        """
        try:
            await self._send(request)
        except OSError:
            # A controller may refuse a large body before it has read it all: its answer is worth reading.
            self.stream.idle()
        event = await self._head(deadline)
        while isinstance(event, h11.InformationalResponse):
            event = await self._next(deadline)
        if not isinstance(event, h11.Response):
            raise LostError("the controller closed the connection")
        return Response(self, event.status_code, {k.decode(): v.decode("latin-1") for k, v in event.headers})

    async def chunks(self, deadline: float | None) -> AsyncIterator[bytes]:
        """The body of the present answer as it comes; after its end the connection can be used again."""
        while True:
            event = await self._next(deadline)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise LostError("the controller closed the connection")

    @property
    def reusable(self) -> bool:
        """Whether the last exchange is whole and the peer keeps the connection."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def renew(self) -> None:
        """Make ready for the next exchange."""
        self._http.start_next_cycle()

    def close(self) -> None:
        """Drop the connection; safe to repeat."""
        self.stream.close()

    async def _send(self, request: Request) -> None:
        body = request.body if isinstance(request.body, Chunked) else _whole(request.body)
        length = () if request.method in ("GET", "HEAD", "DELETE") else (("content-length", str(body.size)),)
        head = h11.Request(method=request.method, target=request.target, headers=[*request.headers, *length])
        start = self._http.send(head) or b""
        for chunk in body.chunks():
            for piece in self._http.send_with_data_passthrough(h11.Data(data=chunk)) or ():
                start = await self._write(start, piece)
        await self._write(start, self._http.send(h11.EndOfMessage()) or b"")

    async def _write(self, start: bytes, data: bytes) -> bytes:
        """Send both, small ones as one; nothing is left to send before the next piece."""
        if len(data) <= _SLICE:
            await self.stream.write(start + data, SILENCE)
            return b""
        await self.stream.write(start, SILENCE)
        view = memoryview(data)
        for at in range(0, len(view), _SLICE):
            await self.stream.write(view[at : at + _SLICE], SILENCE)
        return b""

    async def _head(self, deadline: float | None) -> Any:
        """The first event of the answer, said to be awaited when it takes long."""
        if self.on_slow is None or (deadline is not None and deadline - time.monotonic() <= PATIENCE):
            return await self._next(deadline)
        try:
            return await self._next(time.monotonic() + PATIENCE)
        except DeadlineError:
            await self.on_slow()
            return await self._next(deadline)

    async def _next(self, deadline: float | None) -> Any:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._read(deadline))
            return event
        except h11.RemoteProtocolError as error:
            raise LostError(str(error)) from None

    async def _read(self, deadline: float | None) -> bytes:
        left = SILENCE if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise DeadlineError
        try:
            return await self.stream.read(min(left, SILENCE))
        except TimeoutError:
            if left <= SILENCE and deadline is not None:
                raise DeadlineError from None
            raise SilentError(f"it was silent for {SILENCE:.0f} s") from None
        except OSError as error:
            raise LostError(str(error)) from None


class Response:
    """An answer's head; the body is read by exactly one of ``body`` and ``chunks``."""

    def __init__(self, connection: Connection, status: int, headers: dict[str, str]) -> None:
        self.connection = connection
        self.status = status
        self.headers = headers

    def chunks(self, deadline: float | None = None) -> AsyncIterator[bytes]:
        """The body as it comes."""
        return self.connection.chunks(deadline)

    async def body(self, deadline: float | None = None) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self.chunks(deadline)])


def _whole(body: bytes) -> Chunked:
    return Chunked(len(body), lambda: (body,) if body else ())
