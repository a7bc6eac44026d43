"""As much of an HTTP/1.1 server as an agent needs: requests without bodies, answers from memory and from files.

One thread and no waiting: a connection does what it can when ``poll`` says so. Bounds: a head of 8 KiB that takes 10 s,
a reader that takes something at least every 60 s, 60 s of silence between two requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NamedTuple

    Answer = Iterator["bytes | Slice | None"]
else:
    from .tuples import NamedTuple

__all__ = ["NEVER", "BadRequest", "Connection", "Request", "Slice", "head", "packed", "unquote", "whole"]

NEVER = float("inf")

_LONGEST_HEAD = 8192
_HEAD_SECONDS, _STUCK_SECONDS, _IDLE_SECONDS = 10.0, 60.0, 60.0
#: Seconds in which a reader can still take an answer after which the connection is closed.
_PARTING_SECONDS = 1.0
#: Pieces sent before others have their turn.
_TURN = 8
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\x80-\xff\t]*)")


class Request(NamedTuple):
    """A request's first line."""

    method: str
    path: str
    query: dict[str, str]


class Slice(NamedTuple):
    """``length`` bytes of an open file, which travel without passing through this process."""

    fd: int
    offset: int
    length: int


class BadRequest(Exception):
    """An answer instead of the one asked for: a status and a plain sentence."""

    def __init__(self, status: int, sentence: str, **fields: Any) -> None:
        super().__init__(sentence)
        self.status = status
        self.fields = fields


