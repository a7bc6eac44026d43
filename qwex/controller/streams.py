"""Endless answers: a job's events, its text, everybody's changes. Nothing is buffered for a reader that is slow."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qwex.controller.eventlog import Cursor
from qwex.controller.explaining import why
from qwex.controller.records import DROPPABLE, are_streams, damaged, type_of
from qwex.controller.textlog import text_of_lines
from qwex.machines import MachineGone, MachineRecord
from qwex.record import JobRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from qwex.controller.backends import Backends
    from qwex.controller.bus import Bus, Change
    from qwex.controller.eventlog import EventLog, Logs
    from qwex.controller.job import LiveJob

__all__ = ["PING", "Streams", "Wanted"]

PING = b": ping\n\n"
#: Seconds of silence after which a comment is sent.
_PING_SECONDS = 15.0
#: Seconds between two answers to why, however much changes, and if nothing seems to.
_WHY_SECONDS, _WHY_AGAIN_SECONDS = 0.25, 5.0
#: What changes are called in a stream of them.
_EVENTS = {JobRecord: b"job", MachineRecord: b"machine", MachineGone: b"machine-gone"}


@dataclass(frozen=True)
class Wanted:
    """Which of a job's records: those after number ``after``; ``follow`` waits for more until the job has ended."""

    after: int = 0
    follow: bool = True
    why: bool = False
    #: Empty means all.
    types: frozenset[bytes] = frozenset()
    #: The last number; None means the end.
    until: int | None = None
    #: Of the output only what lies in so many bytes before the log's present end, for readers that begin at its start;
    #: None means all.
    tail: int | None = None


class Streams:
    """Bytes for readers; each stream ends by itself, when its reader goes, or when the controller closes."""

    def __init__(self, logs: Logs, bus: Bus, backends: Backends, followed: Callable[[LiveJob], None]) -> None:
        self._logs = logs
        self._followed = followed
        self._bus = bus
        self._backends = backends
        self._closing = False

    def close(self) -> None:
        """End every stream; readers come back to the next controller with the last id they saw."""
        self._closing = True
        self._logs.wake_all()
        self._bus.end()

    async def events(self, job: LiveJob, wanted: Wanted) -> AsyncIterator[bytes]:
        """Server-sent events of one job."""
        with await self._reading(job, wanted) as reading:
            teller = _Teller(wanted.why)
            while True:
                if lines := reading.read():
                    if frames := _frames(lines, reading.line - lines.count(b"\n"), wanted.types, reading.hidden):
                        yield frames
                    else:
                        await asyncio.sleep(0)  # others have their turn while a long log is passed over
                    continue
                if self._closing or reading.over:
                    return
                if teller.due and (frame := teller.news(await self._why(job))):
                    yield frame
                if await reading.wait(teller.patience):
                    teller.stale = teller.wanted
                elif not teller.stale:
                    teller.stale = teller.wanted
                    yield PING

    async def text(self, job: LiveJob, wanted: Wanted) -> AsyncIterator[bytes]:
        """A job's output as a terminal would have shown it."""
        with await self._reading(job, wanted) as reading:
            while True:
                if lines := reading.read():
                    if text := text_of_lines(lines):
                        yield text.encode("utf-8", "backslashreplace")
                elif self._closing or reading.over:
                    return
                else:
                    await reading.wait(None)

    async def changes(self, shown: Callable[[Change], Change | None]) -> AsyncIterator[bytes]:
        """Server-sent events of all changes from now on, as ``shown`` lets them through."""
        subscription = self._bus.subscribe()
        try:
            # The head of the answer goes out with the first bytes: the reader knows that it is subscribed.
            yield b": subscribed\n\n"
            while not self._closing:
                if not await _woken(subscription.wake, _PING_SECONDS):
                    yield PING
                told = [change for each in subscription.take() if (change := shown(each))]
                if frames := b"".join(map(_change, told)):
                    yield frames
        finally:
            self._bus.unsubscribe(subscription)

    async def _why(self, job: LiveJob) -> bytes:
        """The answer to why as a frame; empty once the job does not wait any more."""
        if job.record.state.terminal or job.record.started_at:
            return b""
        answer = await why(job.record, self._backends)
        return b"event: why\ndata: %b\n\n" % json.dumps(answer.as_dict(), separators=(",", ":")).encode()

    async def _reading(self, job: LiveJob, wanted: Wanted) -> _Reading:
        # A stream begins some time after it was asked for: the record is looked at now, since a job that has ended
        # meanwhile must not be waited for.
        reading = _Reading(self._logs, await self._logs.read(job.record), job, wanted, self._bus)
        if wanted.follow:
            self._followed(job)
        return reading


