"""The agent of a pod, as its controller speaks to it: HTTP/1.1 over a forwarded port. See ``qwex.runner.agent``."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import h11

from qwex.errors import BackendUnavailable, NotFound
from qwex_kueue import portforward
from qwex_kueue.wholelines import whole_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qwex_kueue.apiserver import ApiServer

__all__ = ["PORT", "Agent"]

#: Where an agent listens, on its pod's loopback.
PORT = 8711


class Agent:
    """One pod's agent. Each call is a connection of its own."""

    def __init__(self, server: ApiServer, pod: str) -> None:
        self._server = server
        self._pod = pod

    async def events(self, after: int, *, follow: bool = True) -> AsyncIterator[bytes]:
        """The attempt's records after number ``after``, as whole lines; with ``follow`` up to its end.

        Raises:
            BackendUnavailable: the connection was cut before the end.
        """
        async with self._request("GET", f"/events?after={after}{'&follow=1' if follow else ''}") as chunks:
            async for lines in whole_lines(chunks, "the pod's agent"):
                yield lines

    async def last(self) -> int:
        """The number of the last record so far."""
        async with self._request("GET", "/state") as chunks:
            return int(json.loads(b"".join([chunk async for chunk in chunks]))["seq"])

    async def value(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of an output value.

        Raises:
            NotFound: there is none of that name.
        """
        async with self._request("GET", f"/values/{quote(name)}") as chunks:
            async for chunk in chunks:
                yield chunk

    async def send(self, name: str, url: str) -> None:
        """Have the agent put an output value at an address.

        Raises:
            NotFound: there is none of that name.
            BackendUnavailable: it could not.
        """
        await self._post(f"/values/{quote(name)}?to={quote(url, safe='')}")

    async def acknowledge(self, seq: int) -> None:
        """Everything up to record ``seq`` is safe, and the values: the agent may go."""
        await self._post(f"/acknowledge?seq={seq}")

    async def terminate(self) -> None:
        """Its pod is being ended; the system's own word may have come before it could hear."""
        await self._post("/terminate")

    async def _post(self, target: str) -> None:
        async with self._request("POST", target) as chunks:
            async for _ in chunks:
                pass

    @asynccontextmanager
    async def _request(self, method: str, target: str) -> AsyncIterator[AsyncIterator[bytes]]:
        head = h11.Request(method=method, target=target, headers=[("host", "agent"), ("content-length", "0")])
        async with portforward.connect(self._server, self._pod, PORT) as connection:
            http = h11.Connection(h11.CLIENT)
            await connection.send((http.send(head) or b"") + (http.send(h11.EndOfMessage()) or b""))
            status = await _status(http, connection)
            if status == 404:
                raise NotFound(f"the pod's agent has no {target.partition('?')[0]}")
            if status >= 300:
                shown = target.partition("?to=")[0]  # an address is as good as a key
                raise BackendUnavailable(f"the pod's agent answered {status} to {method} {shown}")
            yield _body(http, connection)


async def _status(http: h11.Connection, connection: portforward.Connection) -> int:
    event = await _next(http, connection)
    while isinstance(event, h11.InformationalResponse):
        event = await _next(http, connection)
    if not isinstance(event, h11.Response):
        raise BackendUnavailable("the pod's agent closed the connection without an answer")
    return event.status_code


async def _body(http: h11.Connection, connection: portforward.Connection) -> AsyncIterator[bytes]:
    while isinstance(event := await _next(http, connection), h11.Data):
        yield bytes(event.data)


async def _next(http: h11.Connection, connection: portforward.Connection) -> object:
    try:
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await connection.receive())
    except h11.RemoteProtocolError as error:
        raise BackendUnavailable(f"the answer of the pod's agent was cut: {error}") from error
    return event