def head(status: int, **fields: Any) -> bytes:
    """The beginning of an answer; ``_`` in names of fields stands for ``-``."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{k.replace('_', '-')}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def packed(status: int, body: str | dict[str, Any], **fields: Any) -> bytes:
    """A whole answer: a sentence, or JSON."""
    kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
    data = (body + "\n" if isinstance(body, str) else json.dumps(body)).encode()
    return head(status, content_type=kind, content_length=len(data), **fields) + data


def whole(answer: bytes) -> Answer:
    """An answer of one piece."""
    yield answer


class Connection:
    """One reader. What it asks for is produced as fast as it reads.

    ``answer`` gives the pieces of an answer, or raises BadRequest. A piece that is None means "nothing more now";
    ``go_on`` is called when there may be.
    """

    def __init__(self, connection: socket.socket, answer: Callable[[Request], Answer]) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._answer = answer
        self._received = b""
        self._pieces: Answer | None = None
        self._out: bytes | Slice | None = None
        self._waits = False
        self._closes = False
        self._parting = False
        self.open = True
        #: When to close it if nothing has happened until then.
        self.deadline = time.monotonic() + _HEAD_SECONDS

    def fileno(self) -> int:
        """For poll."""
        return self._socket.fileno()

    @property
    def events(self) -> int:
        """What to poll for: a reader that is waited for, or that waits, may say something or leave."""
        return select.POLLIN if self._pieces is None or self._waits else select.POLLOUT

    def handle(self) -> None:
        """See to what poll has found."""
        with self._until_it_breaks():
            if self.events == select.POLLIN:
                self._receive()
            if self.open and not self._parting and not self._waits:
                self._send()

    def go_on(self) -> None:
        """There may be more for a reader that waits."""
        if self.open and self._waits:
            self._waits = False
            self.deadline = time.monotonic() + _STUCK_SECONDS
            with self._until_it_breaks():
                self._send()

    def close(self) -> None:
        """Give up on the reader."""
        self.open = False
        self._end_answer()
        self._socket.close()

    @contextlib.contextmanager
    def _until_it_breaks(self) -> Iterator[None]:
        try:
            yield
        except OSError:  # the reader is gone, or a file cannot be read
            self.close()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_LONGEST_HEAD)
        except BlockingIOError:
            return
        if not data or (self._waits and len(self._received) > _LONGEST_HEAD):
            self.close()
            return
        if self._parting:
            return
        if not self._received and not self._waits:
            self.deadline = time.monotonic() + _HEAD_SECONDS
        self._received += data

    def _send(self) -> None:
        for _ in range(_TURN):
            if self._out is None and not self._fetch():
                return
            if self._out is not None and not self._write(self._out):
                return

    def _fetch(self) -> bool:
        """Have the next piece ready, or the next answer; false when there is neither now."""
        if self._pieces is None:
            self._pieces = self._next_answer()
            if self._pieces is None:
                return False
            self.deadline = time.monotonic() + _STUCK_SECONDS
        for piece in self._pieces:
            self._out = piece
            self._waits = piece is None
            if self._waits:
                self.deadline = NEVER
            return not self._waits
        self._end_answer()
        if self._closes:
            self._part()
            return False
        self.deadline = time.monotonic() + (_HEAD_SECONDS if self._received else _IDLE_SECONDS)
        return True

    def _write(self, piece: bytes | Slice) -> bool:
        """Whether the socket took all of it."""
        try:
            if isinstance(piece, Slice):
                sent = os.sendfile(self._socket.fileno(), piece.fd, piece.offset, piece.length)
                if not sent:
                    raise OSError("the file has become shorter")
                self._out = Slice(piece.fd, piece.offset + sent, piece.length - sent) if sent < piece.length else None
            else:
                sent = self._socket.send(piece)
                self._out = piece[sent:] or None
        except BlockingIOError:
            return False
        self.deadline = time.monotonic() + _STUCK_SECONDS
        return self._out is None

    def _next_answer(self) -> Answer | None:
        """To the request that has arrived, None as long as it has not."""
        end = self._received.find(b"\r\n\r\n")
        try:
            if end > _LONGEST_HEAD or (end < 0 and len(self._received) > _LONGEST_HEAD):
                raise BadRequest(431, f"a request's head has {_LONGEST_HEAD} bytes at most")
            if end < 0:
                return None
            text, self._received = self._received[:end], self._received[end + 4 :]
            request, self._closes = _parse(text)
        except BadRequest as error:
            self._closes = True
            return whole(packed(error.status, str(error), connection="close"))
        try:
            return self._answer(request)
        except BadRequest as error:
            return whole(packed(error.status, str(error), **error.fields))

    def _end_answer(self) -> None:
        if self._pieces is not None:
            self._pieces.close()  # type: ignore[attr-defined]
            self._pieces = None

    def _part(self) -> None:
        """Close without a reset, which would overtake the answer: what still comes in is read, and the end awaited."""
        self._parting = True
        self._socket.shutdown(socket.SHUT_WR)
        self.deadline = time.monotonic() + _PARTING_SECONDS


def _parse(text: bytes) -> tuple[Request, bool]:
    """The request, and whether it is the connection's last.

    Raises:
        BadRequest: it is none, or has a body.
    """
    first, *lines = text.split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise BadRequest(400, "the first line is not one of HTTP/1.1, as in: GET /state HTTP/1.1")
    fields: dict[bytes, list[bytes]] = {}
    for each in lines:
        field = _FIELD.fullmatch(each)
        if field is None:
            raise BadRequest(400, "a header is not of the form name: value")
        fields.setdefault(field[1].lower(), []).append(field[2].strip())
    if len(fields.get(b"host", ())) != 1:
        raise BadRequest(400, "a request has one Host header")
    if b"transfer-encoding" in fields or fields.get(b"content-length", [b"0"]) != [b"0"]:
        raise BadRequest(400, "requests have no body here")
    path, _, query = line[2].decode("ascii").partition("?")
    options = dict(each.partition("=")[::2] for each in query.split("&") if each)
    closes = any(b"close" in each.lower() for each in fields.get(b"connection", ()))
    return Request(line[1].decode("ascii"), unquote(path), options), closes


def unquote(path: str) -> str:
    """A path, or a part of a query, as it was before it was percent-encoded."""
    data = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), path.encode("ascii"))
    return data.decode("utf-8", "replace")
