"""Follow a job to its end in the running cell: the card, then its outputs as they come, then its values."""

from __future__ import annotations

from concurrent import futures
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from qwex.client.outcome import failure
from qwex.errors import QwexError, RemoteError
from qwex.events import OUTPUT_TYPES
from qwex.state import JobState
from qwex_magics import values
from qwex_magics.hints import unsent
from qwex_magics.interrupts import Interrupts, kernel_ends
from qwex_magics.metrics import Metrics, asked
from qwex_magics.outputs import Outputs
from qwex_magics.panel import Panel
from qwex_magics.story import Story

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

    from IPython.core.interactiveshell import InteractiveShell

    from qwex.client import Client
    from qwex.errors import JobError
    from qwex.events import Event
    from qwex.record import JobRecord
    from qwex_magics.hints import Sent

__all__ = ["Detached", "Follower"]

#: Times in events are rounded.
_ROUNDED = 1e-3
#: Seconds that a request to stop has to arrive before somebody who does not want to wait is told of it.
_MOMENT = 2.0


class Detached(KeyboardInterrupt):
    """The user left a job to itself; shown as one line, and stops "Run All" as any interrupt does."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Follower:
    """One cell that follows one job. ``outputs`` are the values to bind when it succeeded."""

    def __init__(
        self,
        shell: InteractiveShell,
        client: Client,
        record: JobRecord,
        *,
        outputs: Sequence[str] = (),
        quiet: bool = False,
        sent: Sent | None = None,
        cancels: bool = True,
    ) -> None:
        self._shell = shell
        self._client = client
        self._names = tuple(outputs)
        self._sent = sent
        #: Whether an interrupt stops the job; who only looks on leaves it alone.
        self._cancels = cancels
        self._story = Story(record)
        self._panel = Panel(shell, record.id, quiet=quiet)
        self._outputs = Outputs(shell, record.id)
        self._metrics = Metrics()
        self._quiet = quiet
        self._last = 0
        # What the record knows already is on the card; the way there is not acted out again.
        self._known_until = max(time or 0.0 for time in (record.queued_at, record.started_at, record.ended_at))
        self._note = ""

    def run(self) -> None:
        """Show everything, bind the values.

        Raises:
            RemoteError: the job's code raised.
            JobFailed: it ended without success for another reason.
            JobCancelled: it was cancelled.
            Detached: the user interrupted twice; the job goes on by itself.
            CaptureError: a value could not be brought.
        """
        self._panel.show(self._story)
        self._watch()
        if self._story.record.state is not JobState.SUCCEEDED:
            self._end()
            raise self._failure()
        try:
            self._shell.user_ns.update(values.fetch(self._client, self._story, self._names))
        except QwexError:
            self._end()
            raise
        self._end(here=self._names)

    def _watch(self) -> None:
        with Interrupts() as interrupts:
            try:
                return self._read(interrupts)
            except KeyboardInterrupt:
                pass
            try:
                # Another interrupt ends the waiting for the answer, never the request.
                with interrupts.shield():
                    if not self._cancels or kernel_ends(self._shell):
                        raise self._left("goes on")
                    request = self._cancel()
                request.result()
                return self._read(interrupts)
            except Detached:
                raise
            except KeyboardInterrupt:
                with interrupts.shield():
                    raise self._left(_asked(request)) from None

    def _read(self, interrupts: Interrupts) -> None:
        run_id = self._story.record.id
        events = self._client.events(run_id, after=self._last, follow=True, why=True)
        with closing(cast("Generator[Event, None, None]", events)):
            for event in events:
                with interrupts.shield():
                    self._tell(event)
                    self._last = event.id or self._last

    def _tell(self, event: Event) -> None:
        self._story = self._story.after(event)
        self._metrics.take(event)
        if event.type in OUTPUT_TYPES:
            self._outputs.show(event)
            if event.type == "clear_output":
                self._panel.cleared()
        elif event.type == "notice":
            self._outputs.say(event["message"])
        elif event.type in ("state", "why") and not self._story.record.state.terminal:
            self._moved(event)

    def _moved(self, event: Event) -> None:
        if event.type == "state" and event["state"] == JobState.QUEUED and event.attempt > 1:
            self._outputs.say(f"attempt {event.attempt} follows ({event.get('reason') or 'started again'})")
        # Admitted and nothing to say about it: it runs in a moment.
        passing = self._story.record.state is JobState.ADMITTED and not self._story.reason
        if not passing and event.ts > self._known_until - _ROUNDED:
            self._panel.show(self._story, note=self._note)

    def _end(self, *, here: Sequence[str] = ()) -> None:
        """Show how it ended; what only a tracker knows comes after that."""
        self._story = replace(self._story, metrics=self._metrics.known())
        self._panel.show(self._story, here=here)
        if not self._quiet and self._metrics.elsewhere(self._story.record):
            self._story = replace(self._story, metrics=asked(self._client, self._story.record.id))
            self._panel.show(self._story, here=here)

    def _cancel(self) -> Future[JobRecord]:
        """Ask for the job's end on a thread, which no interrupt reaches."""
        sender = futures.ThreadPoolExecutor(1, "qwex cancel")
        request = sender.submit(self._client.cancel, self._story.record.id)
        sender.shutdown(wait=False)
        self._note = "cancelling (interrupt again to stop waiting for it; it is being stopped)"
        self._panel.show(self._story, note=self._note)
        return request

    def _left(self, what: str) -> Detached:
        run_id = self._story.record.id
        self._panel.show(self._story, note=f"no longer followed; it {what}")
        names = f" -o {','.join(self._names)}" if self._names else ""
        return Detached(f"{run_id} is no longer followed; it {what}. Look again: %qwex attach {run_id}{names}")

    def _failure(self) -> JobError:
        """What ``job.result()`` raises too, with a hint where one helps."""
        error = failure(self._story.record, self._story.error or None)
        if isinstance(error, RemoteError):
            error.traceback += unsent(self._story.error, self._sent, self._shell)
        return error


def _asked(request: Future[JobRecord]) -> str:
    """What becomes of a job whose end was asked for, as far as that is known in a moment."""
    try:
        error = request.exception(_MOMENT)
    except futures.TimeoutError:
        return "was asked to stop; whether that has arrived is not known yet"
    return f"goes on: it could not be stopped ({error})" if error else "is being stopped"
