"""A connection to a port on a pod's loopback, through the API server's ``pods/portforward``.

One websocket is one connection: the first byte of each frame is its channel (0 data, 1 error), and the first frame of
each channel holds the port's number, two bytes, little end first. Kubernetes closes the connection when the pod ends.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from qwex.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qwex_kueue.apiserver import ApiServer, Frames

__all__ = ["Connection", "connect"]

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1


class Connection:
    """A stream of bytes each way."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._announced: set[int] = set()

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        await self._frames.send(bytes([_DATA]) + data)

    async def receive(self) -> bytes:
        """The next bytes; empty when the other side has closed.

        Raises:
            BackendUnavailable: the connection was cut, or nobody listens on that port.
        """
        while (frame := await self._frames.receive()) is not None:
            channel, data = frame[0], frame[1:]
            if channel not in self._announced:
                self._announced.add(channel)
            elif channel == _ERROR and data:
                raise BackendUnavailable(f"the pod does not answer: {data.decode(errors='replace')}")
            elif channel == _DATA and data:
                return data
        return b""


@asynccontextmanager
async def connect(server: ApiServer, pod: str, port: int) -> AsyncIterator[Connection]:
    """Connect to ``port`` on the loopback of ``pod``, in the server's own namespace.

    Raises:
        BackendUnavailable: the API server or the pod's node cannot be reached.
        NotAuthorized: the right to ``create pods/portforward`` is missing.
        ApiError: there is no such pod.
    """
    path = f"/api/v1/namespaces/{server.namespace}/pods/{pod}/portforward"
    frames = await server.websocket(path, _PROTOCOL, ports=port)
    try:
        yield Connection(frames)
    finally:
        await frames.close()
