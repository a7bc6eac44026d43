"""A job's story on disk: one append-only file of whole lines; a record's id is its line number, from 1.

Durability: a line is in the operating system's hands when ``append`` returns, so it survives any death of qwex. It is
flushed to disk when the job ends; after a power cut the last moments of a running job's output can be missing.

The first records of a job, ``PENDING`` and ``QUEUED``, are told by its row, so a job that only waits needs no file.
They lie, like everything a full disk does not take, in ``unwritten``: readers see it as the end of the file, and it
goes to disk with the next record that does.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from qwex import events
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qwex.record import JobRecord

__all__ = ["Cursor", "EventLog", "Logs", "seeds", "stored", "tail", "whole_lines"]

_CHUNK = 1 << 18
#: Bytes between two entries of the index from line numbers to offsets.
_STRIDE = 1 << 18
#: Files up to this size are read on the event loop when they are opened, larger ones on a thread.
_SMALL = 1 << 22
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class EventLog:
    """The log of one job, shared by all who read or write it; opened by ``Logs``, closed by its last user."""

    def __init__(self, path: Path, first: bytes, make_space: Callable[[], None]) -> None:
        self.path = path
        self.unwritten = first
        self.lines = first.count(b"\n")
        #: Bytes on disk.
        self.size = 0
        #: Nothing will be appended any more.
        self.ended = False
        self.users = 0
        self.fd = -1
        self._make_space = make_space
        self._index: list[tuple[int, int]] = [(0, 0)]
        self._waiting: set[asyncio.Event] = set()

    def load(self, writable: bool) -> None:
        """Count the lines of an existing file, and cut off a last one that is torn."""
        try:
            self.fd = os.open(self.path, (os.O_RDWR | os.O_APPEND if writable else os.O_RDONLY) | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        counted = self.lines
        for offset, chunk in whole_lines(self.fd):
            self._enter(offset, chunk)
        if self.size:
            self.unwritten, self.lines = b"", self.lines - counted
        if writable and os.fstat(self.fd).st_size > self.size:
            os.ftruncate(self.fd, self.size)

    def append(self, lines: bytes, *, essential: bool = False) -> bool:
        """Add whole lines and wake the readers; False when the disk does not take them.

        What is ``essential`` is kept in memory then, and goes to disk with the next lines that do.
        """
        written = self._write(self.unwritten + lines)
        if not written and essential:
            self._make_space()
            written = self._write(self.unwritten + lines)
        if written:
            self._enter(self.size, self.unwritten + lines, new=lines)
            self.unwritten = b""
        elif essential:
            self.hold(lines)
        else:
            return False
        self._ring()
        return True

    def hold(self, lines: bytes) -> None:
        """Add whole lines without writing them: the row tells them too, or the disk is full."""
        self.unwritten += lines
        self.lines += lines.count(b"\n")
        self._ring()

    def end(self) -> None:
        """Nothing more will come: readers may go."""
        self.ended = True
        self._ring()

    def sync(self) -> None:
        """Flush to disk. May block; safe from any thread."""
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def locate(self, after: int) -> tuple[int, int]:
        """A line number not greater than ``after``, and the offset just behind that line."""
        return self._index[bisect_right(self._index, (after, 1 << 62)) - 1]

    def lines_before(self, offset: int) -> int:
        """How many of the lines on disk begin before that offset."""
        if offset <= 0:
            return 0
        line, known = self._index[bisect_left(self._index, offset, key=lambda entry: entry[1]) - 1]
        return line + os.pread(self.fd, offset - 1 - known, known).count(b"\n") + 1

    def subscribe(self, wake: asyncio.Event) -> None:
        """Set ``wake`` whenever the log grows or ends."""
        self._waiting.add(wake)

    def unsubscribe(self, wake: asyncio.Event) -> None:
        """The inverse of ``subscribe``."""
        self._waiting.discard(wake)

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _ring(self) -> None:
        for wake in self._waiting:
            wake.set()

    def _enter(self, offset: int, chunk: bytes, new: bytes | None = None) -> None:
        """Count ``chunk``, which lies at ``offset`` now; of its lines only ``new`` ones were not counted before."""
        if new is None:
            new = chunk
        if offset - self._index[-1][1] >= _STRIDE:
            self._index.append((self.lines - (chunk.count(b"\n") - new.count(b"\n")), offset))
        self.lines += new.count(b"\n")
        self.size = offset + len(chunk)

    def _write(self, data: bytes) -> bool:
        """Append all of it, or leave the file as it was."""
        try:
            if self.fd < 0:
                self.path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
                self.fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.write(self.fd, data) == len(data):
                return True
        except OSError as error:
            if error.errno not in _FULL:
                raise
        if self.fd >= 0:
            os.ftruncate(self.fd, self.size)
        return False


class Cursor:
    """Reads a log's whole lines from number ``after + 1`` on. Holds a place, no data."""

    def __init__(self, log: EventLog, after: int) -> None:
        self._log = log
        self._wanted = after
        #: The line just before the place.
        self.line, self._offset = log.locate(after)

    @property
    def left(self) -> int:
        """About how many bytes there are to read now."""
        return self._log.size - self._offset + len(self._log.unwritten)

    def read(self, size: int = _CHUNK) -> bytes:
        """The next lines, about so many bytes unless one is longer; empty if there are none now."""
        while chunk := self._next(size):
            self._offset += len(chunk)
            count = chunk.count(b"\n")
            skip, self.line = max(self._wanted - self.line, 0), self.line + count
            if skip < count:
                return chunk.split(b"\n", skip)[-1] if skip else chunk
        return b""

    def _next(self, size: int) -> bytes:
        log = self._log
        while self._offset < log.size:
            data = os.pread(log.fd, min(size, log.size - self._offset), self._offset)
            if end := data.rfind(b"\n") + 1:
                return data[:end]
            if len(data) < size:
                return b""
            size *= 2
        return log.unwritten[self._offset - log.size :]


