"""Carries what a job prints from its backend to its log, one attempt at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, cast

from qwex import events
from qwex.backend import Capability
from qwex.controller.records import DROPPABLE, find, last_position, lines_of, type_of, values_in
from qwex.errors import BackendUnavailable, QwexError
from qwex.jobfolder import exit_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from qwex.backend import Backend
    from qwex.controller.eventlog import EventLog
    from qwex.controller.job import LiveJob
    from qwex.controller.tracking import Tracking
    from qwex.state import Position

__all__ = ["Pump"]

log = logging.getLogger(__name__)

#: Seconds before each further try while the backend's output cannot be read.
_PAUSES = (0.2, 1.0, 5.0, 15.0, 30.0)


class Pump:
    """One attempt's output, from ``job.position`` on. Ends with the attempt's ``exit`` record, or with the output.

    Lines travel unchanged. Where the log may not or cannot grow, output is dropped and a notice says so; records that
    are part of the job's state are kept.
    """

    def __init__(self, job: LiveJob, backend: Backend[Any], max_bytes: int, tracking: Tracking) -> None:
        assert job.log is not None
        self._job = job
        self._log: EventLog = job.log
        self._backend = backend
        self._max_bytes = max_bytes
        self._tracking = tracking
        self._attempt = job.record.attempt
        #: Bytes of output that the disk did not take and no notice has told yet.
        self._lost = 0
        self._full = False
        self._draining = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    @property
    def stopped(self) -> bool:
        """Whether nobody reads any more, though the attempt's end was not read: another pump may find more.

        While it is drained, what it could not read is told, and no other takes its place.
        """
        return self.task.done() and self._job.exit is None and not self._draining.is_set()

    async def reached(self, last: Position) -> None:
        """Return once the log has the record ``last``, or nothing more will come."""
        wake = asyncio.Event()
        self._log.subscribe(wake)
        self.task.add_done_callback(lambda task: wake.set())
        try:
            while self._job.position < last and not self.task.done():
                await wake.wait()
                wake.clear()
        finally:
            self._log.unsubscribe(wake)

    async def drain(self, seconds: float) -> bool:
        """Stop reading once the attempt's output is in the log, or nothing came for so long; whether all is there."""
        self._draining.set()
        position = None
        while not self.task.done() and position != self._job.position:
            position = self._job.position
            await asyncio.wait([self.task], timeout=seconds)
        whole = self.task.done()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        if self._lost:
            self._log.append(self._lost_notice(), essential=True)
        return whole

    async def _run(self) -> None:
        if self._job.exit:
            return
        tries, why = 0, ""
        while tries < len(_PAUSES) or not self._draining.is_set():
            before = self._job.position
            try:
                await self._read()
                self._end()
                return
            except BackendUnavailable as error:
                why = str(error)
                log.warning("the output of %s cannot be read: %s", self._job.id, error)
            except Exception as error:
                why = str(error) if isinstance(error, QwexError) else type(error).__name__
                log.exception("the output of %s cannot be read", self._job.id)
                if self._draining.is_set():
                    break
            tries = tries + 1 if self._job.position == before else 0
            await self._pause(_PAUSES[min(tries, len(_PAUSES) - 1)])
        message = f"the rest of the output could not be read from the backend: {why}"
        self._log.append(self._notice("output-lost", message), essential=True)

    def _end(self) -> None:
        """There is no more. A place that is gone took the end with it, if nobody had read that before."""
        job, fleeting = self._job, Capability.FLEETING in self._backend.capabilities
        if self._draining.is_set() and job.exit is None and job.record.started_at and fleeting:
            missing = "the end of" if job.position.attempt == self._attempt else "all of"
            message = f"its place was gone before all that it said was read: {missing} its output may be missing"
            self._log.append(self._notice("output-lost", message), essential=True)

    async def _pause(self, seconds: float) -> None:
        """Wait; less when the job ends meanwhile."""
        if self._draining.is_set():
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._draining.wait(), seconds)

    async def _read(self) -> None:
        native_id = self._job.record.native_id or self._job.id
        stream = self._backend.output(native_id, self._job.position)
        async with contextlib.aclosing(cast("AsyncGenerator[bytes, None]", stream)) as chunks:
            async for chunk in chunks:
                if not self._take(chunk):
                    return
                # A backend whose output is at hand may never suspend; others must have their turn.
                await asyncio.sleep(0)

    def _take(self, lines: bytes) -> bool:
        """Add lines to the log; False when there will be no more of this attempt."""
        if any(
            lines_of(lines, "state")
        ):  # the controller's own; whoever writes one into a job's output is not the runner
            lines = b"".join(line for line in lines.splitlines(keepends=True) if type_of(line) != b"state")
        position = last_position(lines)
        further = position is not None and position.attempt > self._attempt
        if further:
            lines = _of_attempt(lines, self._attempt)
            position = last_position(lines)
        if position:
            self._job.position = position
        for value in values_in(lines):
            self._job.produced = {**self._job.produced, value["name"]: value}
        for cell in find(lines, "cell"):
            self._job.cell = cell
        # The records may begin with the end of an attempt before this one, whose drain was cut short.
        exits = (
            exit for line in lines_of(lines, "exit") if (exit := exit_of(line)) and exit["attempt"] == self._attempt
        )
        self._job.exit = next(exits, None)
        self._tracking.grew(self._job, self._append(lines), at_once=False)
        return self._job.exit is None and not further

    def _append(self, lines: bytes) -> bytes:
        """Add the lines, or those of them that there is room for; what was added."""
        if self._log.size + len(lines) > self._max_bytes:
            kept = (b"" if self._full else self._full_notice()) + _of_state(lines)
            self._full = True
            return self._append_essential(kept)
        whole = self._lost_notice() + lines if self._lost else lines
        if self._log.append(whole):
            self._lost = 0
            return whole
        kept = _of_state(lines)
        self._lost += len(lines) - len(kept)
        return self._append_essential(kept)

    def _append_essential(self, lines: bytes) -> bytes:
        if lines:
            self._log.append(lines, essential=True)
        return lines

    def _full_notice(self) -> bytes:
        return self._notice("log-full", f"the log has reached {self._max_bytes:,} bytes; further output is dropped")

    def _lost_notice(self) -> bytes:
        return self._notice("disk-full", f"the controller's disk was full; {self._lost:,} bytes of output are lost")

    def _notice(self, code: str, message: str) -> bytes:
        return events.encode("notice", time.time(), self._attempt, level="warning", code=code, message=message)


def _of_state(lines: bytes) -> bytes:
    """The records that are more than output."""
    return b"".join(line for line in lines.splitlines(keepends=True) if type_of(line) not in DROPPABLE)


def _of_attempt(lines: bytes, attempt: int) -> bytes:
    """The lines up to the last one of ``attempt``."""
    kept = lines.splitlines(keepends=True)
    while kept and (position := last_position(kept[-1])) and position.attempt > attempt:
        kept.pop()
    return b"".join(kept)
