"""A relay between a controller and its API server: connections are cut, and answers held back, when a test says so."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Relay"]


class Relay:
    """Bytes go both ways, unread, in threads that end with the relay."""

    def __init__(self, url: str) -> None:
        """``url`` is the API server's."""
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._lost: set[socket.socket] = set()
        self._answers = threading.Event()
        self.connections = 0
        self._answers.set()
        self._open = True
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._open = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self._answers.set()
        self.cut()

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(ends) // 2

    def lose(self) -> None:
        """What is said on the connections there are arrives nowhere, and nobody is told; new ones are as before."""
        with self._lock:
            self._lost |= self._ends

    def hold_answers(self) -> None:
        """From now on what the API server says does not arrive; what it is told does."""
        self._answers.clear()

    def release_answers(self) -> None:
        """It all arrives."""
        self._answers.set()

    def _accept(self) -> None:
        while self._open:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._ends |= {near, far}
            self.connections += 1
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near), kwargs={"held": True}, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, *, held: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if held:
                    self._answers.wait()
                if source in self._lost:
                    continue
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