class Logs:
    """The logs of all jobs: ``<folder>/<last two of the id>/<run id>.jsonl``."""

    def __init__(self, folder: Path, make_space: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._make_space = make_space
        self._open: dict[str, EventLog] = {}

    def path(self, run_id: str) -> Path:
        """Where the job's log is or will be; sharded by the id's random end."""
        return self._folder / run_id[-2:].strip("-") / f"{run_id}.jsonl"

    def write(self, record: JobRecord) -> EventLog:
        """The log of a job that has not ended, to append to; ``release`` it."""
        log = self._open.get(record.id)
        if log is None:
            log = self._open[record.id] = EventLog(self.path(record.id), seeds(record), self._make_space)
            log.load(writable=True)
        log.users += 1
        return log

    def held(self, run_id: str) -> EventLog | None:
        """The job's log if someone uses it now."""
        return self._open.get(run_id)

    async def read(self, record: JobRecord) -> EventLog:
        """The log of any job, to read; ``release`` it."""
        log = self._open.get(record.id)
        if log is None and not record.state.terminal:
            return self.write(record)
        if log is None:
            log = EventLog(self.path(record.id), seeds(record), self._make_space)
            await self._load(log)
            log.ended = True
        log.users += 1
        return log

    def release(self, log: EventLog) -> None:
        """The inverse of ``write`` and ``read``."""
        log.users -= 1
        if not log.users:
            log.close()
            if self._open.get(log.path.stem) is log:
                del self._open[log.path.stem]

    def remove(self, run_id: str) -> int:
        """Remove the log of a job that has ended; how many bytes that were. Who reads it has it to its end. Blocks."""
        size = self.size(run_id)
        self.path(run_id).unlink(missing_ok=True)
        return size

    def size(self, run_id: str) -> int:
        """Bytes of a job's log on disk. Blocks."""
        with contextlib.suppress(FileNotFoundError):
            return self.path(run_id).stat().st_size
        return 0

    def all(self) -> dict[str, float]:
        """Every job that has a log on disk, by its run id, and when that was last written to. Blocks."""
        found = {}
        for path in self._folder.glob("*/*.jsonl"):
            with contextlib.suppress(FileNotFoundError):
                found[path.stem] = path.stat().st_mtime
        return found

    def wake_all(self) -> None:
        """Wake every reader of a job that has not ended."""
        for log in self._open.values():
            log.hold(b"")

    @staticmethod
    async def _load(log: EventLog) -> None:
        size = 0
        with contextlib.suppress(FileNotFoundError):  # a job that never started, or that was just removed
            size = log.path.stat().st_size
        if size > _SMALL:
            await asyncio.to_thread(log.load, writable=False)
        else:
            log.load(writable=False)


def seeds(record: JobRecord) -> bytes:
    """The records that a job's row tells, the same each time."""
    moves = [(JobState.PENDING, record.created_at), (JobState.QUEUED, record.queued_at)]
    return b"".join(
        events.encode("state", ts, 1, state=state.value, reason="", message="", exit_code=None)
        for state, ts in moves
        if ts is not None
    )


def tail(path: Path, size: int) -> bytes:
    """The whole lines in the last ``size`` bytes of a log's file; empty without one. Blocks; safe from any thread."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        offset = max(os.fstat(fd).st_size - size, 0)
        data = os.pread(fd, size, offset)
    finally:
        os.close(fd)
    begin = data.find(b"\n") + 1 if offset else 0
    return data[begin : data.rfind(b"\n") + 1]


def stored(path: Path) -> Iterator[bytes]:
    """A log's file in pieces of whole lines; nothing without one. Blocks; safe from any thread."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for _, lines in whole_lines(fd):
            yield lines
    finally:
        os.close(fd)


def whole_lines(fd: int, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of one piece of the file after the other, each of whole lines; not of a torn last one."""
    size = _CHUNK * 4
    while data := os.pread(fd, size, offset):
        if end := data.rfind(b"\n") + 1:
            yield offset, data[:end]
            offset += end
        elif len(data) < size:
            return
        else:
            size *= 2
