"""The way into a machine on a cluster: a port on its pod's loopback, through the API server's ``pods/portforward``.

The same protocol as ``portforward``, for a process that ssh starts for every connection: the standard library, one
socket, one thread. Who may open it is Kubernetes' to say; nothing but the kubeconfig's own credentials is used.
Frames are those of RFC 6455. Their mask, which keeps old proxies from taking data for requests, is left at zero: the
connection is encrypted, or goes to this machine's own loopback.
"""

from __future__ import annotations

import base64
import os
import re
import select
import selectors
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any

from qwex.door import SSH_PORT, DoorError
from qwex.relay import unblocked
from qwex_kueue.doorkey import Access, access

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

__all__ = ["PodTunnel", "connect", "shared"]

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_BINARY, _CLOSE, _PING, _PONG = 0x82, 0x8, 0x9, 0xA
#: Seconds to connect and to be let in, between two signs of life, and without one until the connection is lost.
_OPEN, _HEARTBEAT, _SILENCE = 15.0, 15.0, 60.0
#: Bytes read at once, and those that may wait for a slower side.
_CHUNK, _WAITING = 1 << 16, 1 << 20
_LONGEST_HEAD = 1 << 16
#: Seconds for which one that has said all may still hear the machine.
_LISTEN = 10.0
#: Names of namespaces and pods, which are parts of a path.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def connect(door: Mapping[str, Any], port: int) -> PodTunnel:
    """Open a connection to ``port`` in the machine's pod.

    Raises:
        DoorError: it does not run, may not be entered, or the cluster cannot be reached.
    """
    key = access(door)
    path = f"/api/v1/namespaces/{door['namespace']}/pods/{door['pod']}/portforward?ports={port}"
    try:
        connection = key.connection(_OPEN)
        left = _upgraded(connection, key, path, door)
    except (OSError, ValueError) as error:  # ValueError: of its URL, or its certificate
        raise DoorError(f"the Kubernetes API server {key.server} cannot be reached: {error}") from None
    return PodTunnel(connection, left)


def shared(door: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The door for another person, who finds the cluster in a kubeconfig of their own, and the right it takes.

    Raises:
        DoorError: it is no door of a pod.
    """
    names = {key: str(door.get(key) or "") for key in ("namespace", "pod")}
    server, home = (str(door.get(key) or "") for key in ("server", "home"))
    is_path = not home or home.startswith("/")
    if not all(map(_NAME.fullmatch, names.values())) or not (server + home).isprintable() or not is_path:
        raise DoorError("it does not say which pod, and in which namespace")
    rights = f"get and create pods/portforward in the namespace {names['namespace']} of {server or 'the cluster'}"
    return {"server": server, **names, "port": SSH_PORT, "home": home}, rights


class PodTunnel:
    """One websocket, carried by one thread."""

    def __init__(self, connection: socket.socket, received: bytes) -> None:
        self._socket = connection
        self._received = bytearray(received)
        self._to_pod = bytearray()
        self._to_client = bytearray()
        self._announced: set[int] = set()
        self._over = False

    def relay(self, read: int, write: int) -> None:
        """Carry bytes from ``read`` into the machine and from there to ``write``, until one of them ends.

        The protocol has no word for the end of one direction: after the end of ``read``, what the machine says is still
        carried until it has closed, or says nothing for a while.

        Raises:
            DoorError: the connection was cut, or nobody listens in the machine.
        """
        self._socket.setblocking(False)
        with self._socket, unblocked(read, write), selectors.DefaultSelector() as selector:
            self._carry(_Watched(selector), selector, read, write)

    def _carry(self, watched: _Watched, selector: selectors.BaseSelector, read: int, write: int) -> None:
        heard = sent = time.monotonic()
        ended: float | None = None
        while True:
            self._take_frames()
            self._give(write)
            if self._over and not self._to_client:
                return
            self._send()
            watched.set(self._socket, reads=len(self._to_client) < _WAITING, writes=bool(self._to_pod))
            watched.set(read, reads=ended is None and len(self._to_pod) < _WAITING, writes=False)
            watched.set(write, reads=False, writes=bool(self._to_client))
            before = time.monotonic()
            patience = _HEARTBEAT if ended is None else _LISTEN
            ready = {key.fd for key, _ in selector.select(0 if self._has_pending() else patience)}
            now = time.monotonic()
            if now - before > 2 * _HEARTBEAT or len(self._to_client) >= _WAITING:
                heard = now  # this process was suspended, or does not listen: the other side may be well
            if (self._socket.fileno() in ready or self._has_pending()) and self._receive():
                heard = now
            if read in ready and not self._read(read):
                ended = now
            if ended is not None and (_is_gone(write) or now - max(heard, ended) >= _LISTEN):
                self._socket.settimeout(_OPEN)
                self._send()
                return
            if now - heard > _SILENCE:
                raise DoorError("the connection to the machine was lost: nothing came for a minute")
            if now - sent > _HEARTBEAT:
                sent = now
                self._frame(0x80 | _PING, b"")

    def _has_pending(self) -> bool:
        """Whether the encrypted socket has bytes that no selector shows."""
        pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
        return bool(pending) and len(self._to_client) < _WAITING

    def _read(self, fd: int) -> bool:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # who speaks has gone
            data = b""
        if data:
            self._frame(_BINARY, bytes([_DATA]) + data)
        return bool(data)

    def _receive(self) -> bool:
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            raise DoorError(f"the connection to the machine was cut: {error}") from None
        if not data:
            self._over = True
        self._received += data
        return True

    def _send(self) -> None:
        while self._to_pod:
            try:
                # A retried write has to be the same bytes: those of a buffer that only grows at its end.
                count = self._socket.send(memoryview(self._to_pod)[:_CHUNK])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise DoorError(f"the connection to the machine was cut: {error}") from None
            del self._to_pod[:count]

    def _give(self, fd: int) -> None:
        while self._to_client:
            try:
                count = os.write(fd, memoryview(self._to_client)[:_CHUNK])
            except BlockingIOError:
                return
            except OSError:  # ssh has gone
                self._to_client.clear()
                self._over = True
                return
            del self._to_client[:count]

    def _frame(self, first: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", first, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", first, 0x80 | 127, size)
        self._to_pod += head + bytes(4) + payload

    def _take_frames(self) -> None:
        """Take what is whole of what was received."""
        at = 0
        while (found := _frame_at(self._received, at)) is not None:
            kind, start, end = found
            payload = bytes(memoryview(self._received)[start:end])
            at = end
            if kind == _PING:
                self._frame(0x80 | _PONG, payload)
            elif kind == _CLOSE:
                self._over = True
            elif kind != _PONG and payload:
                self._take(payload[0], payload[1:])
        del self._received[:at]

    def _take(self, channel: int, data: bytes) -> None:
        if channel not in self._announced:
            self._announced.add(channel)  # the port's number, two bytes
        elif channel == _DATA:
            self._to_client += data
        elif channel == _ERROR and data:
            said = data.decode(errors="replace").strip()
            # The kubelet has no other sign of it than the words of the operating system.
            is_deaf = "connection refused" in said.lower()
            raise DoorError(f"the machine does not answer: {said}", absent=True, nobody_listens=is_deaf)


class _Watched:
    """What a selector is asked for, changed only where it is another than before."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._asked: dict[Any, int] = {}

    def set(self, file: Any, *, reads: bool, writes: bool) -> None:
        """Wait for these of the file from now on."""
        wanted = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if writes else 0)
        before = self._asked.get(file, 0)
        if wanted == before:
            return
        self._asked[file] = wanted
        try:
            if not before:
                self._selector.register(file, wanted)
            elif wanted:
                self._selector.modify(file, wanted)
            else:
                self._selector.unregister(file)
        except PermissionError:
            # A plain file is always ready, and epoll does not take one.
            self._asked[file] = 0


