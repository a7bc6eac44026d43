"""A job as the API shows it: plain frozen data, cheap to import, tolerant of fields a newer controller adds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from qwex.state import JobState, Why

__all__ = ["Glance", "JobRecord"]


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


_NAMES = tuple(f.name for f in fields(JobRecord))
