"""A job as the API shows it: plain frozen data, cheap to import, tolerant of fields a newer controller adds."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from qwex.state import JobState, Why

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Glance", "JobFile", "JobRecord", "Metric", "TrackerStanding"]


@dataclass(frozen=True)
class JobRecord:
    """Everything but the spec, the events and the values. Times are seconds since the epoch (UTC)."""

    id: str
    name: str
    user: str
    kind: str
    state: JobState
    backend: str
    created_at: float
    native_id: str | None = None
    queue: str | None = None
    priority: int = 0
    reason: str = ""
    message: str = ""
    attempt: int = 1
    exit_code: int | None = None
    queued_at: float | None = None
    admitted_at: float | None = None
    #: Start of the present attempt.
    started_at: float | None = None
    ended_at: float | None = None
    resources: dict[str, str | None] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    group: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    notebook: dict[str, str] | None = None
    links: dict[str, str] = field(default_factory=dict)
    peak_memory: int | None = None
    cpu_time: float | None = None

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> JobRecord:
        """The record in an API answer; unknown keys are left out."""
        known = {name: raw[name] for name in _NAMES if name in raw}
        return cls(**{**known, "state": JobState(known["state"]), "outputs": tuple(known.get("outputs") or ())})

    def as_dict(self) -> dict[str, Any]:
        """The record as the API shows it."""
        return asdict(self)


@dataclass(frozen=True)
class Glance:
    """What a row in a list shows of a job beside its record."""

    id: str
    #: The last line of the present attempt's output, as plain text; empty without any, and of another user's job.
    line: str
    #: From 0 to 1, where that line is a progress bar.
    progress: float | None
    #: Of a job that has not started.
    why: Why | None

    def as_dict(self) -> dict[str, Any]:
        """A plain dictionary, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class JobFile:
    """A file that a job has left in ``QWEX_FILES``."""

    #: Within that folder, with slashes.
    path: str
    #: Bytes.
    size: int
    #: ``sha256:…`` of them.
    digest: str
    #: The name of the value whose bytes they are.
    value: str


@dataclass(frozen=True)
class Metric:
    """A number that a job's code logs over time."""

    name: str
    #: The last; None where that is no number, or infinite.
    value: float | None
    step: int
    #: When that was logged, in seconds since the epoch.
    ts: float
    #: Some of the values so far, evenly spread, oldest first.
    history: tuple[float | None, ...] = ()

    @classmethod
    def of(cls, name: str, values: Sequence[float], step: int, ts: float) -> Metric:
        """From numbers of any kind, of which the last is the value."""
        finite = tuple(value if math.isfinite(value) else None for value in values)
        return cls(name, finite[-1], step, ts, finite)


@dataclass(frozen=True)
class TrackerStanding:
    """How far a tracker is behind."""

    name: str
    #: Jobs of which there is news that it was not told yet.
    waiting: int
    #: Why it cannot be reached, and since when in seconds since the epoch; empty and None when it can.
    problem: str = ""
    since: float | None = None


_NAMES = tuple(f.name for f in fields(JobRecord))
