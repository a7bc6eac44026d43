"""Reading what a runner writes: the event file of an attempt, and the bell that says when there is more."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from qwex.events import is_type
from qwex.jobfolder import exit_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Bell", "EventFile", "Lines", "Rings", "claim"]

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_EDGE = 8192


def claim(folder: Path) -> bool:
    """Whether no runner has begun in ``folder``; after True none ever will."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    try:
        os.close(os.open(folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


class Bell:
    """The reading end of an attempt's FIFO. Needs a running loop; a folder without a bell stays silent."""

    def __init__(self, folder: Path, on_ring: Callable[[], object], on_silence: Callable[[], None]) -> None:
        self._on_ring = on_ring
        #: Called once, when the runner has let go of the bell, which it does by ending.
        self._on_silence = on_silence
        self._loop = asyncio.get_running_loop()
        self._fd: int | None = None
        try:
            self._fd = os.open(folder / "bell", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        self._loop.add_reader(self._fd, self._hear)

    @property
    def held(self) -> bool:
        """Whether a runner holds the other end now."""
        if self._fd is None:
            return False
        try:
            return bool(os.read(self._fd, _EDGE))
        except BlockingIOError:
            return True

    def close(self) -> None:
        """Stop listening. Safe to repeat."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None

    def _hear(self) -> None:
        assert self._fd is not None
        try:
            rung = os.read(self._fd, _EDGE)
        except BlockingIOError:
            return
        if rung:
            self._on_ring()
        else:
            self.close()
            self._on_silence()


class EventFile:
    """The two records of an attempt that say where it stands: its first (``start``) and its last (``exit``)."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "events.jsonl"
        self._seen = 0
        self.start: dict[str, Any] | None = None
        self.exit: dict[str, Any] | None = None

    def look(self) -> bool:
        """Read what is new at the file's two edges; False when it cannot be read now, as when too many are open."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError as error:
            log.warning("%s cannot be read now: %s", self._path, error)
            return False
        try:
            size = os.fstat(fd).st_size
            if size != self._seen:
                self._read(fd, size)
                self._seen = size
        finally:
            os.close(fd)
        return True

    def _read(self, fd: int, size: int) -> None:
        begin = max(size - _EDGE, 0)
        end = os.pread(fd, _EDGE, begin)
        if self.start is None:
            self.start = _record(end if begin == 0 else os.pread(fd, _EDGE, 0), 0, "start")
        if self.exit is None and end.endswith(b"\n"):
            # An exit record holds one sentence, so it lies whole in the last bytes.
            self.exit = exit_of(end[end.rfind(b"\n", 0, -1) + 1 : -1])


def _record(data: bytes, at: int, type: str) -> dict[str, Any] | None:
    line, newline, _ = data[at:].partition(b"\n")
    if not newline or not is_type(line, type):
        return None
    record: dict[str, Any] = json.loads(line)
    return record


class Lines:
    """An attempt's records from number ``skip + 1`` on, as whole lines; the line's number is the record's ``seq``."""

    def __init__(self, folder: Path, skip: int) -> None:
        self._path = folder / "events.jsonl"
        self._skip = skip
        self._offset = 0
        self._fd: int | None = None

    def read(self) -> bytes:
        """More lines, about 1 MiB at most unless one is longer; empty if there are none now."""
        size = _CHUNK
        while data := self._pread(size):
            end = data.rfind(b"\n") + 1
            if end:
                self._offset += end
                wanted = self._after_skipped(data[:end])
                if wanted:
                    return wanted
            elif len(data) < size:
                return b""
            else:
                size *= 2
        return b""

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _pread(self, size: int) -> bytes:
        if self._fd is None:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
        return os.pread(self._fd, size, self._offset)

    def _after_skipped(self, lines: bytes) -> bytes:
        if not self._skip:
            return lines
        count = lines.count(b"\n")
        if count <= self._skip:
            self._skip -= count
            return b""
        wanted = lines.split(b"\n", self._skip)[-1]
        self._skip = 0
        return wanted


class Rings:
    """Who waits for news of which job. There is no await between looking and ``wait``, so that none is missed."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    async def wait(self, run_id: str) -> None:
        """Until ``ring``."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run_id, []).append(future)
        await future

    def ring(self, run_id: str) -> None:
        """Wake all who wait for this job."""
        for future in self._waiting.pop(run_id, ()):
            if not future.done():
                future.set_result(None)

    def ring_all(self) -> None:
        """Wake everybody."""
        for run_id in list(self._waiting):
            self.ring(run_id)