class _Reading:
    """One reader of one log."""

    def __init__(self, logs: Logs, log: EventLog, job: LiveJob, wanted: Wanted, bus: Bus) -> None:
        self._logs = logs
        self._job = job
        #: Who waits for more is counted before anything is awaited.
        job.followers += wanted.follow
        self._log = log
        self._wanted = wanted
        self._bus = bus
        self._wake = asyncio.Event()
        self._cursor = Cursor(log, wanted.after)
        #: The number of the last record that was read.
        self.line = 0
        #: Output up to that number is left out. Whoever reads on gets all that was said meanwhile.
        self.hidden = 0
        if wanted.tail is not None and not wanted.after:
            self.hidden = log.lines_before(log.size - wanted.tail)

    def __enter__(self) -> _Reading:
        self._log.subscribe(self._wake)
        if self._wanted.why:
            self._bus.wake_on_change(self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        self._job.followers -= self._wanted.follow
        self._log.unsubscribe(self._wake)
        self._bus.forget(self._wake)
        self._logs.release(self._log)

    def read(self) -> bytes:
        """The next lines; empty if there are none now."""
        lines, self.line = self._cursor.read(), self._cursor.line
        if self._wanted.until is None or self.line <= self._wanted.until:
            return lines
        kept = lines.split(b"\n")[: -1 - (self.line - self._wanted.until)]
        self.line = self._wanted.until
        return b"".join(line + b"\n" for line in kept)

    @property
    def over(self) -> bool:
        """Whether nothing more will come, when there is nothing to read now."""
        return not self._wanted.follow or self._log.ended

    async def wait(self, seconds: float | None) -> bool:
        """Until there may be something new; False when nothing was for so long."""
        return await _woken(self._wake, seconds)


class _Teller:
    """When to ask why again: after a change, not more often than every ``_WHY_SECONDS``, until the job has started."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        #: Something has changed since the last answer.
        self.stale = wanted
        self._said = b""
        self._next = 0.0

    @property
    def due(self) -> bool:
        """Whether to ask now."""
        return self.stale and time.monotonic() >= self._next

    @property
    def patience(self) -> float:
        """Seconds of silence to wait for; what is said of a place elsewhere can change without a sound."""
        if self.stale:
            return _WHY_SECONDS
        return _WHY_AGAIN_SECONDS if self.wanted else _PING_SECONDS

    def news(self, frame: bytes) -> bytes:
        """The frame if it says something new, else nothing."""
        self.stale = False
        self._next = time.monotonic() + _WHY_SECONDS
        self.wanted = bool(frame)
        before, self._said = self._said, frame
        return frame if frame != before else b""


async def _woken(wake: asyncio.Event, seconds: float | None) -> bool:
    try:
        await asyncio.wait_for(wake.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    wake.clear()
    return True


def _frames(lines: bytes, number: int, types: frozenset[bytes], hidden: int) -> bytes:
    """The lines after number ``number`` as frames; one that is no record becomes a notice that says so.

    Of ``types``, if there are any; no output up to number ``hidden``.
    """
    if number + lines.count(b"\n") <= hidden and are_streams(lines):
        return b""
    told = ((id, line, type_of(line)) for id, line in enumerate(lines.split(b"\n")[:-1], number + 1))
    return b"".join(
        b"id: %d\nevent: %b\ndata: %b\n\n" % ((id, type, line) if type else (id, b"notice", damaged(id)))
        for id, line, type in told
        if (type in types or not types) and (id > hidden or type not in DROPPABLE)
    )


def _change(change: Change) -> bytes:
    data = json.dumps(vars(change), separators=(",", ":")).encode()
    return b"event: %b\ndata: %b\n\n" % (_EVENTS[type(change)], data)
