"""A job's story as it comes: one live line while it waits, its output as its own, a last line how it ended."""

from __future__ import annotations

import signal
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from qwex.cli import describe, exits
from qwex.cli.screen import coloured, note, print_json_line, safe, uncoloured
from qwex.cli.standing import Standing
from qwex.state import JobState, Reason
from qwex.textlog import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from qwex.client import Client
    from qwex.events import Event
    from qwex.record import JobRecord

__all__ = ["Follower", "next_attempt", "write_text"]

#: Ends of which the job's own output, or its exit code, says enough.
_TOLD = ("", Reason.EXCEPTION, Reason.EXIT_CODE, Reason.SIGNAL)


class Follower:
    """Follows one job to its end.

    The job's stdout is stdout here and its stderr stderr, so that both can be redirected as if it ran here; what qwex
    says of it goes to stderr. With ``merged`` all its output goes to stdout, as a log is read.
    """

    def __init__(
        self, client: Client, record: JobRecord, *, after: int = 0, merged: bool = False, json: bool = False,
        quiet: bool = False,
    ) -> None:  # fmt: skip
        self.client = client
        #: Number of the last event seen.
        self.after = after
        self._errors: TextIO = sys.stdout if merged else sys.stderr
        self._json = json
        self._quiet = quiet or json
        self._standing = Standing(record, quiet=self._quiet)
        self._open = False  # the job's last line is not complete yet

    @property
    def record(self) -> JobRecord:
        """What was last heard of the job."""
        return self._standing.record

    def run(self) -> int:
        """Follow the job; its own exit code, or that of an interruption, which leaves the job alone."""
        try:
            with closing(self.client.events(self.record.id, self.after, why=not self._quiet)) as events:  # type: ignore[type-var]
                for event in events:
                    with _whole():
                        self._tell(event)
                        self.after = event.id or self.after
            self._standing.record = self.client.job(self.record.id).record
        except KeyboardInterrupt:
            return self._detach()
        self._end()
        return exits.of_job(self.record)

    def _tell(self, event: Event) -> None:
        if self._json:
            print_json_line(event.as_dict())
        elif event.type in ("state", "why"):
            self._announce(next_attempt(event), "yellow")
            self._standing.tell(event)
        elif event.type == "cell":
            self._announce(f"cell {event['number']} of {event['total']}", "dim")
        elif text := text_of(event.type, event.data):
            self._standing.clear()
            self._open = not text.endswith("\n")
            self._write(event, text)

    def _write(self, event: Event, text: str) -> None:
        if event.type == "notice":
            if not self._quiet:
                note(safe(text.rstrip("\n")), "yellow")
            return
        on_stderr = event.type == "error" or event.get("name") == "stderr"
        write_text(self._errors if on_stderr else sys.stdout, event, text)

    def _announce(self, said: str, style: str) -> None:
        """Say what comes next, below what was printed before it."""
        if said and not self._quiet:
            self._standing.clear()
            self._complete()
            note(said, style)

    def _end(self) -> None:
        self._standing.clear()
        sys.stdout.flush()
        if self._json:
            print_json_line({"type": "job", **self.record.as_dict()})
        elif not self._quiet or self.record.reason not in _TOLD:
            self._complete()
            note(describe.headline(self.record), describe.STYLES[self.record.state])

    def _detach(self) -> int:
        self._standing.clear()
        sys.stdout.flush()
        if not self._json:
            self._complete()
            note(f"no longer following; {self.record.id} goes on", over=True)
            note(describe.next_steps(self.record.id, after=self.after))
        return exits.INTERRUPTED

    def _complete(self) -> None:
        """End the job's last line, where both share a terminal."""
        if self._open and sys.stdout.isatty() and sys.stderr.isatty():
            sys.stderr.write("\n")
            self._open = False


def next_attempt(event: Event) -> str:
    """That the output so far was an attempt's that did not count; empty for any other event."""
    if event.type != "state" or event["state"] != JobState.QUEUED or event.attempt == 1:
        return ""
    return f"qwex: attempt {event.attempt} follows ({safe(event.get('reason') or 'started again')})"


@contextmanager
def _whole() -> Iterator[None]:
    """Ctrl-C counts when the block is done: an event is told and remembered, or neither."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def write_text(stream: TextIO, event: Event, text: str) -> None:
    """Output of the job as it is; only a traceback's colours are taken out where the stream shows none."""
    if event.type == "error" and not coloured(stream):
        text = uncoloured(text)
    stream.write(text)
    stream.flush()
