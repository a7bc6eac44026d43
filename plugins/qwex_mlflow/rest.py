"""MLflow's REST API over HTTP with the standard library: importing mlflow would cost a second and 60 MB.

The API is MLflow's own, https://mlflow.org/docs/latest/api_reference/rest-api.html.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import select
import socket
import ssl
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from qwex.errors import TrackerUnavailable
from qwex_mlflow.errors import Refused, Unanswered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex_mlflow.settings import Place

__all__ = ["Rest"]

#: Seconds to connect, and for a request with its answer; nobody waits for this, but the next job's news.
_CONNECT, _ANSWER = 5.0, 30.0
#: Bytes a second at which a file may go there at the least.
_SLOWEST = 500_000
#: Bytes of an answer. The largest are lists of a thousand runs.
_LARGEST = 64 << 20
_API = "/api/2.0/mlflow/"
#: Answers of MLflow's own that say nothing about the request itself.
_TRANSIENT = (425, 429, 500, 502, 503, 507)
#: A proxy's, of a server that takes too long.
_UNANSWERED = (408, 504)
_TOO_LARGE = 413
_LONGEST = 300


class Rest:
    """One server. Safe from any thread: each has a connection of its own, which stays open."""

    def __init__(self, place: Place) -> None:
        parts = urlsplit(place.uri)
        self.uri = place.uri.rstrip("/")
        self._host, self._port = parts.hostname or "", parts.port
        self._base = parts.path.rstrip("/")
        self._tls = _context(place) if parts.scheme == "https" else None
        self._headers = _authorization(place, parts.username, parts.password)
        self._local = threading.local()

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """What an endpoint below ``/api/2.0/mlflow/`` answers.

        Raises:
            Refused: the server understood, and does not.
            TrackerUnavailable: it cannot be reached, or cannot answer now, or it was not MLflow that answered.
        """
        data = json.dumps(body).encode() if body is not None else None
        address = f"{self._base}{_API}{path}" + (f"?{urlencode(query)}" if query else "")
        return self._send(method, address, data, {"Content-Type": "application/json"} if data else {})

    def put(self, path: str, data: bytes) -> None:
        """Store a file through the server (``mlflow-artifacts``); ``path`` is below its artifacts' root.

        Raises:
            Refused: it does not take the file.
            TrackerUnavailable: see ``call``.
        """
        address = f"{self._base}/api/2.0/mlflow-artifacts/artifacts/{quote(path)}"
        self._send("PUT", address, data, {"Content-Type": "application/octet-stream"})

    def close(self) -> None:
        """Let go of this thread's connection."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
            self._local.connection = None

    def _send(self, method: str, address: str, data: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            status, reason, answer = self._exchange(method, address, data, {**self._headers, **headers})
        except TimeoutError as error:
            asked = getattr(self._local, "connection", None) is not None
            self.close()
            made = Unanswered if asked else TrackerUnavailable
            raise made(f"{self.uri} cannot be reached: it takes too long", place=self.uri) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            why = str(error) or type(error).__name__
            raise self._away(f"{self.uri} cannot be reached: {why}") from error
        is_file = method == "PUT"
        if not 200 <= status < 300:
            raise self._error(status, reason, answer, is_file=is_file)
        if is_file and not answer:
            return {}  # newer servers have nothing to say to a file
        read = _object(answer)
        if read is None:
            raise self._away(f"{self.uri} is no MLflow server: it answers {_shown(answer)!r}")
        return read

    def _exchange(
        self, method: str, address: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, bytes]:
        """Once more on a new connection where an idle one was closed by the other side."""
        fresh = getattr(self._local, "connection", None) is None
        try:
            return self._once(method, address, data, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.close()
            # What makes something new is not sent twice; whoever asked for it looks first whether it is there.
            if fresh or address.endswith("/create"):
                raise
            return self._once(method, address, data, headers)

    def _once(
        self, method: str, address: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, bytes]:
        connection: http.client.HTTPConnection = self._kept() or self._connect()
        seconds = _ANSWER + len(data or b"") / _SLOWEST
        until = time.monotonic() + seconds
        connection.sock.settimeout(seconds)
        connection.response_class = partial(_answer, until)  # type: ignore[assignment]
        connection.request(method, address, data, dict(headers))
        _quicken(connection.sock)
        answer = connection.getresponse()
        found = answer.status, answer.reason, _read(answer)
        if answer.will_close:
            self.close()
        return found

    def _kept(self) -> http.client.HTTPConnection | None:
        """This thread's connection, unless the server has closed it while it lay idle."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection and connection.sock and select.select([connection.sock], [], [], 0)[0]:
            self.close()
            return None
        return connection

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls:
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_CONNECT, context=self._tls
            )
        else:
            made = http.client.HTTPConnection(self._host, self._port, timeout=_CONNECT)
        made.connect()
        self._local.connection = made
        return made

    def _away(self, why: str) -> TrackerUnavailable:
        return TrackerUnavailable(why, place=self.uri)

    def _error(self, status: int, reason: str, answer: bytes, *, is_file: bool) -> Exception:
        said = _object(answer) or {}
        code, message = str(said.get("error_code") or ""), str(said.get("message") or "")[:_LONGEST]
        message = message or _shown(answer).strip() or reason
        if "Invalid Host header" in message:
            host = f"{self._host}:{self._port}" if self._port else self._host
            return self._away(f"{self.uri} refuses this address: start it with --allowed-hosts {host}")
        if status in (401, 403):
            return self._away(f"{self.uri} does not let qwex in ({status}): {message}")
        if is_file and status == _TOO_LARGE:
            return Refused(f"it is too large for {self.uri}", code, status)
        if status in _UNANSWERED:
            return Unanswered(f"{self.uri} cannot answer now ({status}): {message}", place=self.uri)
        if status in _TRANSIENT:
            return self._away(f"{self.uri} cannot answer now ({status}): {message}")
        if not code:  # something before MLflow answers, or instead of it
            return self._away(f"{self.uri} is no MLflow server, or too old: it answers {status} {message}")
        return Refused(message, code, status)


def _answer(until: float, connection: socket.socket, *given: Any, **named: Any) -> http.client.HTTPResponse:
    return http.client.HTTPResponse(_Until(connection, until), *given, **named)  # type: ignore[arg-type]


class _Until(io.RawIOBase):
    """What comes from a socket until a moment on the monotonic clock; time-outs of sockets are for each piece alone."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._socket = connection
        # Which keeps the socket open until the answer was read.
        self._file = connection.makefile("rb", buffering=0)
        self._until = until

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Itself, as the answer reads it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As much as there is."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("its answer takes too long")
        self._socket.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()
        super().close()


def _read(answer: http.client.HTTPResponse) -> bytes:
    pieces, left = [], _LARGEST
    while piece := answer.read1(1 << 16):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise http.client.HTTPException(f"it answers with more than {_LARGEST:,} bytes")
    if answer.length:
        raise http.client.HTTPException("its answer is cut off")
    answer.close()
    return b"".join(pieces)


def _object(answer: bytes) -> dict[str, Any] | None:
    """An answer's JSON; None where that is no object."""
    try:
        read = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _shown(answer: bytes) -> str:
    return answer[:_LONGEST].decode("utf-8", "replace")


def _quicken(connection: socket.socket) -> None:
    """A server with several workers sends its answer in two pieces and waits in between for us to confirm the first."""
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _context(place: Place) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=place.ca_file or None)
    if place.insecure_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorization(place: Place, username: str | None, password: str | None) -> dict[str, str]:
    if place.token:
        return {"Authorization": f"Bearer {place.token}"}
    username, password = place.username or username, place.password or password
    if username:
        encoded = base64.b64encode(f"{username}:{password or ''}".encode()).decode()
        return {"Authorization": f"Basic {encoded}"}
    return {}
