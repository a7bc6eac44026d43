"""The shapes of answers, as ``openapi.json`` describes them; the routes write them as plain JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Read by pydantic when the schema is made, so they are imported for real.
from qwex.gpus import GpuReport  # noqa: TC001
from qwex.machines import MachineEvent, MachineRecord  # noqa: TC001
from qwex.plugins import PluginInfo  # noqa: TC001
from qwex.record import Glance, JobFile, JobRecord, Metric, TrackerStanding  # noqa: TC001
from qwex.state import JobState, QueueInfo, Why

__all__ = [
    "Backends",
    "Counts",
    "Files",
    "Glances",
    "Gpus",
    "Health",
    "JobList",
    "JobPage",
    "MachineEvents",
    "Machines",
    "Metrics",
    "Plugins",
    "Preflight",
    "Problem",
    "Queues",
    "Trackers",
    "Whoami",
]

#: How many jobs are in each state, those that none is in too.
Counts = dict[JobState, int]


@dataclass(frozen=True)
class JobList:
    """The jobs of one request."""

    jobs: list[JobRecord]


@dataclass(frozen=True)
class JobPage:
    """Jobs in the order asked for; ``total`` counts all that match, ``next_cursor`` leads to the rest.

    ``missing`` says why there may be more that ``where`` would find; empty when that is all.
    """

    jobs: list[JobRecord]
    next_cursor: str | None
    total: int
    missing: str


@dataclass(frozen=True)
class Glances:
    """What rows show of jobs beside their records, in the order asked for."""

    jobs: list[Glance]


@dataclass(frozen=True)
class Files:
    """What a job has left in ``QWEX_FILES``, by path; ``/jobs/{id}/values/{value}`` has the bytes."""

    files: list[JobFile]


@dataclass(frozen=True)
class Machines:
    """Dev machines, oldest first; ``default_provider`` is where one is that names none, empty where each has to."""

    machines: list[MachineRecord]
    providers: list[str]
    default_provider: str


@dataclass(frozen=True)
class MachineEvents:
    """What became of a dev machine, and who asked for what, oldest first; the newest 200."""

    events: list[MachineEvent]


@dataclass(frozen=True)
class Metrics:
    """What a job's code has logged over time, by name."""

    metrics: list[Metric]


@dataclass(frozen=True)
class Trackers:
    """What records jobs elsewhere."""

    trackers: list[TrackerStanding]


@dataclass(frozen=True)
class Preflight:
    """What would happen, and what would be sent."""

    why: Why | None
    rendered: str


@dataclass(frozen=True)
class Queues:
    """The queues a job may name; ``away`` says why a backend does not tell its own, by the backend's name."""

    queues: list[QueueInfo]
    away: dict[str, str]


@dataclass(frozen=True)
class Gpus:
    """The GPUs of each backend in use; ``away`` says why one does not tell its own, by its name."""

    reports: dict[str, GpuReport]
    away: dict[str, str]


@dataclass(frozen=True)
class Backend:
    """A place that runs jobs; ``options`` is the JSON schema of ``backend_options``."""

    name: str
    capabilities: list[str]
    options: dict[str, Any]
    plugin: str
    version: str


@dataclass(frozen=True)
class Backends:
    """The backends that are installed."""

    backends: list[Backend]


@dataclass(frozen=True)
class Plugins:
    """The plugins, those that failed too."""

    plugins: list[PluginInfo]


@dataclass(frozen=True)
class Whoami:
    """The caller; ``own`` says that this is their own controller, asked over its socket."""

    user: str
    own: bool


@dataclass(frozen=True)
class Health:
    """The controller answers."""

    status: str
    version: str
    pid: int
    api: int
    #: The backend of jobs that name none.
    default_backend: str


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field."""

    field: str
    message: str


@dataclass(frozen=True)
class Problem:
    """A refusal (RFC 9457); ``code`` is stable."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    problems: list[FieldProblem]
