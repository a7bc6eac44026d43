"""States of a job and why it waits: frozen data and one table of legal moves. No I/O, nothing heavy imported."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

__all__ = [
    "INFRASTRUCTURE_REASONS",
    "TERMINAL",
    "TRANSITIONS",
    "JobState",
    "JobStatus",
    "Position",
    "QueueInfo",
    "QuotaLine",
    "Reason",
    "WaitReason",
    "Why",
]


class JobState(str, Enum):
    """Where a job stands; the four waits (recorded, queued, admitted, running) are kept apart."""

    PENDING = "PENDING"  #: recorded, not yet accepted by its backend
    QUEUED = "QUEUED"  #: accepted, waits for quota
    ADMITTED = "ADMITTED"  #: quota held, starting
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    def __str__(self) -> str:
        return self.value

    @property
    def terminal(self) -> bool:
        """Whether nothing more can happen to the job."""
        return self in TERMINAL


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

#: Legal moves. Back to QUEUED (preempted, evicted, retried) starts a new attempt.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset(JobState) - {JobState.PENDING},
    JobState.QUEUED: frozenset(JobState) - {JobState.PENDING, JobState.QUEUED},
    JobState.ADMITTED: frozenset(JobState) - {JobState.PENDING, JobState.ADMITTED},
    JobState.RUNNING: frozenset({JobState.QUEUED}) | TERMINAL,
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


class Reason(str, Enum):
    """Why a job is in its state. Backends may use others of their own; these have meaning everywhere."""

    NONE = ""
    EXCEPTION = "Exception"  #: the job's code raised
    EXIT_CODE = "ExitCode"  #: ended with a code other than 0
    SIGNAL = "Signal"  #: ended by a signal nobody of qwex sent
    OUT_OF_MEMORY = "OutOfMemory"
    TIMED_OUT = "TimedOut"
    PREEMPTED = "Preempted"
    REQUEUED = "Requeued"  #: it went back to its queue, and nobody saw why
    RETRY = "Retry"
    CANCELLED_BY_USER = "CancelledByUser"
    NODE_LOST = "NodeLost"
    LOST = "Lost"  #: the job's processes vanished without a record of their end
    START_FAILED = "StartFailed"  #: the interpreter or the working folder could not be used
    REFUSED = "Refused"  #: the backend refused the job after it was recorded

    def __str__(self) -> str:
        return self.value


#: Failures of the place, not of the code: retried by ``retries.infrastructure``.
INFRASTRUCTURE_REASONS = frozenset({Reason.NODE_LOST.value, Reason.LOST.value})


@dataclass(frozen=True)
class JobStatus:
    """What a backend says of a job now: a state, a reason and one plain sentence."""

    state: JobState
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    #: Counts from 1 and rises with every start; None where the backend does not know it yet.
    attempt: int | None = None


@dataclass(frozen=True, order=True)
class Position:
    """A place in a job's output: the last record seen is number ``seq`` (from 1) of attempt ``attempt``."""

    attempt: int = 0
    seq: int = 0


class WaitReason(str, Enum):
    """Why a job waits, one vocabulary for every backend."""

    NONE = ""
    RECORDED = "Recorded"  #: the controller has it, the backend not yet
    WAITING_FOR_QUOTA = "WaitingForQuota"
    EXCEEDS_MAX_QUOTA = "ExceedsMaxQuota"
    NO_MATCHING_FLAVOR = "NoMatchingFlavor"
    QUEUE_STOPPED = "QueueStopped"
    QUEUE_MISSING = "QueueMissing"
    HELD_BY_PRIORITY = "HeldByPriority"
    STARTING = "Starting"
    IMAGE_PULL = "ImagePull"
    BACKEND_UNAVAILABLE = "BackendUnavailable"
    WRONG_PYTHON = "WrongPython"  #: code among the inputs is another Python's than the one it would run in

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class QuotaLine:
    """One resource of one queue: amounts in the resource's own unit (cores, bytes, GPUs)."""

    resource: str
    requested: float
    used: float
    nominal: float | None = None
    borrowable: float | None = None


@dataclass(frozen=True)
class Why:
    """The answer to "why does it wait, and for how long"; what is not known is None or absent, never guessed."""

    summary: str
    reason: str = ""
    #: 1-based.
    position: int | None = None
    position_in: str = ""
    cluster_position: int | None = None
    quota: tuple[QuotaLine, ...] = ()
    #: Seconds from now, ``(low, high)``; None without a basis.
    eta: tuple[float, float] | None = None
    basis: str = ""
    suggestions: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A plain dictionary, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class QueueInfo:
    """A line to stand in: counts now, and for each resource what is used and what is allowed."""

    name: str
    backend: str
    waiting: int = 0
    running: int = 0
    quota: tuple[QuotaLine, ...] = ()
    stopped: bool = False
    default: bool = False
    description: str = ""
    priorities: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """A plain dictionary, ready for JSON."""
        return asdict(self)
