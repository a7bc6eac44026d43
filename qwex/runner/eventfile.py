"""``events.jsonl``: records numbered and appended by the supervisor alone, whole lines or none, each flush rung."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["BALLAST", "CLAIMED", "EventFile", "encode_body"]

#: Bytes set aside for the records that must be written on a full disk.
BALLAST = 64 * 1024
#: Another process has claimed the folder.
CLAIMED = FileExistsError

#: Dropped when the log is full; everything else is the job's state and always written.
_OUTPUT = tuple(
    b'{"type":"%b"' % kind for kind in (b"stream", b"display", b"update_display", b"clear_output", b"result")
)


def encode_body(type: str, **fields: Any) -> bytes:
    """A record without its common keys, "type" first; ``EventFile.append`` puts them in."""
    record = {"type": type, **fields}
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


class EventFile:
    """The attempt's log. Creating it claims the folder.

    A record that cannot be written (disk full, quota, file size limit) leaves no torn line: output is dropped and
    counted, and a notice says how much as soon as writing works again; a record of state is tried again with the space
    that was set aside.

    Raises:
        CLAIMED: the file exists.
    """

    def __init__(self, folder: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._fd = os.open(os.path.join(folder, "events.jsonl"), flags, 0o600)
        self._bell = _open_bell(os.path.join(folder, "bell"))
        self._ballast = os.path.join(folder, ".ballast")
        self._seq = 0
        self._size = 0
        self._lost = 0
        self._full = False
        self._reserved = False
        self.attempt = 1
        self.max_bytes = sys.maxsize

    def reserve(self) -> None:
        """Set space aside for the last records. A log that grows does so by itself."""
        self._reserved = True
        with contextlib.suppress(OSError):
            fd = os.open(self._ballast, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(fd, 0, BALLAST)
                else:
                    os.write(fd, bytes(BALLAST))
            finally:
                os.close(fd)

    def write(self, type: str, **fields: Any) -> bool:
        """Append one record made of ``fields``."""
        return self.append(encode_body(type, **fields))

    def add(self, type: str, **fields: Any) -> bool:
        """Append a record if there is room for it beside what is set aside for the last ones."""
        return self._put(encode_body(type, **fields))

    def append(self, body: bytes) -> bool:
        """Append a record given as ``encode_body`` makes it; whether it is in the log."""
        is_output = body.startswith(_OUTPUT)
        if is_output and self._size + len(body) > self.max_bytes:
            self._log_full()
            return False
        if self._put(body):
            return True
        if is_output:
            self._lost += len(body)
            return False
        self._free()
        return self._put(body)

    def close(self) -> None:
        """Free what was set aside and let go of the bell: nothing follows."""
        self._free()
        os.close(self._fd)
        if self._bell is not None:
            os.close(self._bell)

    def _put(self, body: bytes) -> bool:
        """Append a whole line, after the notice of what was lost before it; nothing, and false, without room for it."""
        bodies = [self._lost_notice(), body] if self._lost else [body]
        lines = memoryview(b"".join(self._line(self._seq + n, each) for n, each in enumerate(bodies, 1)))
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._fd, lines[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            return False
        self._lost = 0
        self._seq += len(bodies)
        self._size += len(lines)
        self._ring()
        if self._size > BALLAST and not self._reserved:
            self.reserve()
        return True

    def _line(self, seq: int, body: bytes) -> bytes:
        head = f',"ts":{time.time():.6f},"attempt":{self.attempt},"seq":{seq}'.encode()
        type_end = body.find(b",")
        type_end = len(body) - 1 if type_end < 0 else type_end
        return b"%b%b%b\n" % (body[:type_end], head, body[type_end:])

    def _log_full(self) -> None:
        if not self._full:
            self._full = True
            message = f"The log has reached its limit of {self.max_bytes:,} bytes; output after this is not kept."
            self.write("notice", level="warning", code="log-full", message=message)

    def _lost_notice(self) -> bytes:
        message = f"The disk was full; {self._lost:,} bytes of output are lost."
        return encode_body("notice", level="warning", code="disk-full", message=message, lost=self._lost)

    def _free(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._ballast)

    def _ring(self) -> None:
        if self._bell is not None:
            with contextlib.suppress(OSError):
                os.write(self._bell, b"\n")


def _open_bell(path: str) -> int | None:
    """Held open for life, for writing without a reader too: its end tells readers that this process is gone."""
    try:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
