"""A job as the API shows it: plain frozen data, cheap to import, tolerant of fields a newer controller adds."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from qwex.state import JobState, Why

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Collected", "Glance", "JobFile", "JobRecord", "Metric", "Stays", "TrackerStanding"]


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
    #: Why it cannot be reached; empty when it can.
    problem: str = ""
    #: Since when, in seconds since the epoch; of one job since when there is news that it was not told, whatever the
    #: reason. None where there is nothing of the kind.
    since: float | None = None


@dataclass(frozen=True)
class Stays:
    """Jobs that are old enough to be removed, and are not."""

    jobs: int
    why: str


@dataclass(frozen=True)
class Collected:
    """What ``qwex gc`` has removed, or with ``dry_run`` would."""

    dry_run: bool = False
    jobs: int = 0
    #: The ids of these, of the first thousand.
    ids: tuple[str, ...] = ()
    #: Of inputs, values and files in the artifact store.
    blobs: int = 0
    #: Logs that no job has any more.
    logs: int = 0
    #: Of all that; not of what backends have kept.
    bytes: int = 0
    #: Jobs that have not ended.
    live: int = 0
    #: Blobs that nobody needs and that a later collection removes, if that is so then.
    waiting: int = 0
    #: Jobs of other controllers in the same artifact store that have not said how they ended, and since when (seconds
    #: since the epoch) the first of them: what they need stays.
    elsewhere: int = 0
    elsewhere_since: float | None = None
    stay: tuple[Stays, ...] = ()
    #: What kept blobs from being looked through.
    problems: tuple[str, ...] = ()
    #: It was still at it when this was said, and goes on.
    unfinished: bool = False

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Collected:
        """What an API answer says; unknown keys are left out."""
        known = {each.name: raw[each.name] for each in fields(cls) if each.name in raw}
        stay = tuple(Stays(each["jobs"], each["why"]) for each in known.get("stay", ()))
        lists = {name: tuple(known.get(name, ())) for name in ("ids", "problems")}
        return cls(**{**known, **lists, "stay": stay})

    def as_dict(self) -> dict[str, Any]:
        """A plain dictionary, ready for JSON."""
        return asdict(self)


_NAMES = tuple(f.name for f in fields(JobRecord))
