"""Where a job that has not ended stands: a live line on a terminal, elsewhere a line at each change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qwex.cli import describe
from qwex.cli.screen import LiveLine, note
from qwex.client.progress import moved
from qwex.state import JobState, WaitReason

if TYPE_CHECKING:
    from qwex.events import Event
    from qwex.record import JobRecord
    from qwex.state import Why

__all__ = ["Standing"]

#: What is over in a moment.
_PASSING = (WaitReason.RECORDED.value, WaitReason.STARTING.value)


class Standing:
    """One job; ``record`` is what its events have made of it, and ``quiet`` says nothing of that."""

    def __init__(self, record: JobRecord, *, quiet: bool = False) -> None:
        self.record = record
        self._quiet = quiet
        self._line = LiveLine()
        self._printed: tuple[JobState, int, str] | None = None

    def tell(self, event: Event) -> None:
        """Take in an event of type "state" or "why"."""
        why = None
        if event.type == "state":
            self.record = moved(self.record, event)
        else:
            from qwex.client.answers import why_of

            why = why_of(event.data)
        if self._quiet or self.record.state.terminal:
            return
        self._line.show(describe.headline(self.record, why), describe.STYLES[self.record.state])
        if not sys.stderr.isatty():
            self._print(why)

    def clear(self) -> None:
        """Make room for other output."""
        self._line.clear()

    def _print(self, why: Why | None) -> None:
        """A line for each state and reason, but none for each place in the queue, and none for what is long past."""
        news = (self.record.state, self.record.attempt, why.reason if why else "")
        waits = why is not None and why.reason not in _PASSING
        started = self._printed is not None and self.record.state is JobState.RUNNING
        if news != self._printed and (waits or started):
            note(describe.headline(self.record, why), describe.STYLES[self.record.state])
            self._printed = news
