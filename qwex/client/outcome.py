"""How a job that did not succeed is raised here: the error keeps the type, the message and the frames of the job's."""

from __future__ import annotations

import builtins
import functools
import re
from typing import TYPE_CHECKING, Any

from qwex.errors import JobCancelled, JobError, JobFailed, RemoteError
from qwex.state import JobState
from qwex.wording import more_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.events import Event
    from qwex.record import JobRecord

__all__ = ["RemoteTraceback", "failure"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
#: Raising the first two would mean something to Python itself; the last IPython would draw as an error of the cell's.
_APART = (StopIteration, StopAsyncIteration, SyntaxError)


class RemoteTraceback(Exception):
    """The job's own traceback, as the cause of the error raised here."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n" + _COLOURS.sub("", "\n".join(lines)))


def failure(record: JobRecord, error: Event | Mapping[str, Any] | None) -> JobError:
    """The error of a job that ended without success; ``error`` is its last error event, or the data of it."""
    if record.state is JobState.CANCELLED:
        return JobCancelled(f"{record.id} was cancelled{_after(record.message)}", run_id=record.id)
    if record.reason == "Exception" and error is not None:
        return _remote(error, record.id)
    why = record.message or record.reason or "no reason was given"
    message = f"{record.id} failed: {why.rstrip('.')}. See what it printed: qwex logs {record.id}"
    if more := more_memory(record):
        message += f". More memory: qwex.attach({record.id!r}).resubmit(resources={{'memory': {more!r}}})"
    return JobFailed(message, run_id=record.id, reason=record.reason, exit_code=record.exit_code)


def _remote(event: Event | Mapping[str, Any], run_id: str) -> RemoteError:
    kept: dict[str, Any] = {
        "traceback": event.get("traceback") or [],
        "frames": event.get("frames") or [],
        "run_id": run_id,
    }
    ename, evalue = str(event["ename"]), str(event.get("evalue", ""))
    try:
        error = _kind(ename)(ename, evalue, **kept)
    except TypeError:
        # A type with a constructor of its own, such as UnicodeDecodeError.
        error = RemoteError(ename, evalue, **kept)
    if error.traceback:
        error.__cause__ = RemoteTraceback(error.traceback)
    return error


@functools.cache
def _kind(ename: str) -> type[RemoteError]:
    """``RemoteError`` that ``except ValueError`` catches too, when that is what the job raised."""
    original = getattr(builtins, ename, None)
    if not (isinstance(original, type) and issubclass(original, Exception)) or issubclass(original, _APART):
        return RemoteError
    members = {"__str__": _message, "__module__": RemoteError.__module__, "__doc__": RemoteError.__doc__}
    try:
        return type("RemoteError", (RemoteError, original), members)
    except TypeError:
        return RemoteError


def _message(self: RemoteError) -> str:
    return self.message  # KeyError would show its repr


def _after(text: str) -> str:
    return f": {text}" if text else ""
