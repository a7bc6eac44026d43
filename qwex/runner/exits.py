"""How an attempt ended, said in the words of the exit record."""

from __future__ import annotations

import json
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple
else:
    from .tuples import NamedTuple

__all__ = ["START_FAILED", "Exit", "Outcome", "Stop", "Usage", "conclude", "duration_text", "read_stop"]


#: Exit code of a job that could not be started, as shells have it.
START_FAILED = 126


class Usage(NamedTuple):
    """Memory at its highest in bytes and processor time in seconds."""

    peak_memory: int
    cpu_time: float


class Outcome(NamedTuple):
    """What the worker said about its own end before it ended."""

    reason: str = ""
    message: str = ""


class Stop(NamedTuple):
    """Why the attempt was told to end; without a reason it was a plain SIGTERM."""

    reason: str = ""
    message: str = ""
    #: Whether a signal told it; its time limit is the runner's own.
    by_signal: bool = True


class Exit(NamedTuple):
    """The end: ``code`` is 128 + n for signal n, as shells have it."""

    code: int
    signal: str | None
    reason: str
    message: str


def read_stop(folder: str) -> Stop:
    """What a backend left in the folder's ``stop`` file before it sent SIGTERM."""
    try:
        with open(os.path.join(folder, "stop"), encoding="utf-8") as file:
            stop: dict[str, Any] = json.load(file)
        return Stop(str(stop.get("reason") or ""), str(stop.get("message") or ""))
    except (OSError, ValueError, AttributeError):
        return Stop()


#: Characters of a message; its readers look at the end of the file for the last line.
_LONGEST = 2000


def conclude(status: int, outcome: Outcome | None, stop: Stop | None, *, out_of_memory: bool) -> Exit:
    """The end of a worker with this wait status."""
    end = _end(status, outcome, stop, out_of_memory=out_of_memory)
    return end._replace(message=end.message[:_LONGEST])


def _end(status: int, outcome: Outcome | None, stop: Stop | None, *, out_of_memory: bool) -> Exit:
    name = _signal_name(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None
    code = 128 + os.WTERMSIG(status) if name else os.WEXITSTATUS(status)
    if stop is not None and stop.reason:
        return Exit(code, name, stop.reason, stop.message)
    if name == "SIGKILL" and out_of_memory:
        return Exit(code, name, "OutOfMemory", "The system killed the job because its memory was used up.")
    if outcome is not None and outcome.reason == "StartFailed":
        return Exit(START_FAILED if name else code, None, *outcome)
    if name:
        return Exit(code, name, "Signal", f"Ended by {name}.")
    if outcome is not None and (outcome.reason or not code):
        return Exit(code, None, *outcome)
    return Exit(code, None, "ExitCode" if code else "", f"Ended with exit code {code}." if code else "")


def _signal_name(number: int) -> str:
    """``SIGTERM``; the real-time signals between the first and the last have no names of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def duration_text(seconds: float) -> str:
    """A duration as people write it: ``1h30m``, ``15m``, ``2.5s``."""
    if seconds < 60:
        return f"{seconds:g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "m"), (rest, "s")]
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount)
