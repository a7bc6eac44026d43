"""From the worker's pipes and frames to the log, in order.

Output is emitted at once when nothing was emitted for ``WINDOW`` seconds, else gathered for at most that long. While
output flows it is read every ``PAUSE`` seconds rather than at every write, which leaves the processor to the job.
"""

from __future__ import annotations

import contextlib
import json
import time

from .channel import FrameBuffer
from .exits import Outcome, Usage
from .textstream import PIPE_BYTES, TextStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from .eventfile import EventFile

__all__ = ["NEVER", "Recorder"]

WINDOW = 0.01
PAUSE = 0.002
NEVER = float("inf")

_BATCH_CHARS = 256 * 1024
#: What a worker has to say beside its output. All other records are the supervisor's own, whatever a job's code sends.
_WORKERS = tuple(
    b'{"type":"%b"' % kind
    for kind in (
        b"cell",
        b"clear_output",
        b"display",
        b"error",
        b"metrics",
        b"notice",
        b"result",
        b"update_display",
        b"value",
    )
)
_BUSY_BYTES = PIPE_BYTES // 32


class Recorder:
    """The supervisor's end of everything the worker says."""

    def __init__(self, out: int, err: int, control: socket.socket) -> None:
        self.log: EventFile
        self.outcome: Outcome | None = None
        #: With the outcome: the worker's exit code and usage, a moment before it ends.
        self.foreseen: tuple[int, Usage] | None = None
        self._streams = [TextStream("stdout", out), TextStream("stderr", err)]
        self._control: socket.socket | None = control
        self._frames = FrameBuffer()
        self._emitted = self._since = -NEVER
        self._read_at = -NEVER

    def watched(self) -> list[TextStream | socket.socket]:
        """What to wait for now."""
        control = [self._control] if self._control else []
        if time.monotonic() < self._read_at:
            return [*control]
        return [*control, *(stream for stream in self._streams if stream.open)]

    def due(self) -> float:
        """When to call ``handle`` at the latest."""
        read_at = self._read_at if self._read_at > time.monotonic() else NEVER
        return min(read_at, self._emit_at())

    def handle(self, ready: list[Any]) -> None:
        """Take in what is ready and write what is due."""
        now = time.monotonic()
        if now >= self._read_at:
            self._read(now)
        if now >= self._emit_at():
            self._emit()
        if self._control in ready:
            self._receive()

    def catch_up(self) -> None:
        """Write what was printed until now."""
        for stream in self._streams:
            stream.drain()
        self._emit()

    def finish(self) -> None:
        """Write what is left; nothing follows. Threads of the worker that still wait for an answer wait no more."""
        if self._control is not None:
            self._receive()
        if self._control is not None:
            self._control.close()
            self._control = None
        for stream in self._streams:
            stream.drain()
            stream.end()
        self._emit()

    def _read(self, now: float) -> None:
        waiting = any(stream.size for stream in self._streams)
        got = max(stream.fill() for stream in self._streams)
        if got:
            self._read_at = now if got > _BUSY_BYTES else now + PAUSE
        if not waiting:
            self._since = now

    def _emit_at(self) -> float:
        """When what is gathered must be written. Half a line gets a moment to become whole."""
        waiting = [stream for stream in self._streams if stream.size]
        if not waiting:
            return NEVER
        if any(stream.size > _BATCH_CHARS for stream in waiting):
            return -NEVER
        settled = all(stream.settled for stream in waiting)
        return max(self._emitted + WINDOW, self._since if settled else self._since + PAUSE)

    def _emit(self) -> None:
        for stream in self._streams:
            if stream.size:
                for text in stream.take():
                    self.log.write("stream", name=stream.name, text=text)
                self._emitted = time.monotonic()

    def _receive(self) -> None:
        if self._control is None:
            return
        try:
            data = self._control.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._control.close()
            self._control = None
        for body in self._frames.feed(data):
            self._record(body)

    def _record(self, body: bytes) -> None:
        self.catch_up()
        if body.startswith(b'{"type":"outcome"'):
            said = json.loads(body)
            self.outcome = Outcome(said["reason"], said["message"])
            self.foreseen = said["code"], Usage(said["peak_memory"], said["cpu_time"])
        elif body.startswith(_WORKERS):
            self.log.append(body)
        if self._control is not None:
            with contextlib.suppress(OSError):  # its end is seen when the worker is reaped
                self._control.send(b"\0")
