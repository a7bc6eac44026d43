"""MLflow's REST API over HTTP with the standard library: importing mlflow would cost a second and 60 MB.

The API is MLflow's own, https://mlflow.org/docs/latest/api_reference/rest-api.html.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from qwex.errors import TrackerUnavailable
from qwex_mlflow.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex_mlflow.settings import Place

__all__ = ["Rest"]

#: Seconds to connect and to wait for an answer; nobody waits for this, but the next job's news.
_CONNECT, _ANSWER = 5.0, 30.0
_API = "/api/2.0/mlflow/"
#: Answers that say nothing about the request itself.
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504, 507)
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
            TrackerUnavailable: it cannot be reached, or cannot answer now.
        """
        data = json.dumps(body).encode() if body is not None else None
        address = f"{self._base}{_API}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = self._send(method, address, data, {"Content-Type": "application/json"} if data else {})
        try:
            read: dict[str, Any] = json.loads(answer or b"{}")
        except ValueError:
            said = answer[:_LONGEST].decode("utf-8", "replace")
            raise self._away(f"{self.uri} is no MLflow server: it answers {said!r}") from None
        return read

    def put(self, path: str, data: bytes) -> None:
        """Store a file through the server (``mlflow-artifacts``); ``path`` is below its artifacts' root."""
        address = f"{self._base}/api/2.0/mlflow-artifacts/artifacts/{quote(path)}"
        self._send("PUT", address, data, {"Content-Type": "application/octet-stream"})

    def close(self) -> None:
        """Let go of this thread's connection."""
        if connection := getattr(self._local, "connection", None):
            connection.close()
            self._local.connection = None

    def _send(self, method: str, address: str, data: bytes | None, headers: Mapping[str, str]) -> bytes:
        try:
            status, reason, answer = self._exchange(method, address, data, {**self._headers, **headers})
        except (OSError, http.client.HTTPException) as error:
            self.close()
            why = str(error) or type(error).__name__
            raise self._away(f"{self.uri} cannot be reached: {why}") from error
        if status < 400:
            return answer
        raise self._error(status, reason, answer)

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
        connection.request(method, address, data, dict(headers))
        _quicken(connection.sock)
        answer = connection.getresponse()
        found = answer.status, answer.reason, answer.read()
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
        made.sock.settimeout(_ANSWER)
        self._local.connection = made
        return made

    def _away(self, why: str) -> TrackerUnavailable:
        return TrackerUnavailable(why, place=self.uri)

    def _error(self, status: int, reason: str, answer: bytes) -> Exception:
        code, message = "", answer[:_LONGEST].decode("utf-8", "replace").strip() or reason
        with contextlib.suppress(ValueError, AttributeError):
            said = json.loads(answer)
            code, message = said.get("error_code", ""), said.get("message", message)[:_LONGEST]
        if "Invalid Host header" in message:
            host = f"{self._host}:{self._port}" if self._port else self._host
            return self._away(f"{self.uri} refuses this address: start it with --allowed-hosts {host}")
        if status in (401, 403):
            return self._away(f"{self.uri} does not let qwex in ({status}): {message}")
        if status in _TRANSIENT:
            return self._away(f"{self.uri} cannot answer now ({status}): {message}")
        if status == 404 and not code:
            return self._away(f"{self.uri} is no MLflow server, or too old: it answers 404 {message}")
        return Refused(message, code, status)


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
