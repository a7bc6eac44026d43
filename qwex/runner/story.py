"""``events.jsonl`` as the agent reads it, who did not write it: how far it has come, where a record begins, its end."""

from __future__ import annotations

import bisect
import contextlib
import json
import os
import time

from .eventfile import encode_body

__all__ = ["Story"]

_CHUNK = 1 << 20
#: Bytes between two places whose record number is remembered, at least.
_STRIDE = 1 << 18
_EXIT = b'{"type":"exit"'


class Story:
    """A log that grows by ``advance``: whole records only, numbered from 1 as they stand there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, "events.jsonl")
        self._file: int | None = None
        #: Bytes of whole records on disk.
        self.size = 0
        #: How many records there are, ``tail`` included.
        self.count = 0
        #: The exit record as long as there is no space for it on the disk.
        self.tail = b""
        self.ended = False
        #: (number of the last record before it, byte)
        self._marks = [(0, 0)]

    def advance(self) -> bool:
        """Take in the whole records that were added; whether there were any."""
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return False
        before = self.size
        while not self.ended and (data := os.pread(self._file, _CHUNK, self.size)):
            if b"\n" not in data:
                data += self._rest_of_line(self.size + len(data))
            records = data[: data.rfind(b"\n") + 1]
            if not records:
                break
            self._take(records)
        return self.size > before

    def end(self, reason: str, message: str, code: int, signal: str | None = None, *, terminated: bool) -> None:
        """Write the exit record that the runner could not: on disk, or in memory until ``settle`` succeeds."""
        said = {"code": code, "signal": signal, "reason": reason, "message": message, "terminated": terminated}
        body = encode_body("exit", **said, **dict.fromkeys(("peak_memory", "cpu_time", "duration")))
        self.count += 1
        self.ended = True
        self.tail = self.line(body, self.count)
        # Space that the runner set aside for the last records.
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self._folder, ".ballast"))

    def settle(self) -> None:
        """Put the exit record on the disk, in the place of a half-written record.

        Raises:
            OSError: there is no space; nothing has changed.
        """
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, self.size)
            if os.pwrite(fd, self.tail, self.size) < len(self.tail):
                os.ftruncate(fd, self.size)
                raise OSError("the disk is full")
        finally:
            os.close(fd)
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)
        self.size += len(self.tail)
        self.tail = b""

    def line(self, body: bytes, seq: int) -> bytes:
        """A record of the agent's own, in the runner's form."""
        where = f',"ts":{time.time():.6f},"attempt":{self.attempt},"seq":{seq}'.encode()
        at = body.index(b",")
        return body[:at] + where + body[at:] + b"\n"

    @property
    def attempt(self) -> int:
        """From the job's description."""
        try:
            with open(os.path.join(self._folder, "job.json"), "rb") as file:
                return int(json.load(file)["attempt"])
        except (OSError, ValueError, LookupError, TypeError):
            return 1

    def fileno(self) -> int:
        """The open file; there is one as soon as ``size`` is not 0."""
        assert self._file is not None
        return self._file

    def read(self, offset: int, count: int) -> bytes:
        """Bytes of whole records on disk."""
        count = min(count, self.size - offset)
        return os.pread(self.fileno(), count, offset) if count > 0 else b""

    def last(self) -> bytes:
        """The last record; none before the first."""
        return self.tail or (self.read(self.offset(self.count - 1), self.size) if self.count else b"")

    def offset(self, seq: int) -> int:
        """The byte at which the record after number ``seq`` begins."""
        if seq >= self.count:
            return self.size
        number, offset = self._marks[bisect.bisect_right(self._marks, (seq, self.size)) - 1]
        left = seq - number
        while left and (data := self.read(offset, _CHUNK)):
            lines = data.count(b"\n")
            if lines >= left:
                return offset + _after_lines(data, left)
            left -= lines
            offset += len(data)
        return offset

    def _take(self, records: bytes) -> None:
        self.size += len(records)
        self.count += records.count(b"\n")
        if self.size - self._marks[-1][1] >= _STRIDE:
            self._marks.append((self.count, self.size))
        self.ended = records.startswith(_EXIT, records.rfind(b"\n", 0, -1) + 1)

    def _rest_of_line(self, offset: int) -> bytes:
        """Of a record that is longer than a chunk; it may be half written."""
        parts = []
        while data := os.pread(self.fileno(), _CHUNK, offset):
            parts.append(data)
            offset += len(data)
            if b"\n" in data:
                break
        return b"".join(parts)


def _after_lines(data: bytes, count: int) -> int:
    at = 0
    for _ in range(count):
        at = data.index(b"\n", at) + 1
    return at
