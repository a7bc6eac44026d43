"""The error tree. Every message says what happened, why, and what to do next.

QwexError
├── InvalidSpec             the job cannot run as described; fatal, nothing was stored
│   └── UnknownQueue
├── ConfigError             a setting or a configuration file is unusable
├── NotFound                no such job, value, backend …
│   └── UnknownBackend
├── Conflict                the request contradicts what is stored
├── NotAuthorized           who asks may not do this
├── TooLarge                a body, an event or a value exceeds a stated limit
├── BackendUnavailable      the place that runs jobs cannot be reached now; transient
├── TrackerUnavailable      what records jobs elsewhere cannot be reached now; transient
├── ArtifactsUnavailable    the artifact store cannot be reached, is full or fails now; transient
├── Damaged                 stored bytes are not those that their name promises
├── ControllerUnavailable   no controller answers, and none could be started
├── PluginError             a plugin could not be imported, or breaks the contract
├── CaptureError            a value the cell needs cannot be sent; names the variable
└── JobError                what a job handle raises; carries ``run_id``
    ├── RemoteError         the job's own code raised; carries type, message, frames
    ├── JobFailed           the job ended without success for another reason
    ├── JobCancelled
    └── JobNotDone          ``result(timeout=…)`` ran out of time
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ArtifactsUnavailable",
    "BackendUnavailable",
    "CaptureError",
    "ConfigError",
    "Conflict",
    "ControllerUnavailable",
    "Damaged",
    "InvalidSpec",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobNotDone",
    "NotAuthorized",
    "NotFound",
    "PluginError",
    "QwexError",
    "RemoteError",
    "TooLarge",
    "TrackerUnavailable",
    "UnknownBackend",
    "UnknownQueue",
    "nearest",
]


class QwexError(Exception):
    """Base of all errors qwex raises on purpose; ``code`` is stable across versions and languages."""

    code = "error"

    def __init__(self, message: str, *, problems: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.message = message
        #: ``(field, message)`` pairs; the field is a dotted path into the spec or a flag's name.
        self.problems = tuple(problems)

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: the caller's own lines, without those of qwex below them."""
        from qwex.frames import as_called

        return as_called(self)


class InvalidSpec(QwexError):
    """The job cannot run as described. Fatal: the same spec will be refused again, and nothing was stored."""

    code = "invalid-spec"

    @classmethod
    def of(cls, field: str, message: str) -> InvalidSpec:
        """One problem with one field."""
        return cls(f"{field}: {message}", problems=[(field, message)])


class ConfigError(QwexError):
    """A setting or a configuration file is unusable; the message names the file or variable."""

    code = "bad-configuration"


class NotFound(QwexError):
    """What was asked for does not exist."""

    code = "not-found"


class UnknownBackend(NotFound):
    """No plugin registered that backend."""

    code = "unknown-backend"


class UnknownQueue(InvalidSpec):
    """The backend has no such queue."""

    code = "unknown-queue"


class Conflict(QwexError):
    """The request contradicts what is stored, such as one id for two different jobs."""

    code = "conflict"


class NotAuthorized(QwexError):
    """Who asks is unknown or may not do this."""

    code = "not-authorized"


class TooLarge(QwexError):
    """A body, an event or a value exceeds a stated limit; the message has both sizes."""

    code = "too-large"


class BackendUnavailable(QwexError):
    """The place that runs jobs cannot be reached now. Transient: the same call may succeed later.

    ``in_doubt`` says of a submit that the request may have arrived all the same, as when its answer timed out.
    """

    code = "backend-unavailable"

    def __init__(self, message: str, *, problems: Sequence[tuple[str, str]] = (), in_doubt: bool = False) -> None:
        super().__init__(message, problems=problems)
        self.in_doubt = in_doubt


class TrackerUnavailable(QwexError):
    """An experiment tracker cannot be reached now, or cannot take anything in. Transient: it is told again later."""

    code = "tracker-unavailable"

    def __init__(self, message: str, *, problems: Sequence[tuple[str, str]] = (), place: str = "") -> None:
        super().__init__(message, problems=problems)
        #: Which of the tracker's servers it is, where there are several: others may be well.
        self.place = place


class ArtifactsUnavailable(QwexError):
    """The artifact store cannot be reached, is full or fails now. Transient: the same call may succeed later."""

    code = "artifacts-unavailable"


class Damaged(QwexError):
    """Bytes in the artifact store are not those that their name promises; none of them may be used."""

    code = "damaged"


class ControllerUnavailable(QwexError):
    """No controller answers at the configured address, and none could be started there.

    ``command`` is what to run to see more, or to mend it; empty where no command does.
    """

    code = "controller-unavailable"

    def __init__(self, message: str, *, problems: Sequence[tuple[str, str]] = (), command: str = "") -> None:
        super().__init__(message, problems=problems)
        self.command = command


class PluginError(QwexError):
    """A plugin could not be imported or does not keep its contract."""

    code = "plugin-error"


class CaptureError(QwexError):
    """A value that a cell or function needs cannot be sent; ``name`` is the variable."""

    code = "capture-error"

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message, problems=[(name, message)] if name else ())
        self.name = name


class JobError(QwexError):
    """What a job handle raises about its job."""

    code = "job-error"

    def __init__(self, message: str, *, run_id: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id


class RemoteError(JobError):
    """The job's own code raised.

    ``ename`` and ``evalue`` are the exception's type name and text, ``traceback`` its rendered lines (they may
    hold ANSI colours) and ``frames`` its stack, outermost first, each with ``filename``, ``lineno``, ``name`` and
    the source ``line``.
    """

    code = "remote-error"

    def __init__(
        self,
        ename: str,
        evalue: str,
        *,
        traceback: Sequence[str] = (),
        frames: Sequence[dict[str, Any]] = (),
        run_id: str = "",
    ) -> None:
        super().__init__(f"{ename}: {evalue}" if evalue else ename, run_id=run_id)
        self.ename = ename
        self.evalue = evalue
        self.traceback = list(traceback)
        self.frames = list(frames)

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: the job's own traceback instead of the client's stack."""
        return [*self.traceback, f"raised in job {self.run_id}"] if self.traceback else [str(self)]


class JobFailed(JobError):
    """The job ended without success for a reason other than an exception; ``reason`` names it."""

    code = "job-failed"

    def __init__(self, message: str, *, run_id: str = "", reason: str = "", exit_code: int | None = None) -> None:
        super().__init__(message, run_id=run_id)
        self.reason = reason
        self.exit_code = exit_code


class JobCancelled(JobError):
    """The job was cancelled."""

    code = "job-cancelled"


class JobNotDone(JobError, TimeoutError):
    """The job had not ended when the time given to wait was over."""

    code = "job-not-done"


def nearest(word: str, known: Sequence[str]) -> str:
    """``Did you mean 'slurm'?`` for the closest of ``known``, else an empty string."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
