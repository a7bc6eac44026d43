"""Between worker and supervisor: length-prefixed JSON frames one way, one byte per frame back once it is in the log.

The worker waits for that byte, and the supervisor first takes in what fd 1 and 2 hold: so records and printed text
stand in the log in the program's order. An empty frame is a barrier, used where only the order matters.
"""

from __future__ import annotations

import _thread
import binascii
import contextlib
import json
import os
import struct
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from typing import Any

__all__ = ["MAX_RECORD_BYTES", "Channel", "FrameBuffer", "encode_record", "frame"]

#: Cap of one record; what is cut says so.
MAX_RECORD_BYTES = 10_000_000
_MAX_ENTRY_BYTES = 9_000_000
_MAX_TEXT_CHARS = 100_000

_LENGTH = struct.Struct(">I")


def frame(body: bytes) -> bytes:
    """``body`` with its length before it."""
    return _LENGTH.pack(len(body)) + body


class FrameBuffer:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames completed by ``data``."""
        self._data += data
        while len(self._data) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._data)[0]
            if len(self._data) < end:
                return
            body = bytes(self._data[_LENGTH.size : end])
            del self._data[:end]
            yield body


class Channel:
    """The worker's end. Safe for threads, for signal handlers, and after a fork, where it falls silent."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket: socket.socket | None = connection
        self._lock = _thread.allocate_lock()
        self._holder = 0
        self._waiting: deque[bytes] = deque()
        os.register_at_fork(after_in_child=self._forked)

    @property
    def open(self) -> bool:
        """Whether records still reach the supervisor."""
        return self._socket is not None

    def receive(self) -> bytes | None:
        """Wait for the one frame that comes from the supervisor: the job. None when the supervisor ended."""
        frames = FrameBuffer()
        while self._socket is not None and (data := self._socket.recv(1 << 20)):
            for body in frames.feed(data):
                return body
        return None

    def send(self, type: str, **fields: Any) -> None:
        """Put a record into the log; returns when it is there, or when nobody listens any more."""
        self._deliver(encode_record(type, fields))

    def barrier(self) -> None:
        """Return when everything printed so far is in the log."""
        self._deliver(b"")

    def _deliver(self, body: bytes) -> None:
        self._waiting.append(frame(body))
        if self._holder == _thread.get_ident():
            return  # in a signal handler, called within the loop below, which delivers this too
        with self._lock:
            self._holder = _thread.get_ident()
            try:
                while self._waiting:
                    self._exchange(self._waiting.popleft())
            finally:
                self._holder = 0

    def _exchange(self, data: bytes) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendall(data)
            answered = self._socket.recv(1)
        except OSError:  # the supervisor is gone, or the job closed all its files
            answered = b""
        if not answered:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = None

    def _forked(self) -> None:
        self._lock = _thread.allocate_lock()
        self._holder = 0
        self._waiting.clear()
        self._hang_up()


def encode_record(type: str, fields: dict[str, Any]) -> bytes:
    """The record as JSON, "type" first and within the cap."""
    body = _dumps({"type": type, **fields})
    if len(body) <= MAX_RECORD_BYTES:
        return body
    if "data" in fields:
        return _dumps({"type": type, **fields, "data": _fitting(fields["data"])})
    return _dumps({"type": type, **_cut(fields)})


def _fitting(data: dict[str, Any]) -> dict[str, Any]:
    """The smaller entries of a mime bundle, as far as they fit, and a line about each of the others."""
    sizes = {mime: len(_dumps(entry)) for mime, entry in data.items()}
    kept: dict[str, Any] = {}
    left = _MAX_ENTRY_BYTES
    notes = []
    for mime in sorted(data, key=sizes.__getitem__):
        if sizes[mime] <= left:
            left -= sizes[mime]
            kept[mime] = data[mime]
        else:
            notes.append(f"[{mime} of {sizes[mime]:,} bytes left out: a record holds {MAX_RECORD_BYTES:,} bytes]")
    kept["text/plain"] = "\n".join([*([str(kept["text/plain"])] if "text/plain" in kept else []), *notes])
    return kept


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MAX_TEXT_CHARS:
        return f"{value[:_MAX_TEXT_CHARS]}… [{len(value) - _MAX_TEXT_CHARS:,} more characters left out]"
    if isinstance(value, dict):
        return {key: _cut(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cut(entry) for entry in value[:50]]
    return value


def _dumps(value: Any) -> bytes:
    try:
        text = _ENCODER.encode(value)
    except ValueError:  # NaN, which JSON lacks, or an object that holds itself
        text = _ENCODER.encode(_finite(value))
    # A lone surrogate (an undecodable file name) has no place in UTF-8, nor in what reads these lines.
    return text.encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    """Bytes as nbformat writes them, array scalars as numbers, anything else as its text."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    if hasattr(value, "item") and hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return str(value)


def _finite(value: Any, depth: int = 50) -> Any:
    if isinstance(value, float) and value - value != 0:
        return None
    if not depth:
        return str(type(value))
    if isinstance(value, dict):
        return {key: _finite(entry, depth - 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry, depth - 1) for entry in value]
    return value


_ENCODER = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, skipkeys=True, default=_plain, allow_nan=False, check_circular=True
)