def _is_gone(fd: int) -> bool:
    """Whether nobody hears any more what is written there, as far as that can be seen without writing."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


def _frame_at(data: bytearray, at: int) -> tuple[int, int, int] | None:
    """The kind of the frame that begins there, and where its payload begins and ends; None until it is whole."""
    if len(data) < at + 2:
        return None
    kind, size, start = data[at] & 0xF, data[at + 1] & 0x7F, at + 2
    for mark, form in ((126, "!H"), (127, "!Q")):
        if size == mark:
            if len(data) < start + struct.calcsize(form):
                return None
            (size,) = struct.unpack_from(form, data, start)
            start += struct.calcsize(form)
            break
    return (kind, start, start + size) if len(data) >= start + size else None


def _upgraded(connection: socket.socket, key: Access, path: str, door: Mapping[str, Any]) -> bytes:
    """Ask for the websocket; what came after the answer's head."""
    nonce = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {key.prefix}{path} HTTP/1.1",
        f"Host: {key.host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {nonce}",
        f"Sec-WebSocket-Protocol: {_PROTOCOL}",
        *([f"Authorization: Bearer {key.token}"] if key.token else []),
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(_CHUNK)
        if not more or len(received) > _LONGEST_HEAD:
            raise OSError("it closed the connection")
        received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    if not found:
        raise OSError("what answers there speaks no HTTP")
    if (status := int(found[1])) != 101:
        raise _refusal(status, rest, door)
    return rest


def _refusal(status: int, body: bytes, door: Mapping[str, Any]) -> DoorError:
    text = body.decode(errors="replace")
    said = text[text.find('"message":"') + 11 :].partition('","')[0] if '"message":"' in text else ""
    if status == 401:
        return DoorError("Kubernetes does not accept the kubeconfig's credentials; renew them, and try again")
    if status == 403:
        right = f"get and create pods/portforward in the namespace {door['namespace']}"
        return DoorError(f"you may not {right}, which the way in needs: ask whoever runs the cluster")
    if status == 404:
        return DoorError("the machine does not run", absent=True)
    return DoorError(f"the machine cannot be entered now ({status} {said})".replace("\\", ""), absent=True)
