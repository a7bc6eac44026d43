"""Exit codes, and how an error is said."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from qwex.cli.screen import safe
from qwex.errors import (
    BackendUnavailable,
    CaptureError,
    ConfigError,
    ControllerUnavailable,
    InvalidSpec,
    JobNotDone,
    NotFound,
    QwexError,
    TooLarge,
    UnknownQueue,
)
from qwex.state import JobState

if TYPE_CHECKING:
    from qwex.record import JobRecord

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "NOT_FOUND",
    "OK",
    "PIPE",
    "TABLE",
    "TIMEOUT",
    "UNAVAILABLE",
    "USAGE",
    "UsageError",
    "code_of",
    "of_job",
    "report",
]

OK, FAILED, USAGE, NOT_FOUND, UNAVAILABLE, TIMEOUT, INTERRUPTED, PIPE = 0, 1, 2, 3, 4, 5, 130, 141

#: Stable across versions; ``qwex --help`` shows it.
TABLE = (
    (OK, "all went well"),
    (FAILED, "the job failed, or what was asked for could not be done"),
    (USAGE, "wrong arguments, an invalid job or setting; nothing was submitted"),
    (NOT_FOUND, "no such job, queue or backend"),
    (UNAVAILABLE, "the controller or the backend cannot be reached"),
    (TIMEOUT, "the time given to wait is over; the job goes on"),
    (INTERRUPTED, "interrupted with Ctrl-C; the job goes on"),
)

_CODES: tuple[tuple[type[QwexError], int], ...] = (
    (UnknownQueue, NOT_FOUND),
    (InvalidSpec, USAGE),
    (CaptureError, USAGE),
    (ConfigError, USAGE),
    (TooLarge, USAGE),
    (NotFound, NOT_FOUND),
    (BackendUnavailable, UNAVAILABLE),
    (ControllerUnavailable, UNAVAILABLE),
    (JobNotDone, TIMEOUT),
)


class UsageError(QwexError):
    """The arguments are wrong."""

    code = "usage"


def code_of(error: QwexError) -> int:
    """The exit code that stands for the error."""
    if isinstance(error, UsageError):
        return USAGE
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def of_job(record: JobRecord) -> int:
    """The ended job's own exit code, as a shell would give it; 1 where it failed without one."""
    if record.state is JobState.SUCCEEDED:
        return OK
    code = record.exit_code or 0
    code = 128 - code if code < 0 else code
    return code & 0xFF or FAILED


def report(error: QwexError, *, as_json: bool = False) -> None:
    """Say on stderr what happened, why, and what to do next; several problems stand one below the other."""
    if as_json:
        problems = [{"field": field, "message": message} for field, message in error.problems]
        document = {"error": {"code": error.code, "message": error.message, "problems": problems}}
        sys.stderr.write(json.dumps(document, ensure_ascii=False) + "\n")
        return
    text = "\n".join(safe(line) for whole in _lines(error) for line in whole.splitlines())
    sys.stderr.write(f"error: {text}\n")


def _lines(error: QwexError) -> list[str]:
    """The error as a person at the command line reads it; fields of a job or machine by the flags that set them."""
    problems = error.problems
    if isinstance(error, InvalidSpec):
        from qwex.client import machinefields
        from qwex.options import flag_of

        problems = tuple((flag_of(machinefields.flag_of(field)), said) for field, said in problems)
    told = [f"{field}: {said}" if field else said for field, said in problems]
    if len(told) > 1:
        return [f"{len(told)} problems", *(f"  {line}" for line in told)]
    # An error whose problem is all of it names the field before that; others say more than their problem.
    whole = [": ".join(problem) for problem in error.problems] == [error.message]
    return told if whole else [_changed_by(error) + error.message]


def _changed_by(error: QwexError) -> str:
    """The flags before a refusal that is said of a part of the job, as of its resources, and names none itself."""
    if not isinstance(error, InvalidSpec) or [said for _, said in error.problems] != [error.message]:
        return ""
    from qwex.options import flags_of

    flags = flags_of(error.problems[0][0])
    return f"{flags}: " if flags else ""
