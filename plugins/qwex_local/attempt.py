"""One attempt of a job under way: its folder, the process that supervises it, and what that wrote."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any, Protocol

from qwex import jobfolder
from qwex_local import process
from qwex_local.follow import Bell, EventFile, claim

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Attempt", "Listener"]

#: Seconds a supervisor may take beyond the job's grace before it is killed itself.
_MARGIN = 5.0
#: First and longest pause between two looks at a process that has let go of its bell, or never held it.
_PAUSE = (0.001, 1.0)


class Listener(Protocol):
    """Who wants to know. Each call names the attempt; ``on_ended`` or ``on_unstarted`` is the last."""

    def on_running(self, attempt: Attempt) -> None:
        """The runner has begun."""

    def on_news(self, attempt: Attempt) -> None:
        """There may be more in the event file."""

    def on_ended(self, attempt: Attempt, record: dict[str, Any] | None, problem: str) -> None:
        """The runner's last record; None if it vanished without one, or could not begin because of ``problem``."""

    def on_unstarted(self, attempt: Attempt) -> None:
        """No runner has begun here and none ever will: start again elsewhere."""


class Attempt:
    """Follows one attempt from its launch to its end. Needs a running loop; all calls come from there."""

    def __init__(self, run_id: str, number: int, folder: Path, grace: float, listener: Listener) -> None:
        self.run_id = run_id
        self.number = number
        self.folder = folder
        self.ended = False
        self._grace = grace
        self._listener = listener
        self._identity: process.Identity | None = None
        self._events = EventFile(folder)
        self._bell: Bell | None = None
        self._running = self._stopping = self._signalled = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def follow(self) -> None:
        """Listen to the runner that was or will be started in the folder."""
        if self._bell is None:
            self._bell = Bell(self.folder, self.look, self._await_end)

    def adopt(self) -> None:
        """Take up what an earlier controller, or a zygote that is gone, may have started."""
        if self.ended:
            return
        try:
            claimed = claim(self.folder)
        except OSError as error:
            self._end(None, f"cannot tell whether it began: {error.strerror}: {error.filename}")
            return
        if claimed:
            self.close()
            self._listener.on_unstarted(self)
            return
        self.follow()
        self.look()
        if not self.ended and not self._held:
            self._await_end()

    def started(self, who: process.Identity | None) -> None:
        """Its supervisor is this process."""
        self._identity = self._identity or who
        self._signal()

    def look(self) -> bool:
        """See what the runner wrote; False when that cannot be read now."""
        if self.ended:
            return True
        if not self._events.look():
            return False
        if self._events.start and not self._running:
            self._running = True
            self.started(process.Identity(self._events.start["pid"], self._events.start["start_time"]))
            self._listener.on_running(self)
        self._listener.on_news(self)
        if self._events.exit:
            self._end(self._events.exit)
        return True

    def stop(self, reason: str, message: str) -> None:
        """Ask it to end: the reason first, for the runner to repeat in its last record, then SIGTERM."""
        with contextlib.suppress(OSError):  # on a full disk it is stopped all the same; the listener knows why
            jobfolder.stop(self.folder, reason, message)
        self._stopping = True
        self._signal()

    def process_ended(self, problem: str = "") -> None:
        """Its supervisor is gone; ``problem`` is what kept it from beginning, where that is known."""
        if not self.look():
            # How it ended is written there: whoever cannot read it now does not know that it is lost.
            self._later("end", _PAUSE[1], self.process_ended, problem)
        elif not self.ended:
            self._end(None, "" if self._running else problem)

    def close(self) -> None:
        """Let go of it; the runner goes on."""
        self.ended = True
        if self._bell:
            self._bell.close()
        for timer in self._timers.values():
            timer.cancel()

    @property
    def _held(self) -> bool:
        return self._bell is not None and self._bell.held

    def _end(self, record: dict[str, Any] | None, problem: str = "") -> None:
        self.close()
        self._listener.on_ended(self, record, problem)

    def _signal(self) -> None:
        if self._stopping and self._identity and not self._signalled and not self.ended:
            self._signalled = True
            process.send(self._identity, signal.SIGTERM)
            self._later("force", self._grace + _MARGIN, self._force)

    def _force(self) -> None:
        """The supervisor itself hangs. On Linux its worker dies with it."""
        if self._identity:
            process.send(self._identity, signal.SIGKILL)
        self._await_end()

    def _await_end(self, pause: float = _PAUSE[0]) -> None:
        """Nobody rings any more: look until the process is gone, which is at once unless something is odd."""
        self.look()
        if self.ended:
            return
        if self._is_gone(pause):
            self.process_ended()
        else:
            self._later("end", pause, self._await_end, min(pause * 2, _PAUSE[1]))

    def _is_gone(self, waited: float) -> bool:
        if self._identity:
            return not process.alive(self._identity)
        return waited >= _PAUSE[1] and not self._held

    def _later(self, name: str, pause: float, call: Any, *args: Any) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(pause, call, *args)
