"""An HTTP proxy on loopback that misbehaves on demand, and remembers what was asked."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Asked", "Proxy", "answer", "corrupted", "cut", "dripping", "lost"]

_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    #: With its query.
    path: str
    #: Of the body.
    size: int


@dataclass
class _Fault:
    act: Callable[[_Handler, bytes], None]
    method: str
    path: str
    left: int


class Proxy:
    """Passes everything on to one server, but for its faults. PUTs are passed on one after the other."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.asked: list[Asked] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self.writing = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, act: Callable[[Any, bytes], None], method: str = ".*", path: str = "", times: int = 10**9) -> None:
        """Do this instead of passing on requests whose method and path match, so many times."""
        self._faults.append(_Fault(act, method, path, times))

    def mend(self) -> None:
        """No more faults."""
        self._faults.clear()

    def find(self, asked: Asked) -> _Fault | None:
        """Note the request; the fault that it meets."""
        with self._lock:
            self.asked.append(asked)
            for fault in self._faults:
                if fault.left and re.fullmatch(fault.method, asked.method) and re.search(fault.path, asked.path):
                    fault.left -= 1
                    return fault
        return None

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(status: int, code: str = "") -> Callable[[Any, bytes], None]:
    """An answer of the proxy's own, with the code of an S3 error."""

    def act(handler: _Handler, _: bytes) -> None:
        body = f"<Error><Code>{code}</Code><Message>as asked</Message></Error>".encode() if code else b""
        handler.reply(status, [("content-type", "application/xml")], b"" if handler.command == "HEAD" else body)

    return act


def cut(handler: Any, _: bytes) -> None:
    """The connection ends without an answer, and nothing was passed on."""
    handler.hang_up()


def lost(handler: Any, body: bytes) -> None:
    """The request is passed on; its answer is not."""
    handler.ask(body)
    handler.hang_up()


def corrupted(handler: Any, body: bytes) -> None:
    """The first byte of what is sent, or of what comes back, is another."""
    status, headers, answered = handler.ask(_other(body))
    handler.reply(status, headers, answered if body else _other(answered))


def _other(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:] if data else data


def dripping(handler: Any, _: bytes) -> None:
    """An answer of which a byte comes now and then, without end."""
    handler.send_response(206)
    handler.send_header("content-range", "bytes 0-8388607/8388608")
    handler.send_header("content-length", str(8 << 20))
    handler.send_header("last-modified", "Fri, 27 Nov 2026 00:00:00 GMT")
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            if handler.gone(0.02):
                break
    handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    proxy: Proxy

    def handle_error(self, *_: object) -> None:
        """Connections that were cut on purpose need no traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.server.proxy.find(Asked(self.command, self.path, len(body)))
        if fault:
            fault.act(self, body)
            return
        with self.server.proxy.writing if self.command == "PUT" else contextlib.nullcontext():
            status, headers, answered = self.ask(body)
        self.reply(status, headers, answered)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815 - the base class calls them so

    def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the server behind."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.endheaders(body)
            got = connection.getresponse()
            kept = [(name, value) for name, value in got.getheaders() if name.lower() not in _HOP]
            return got.status, kept, got.read()
        finally:
            connection.close()

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer; of a HEAD the length is that of what would have come."""
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        """Close the connection at once."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def gone(self, seconds: float) -> bool:
        """Whether the client leaves within so long."""
        self.connection.settimeout(seconds)
        try:
            return not self.connection.recv(1)
        except TimeoutError:
            return False
        finally:
            self.connection.settimeout(None)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
