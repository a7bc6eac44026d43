"""The contract of a place that runs jobs. A backend author reads this module and writes one like it.

Calls come from one event loop, in this order: ``start``, then any of the others, then ``close``. A backend sees no
store, no tracker and no front end; it may be dropped at any moment without ``close`` (the controller was killed), and
a new instance over the same ``context.folder`` must find every job again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from qwex.errors import BackendUnavailable, InvalidSpec, NotFound
from qwex.gpus import GpuKind, GpuNode, GpuQuota, GpuReport
from qwex.state import JobState, JobStatus, Position, QueueInfo, Reason, Why

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from qwex.record import JobRecord
    from qwex.spec import JobSpec

__all__ = [
    "Backend",
    "BackendContext",
    "BackendOptions",
    "BackendUnavailable",
    "Capability",
    "GpuKind",
    "GpuNode",
    "GpuQuota",
    "GpuReport",
    "InvalidSpec",
    "JobState",
    "JobStatus",
    "ParcelReader",
    "Plan",
    "Position",
    "QueueInfo",
    "Why",
]


class Capability:
    """What a backend can do beyond the contract; declared, so that tests and front ends can ask."""

    QUEUES = "queues"  #: ``queues()`` answers, ``spec.queue`` is honoured
    EXPLAIN = "explain"  #: ``explain()`` answers
    PRIORITY = "priority"
    PREEMPTION = "preemption"
    GPU = "gpu"
    TIMEOUT = "timeout"  #: ``spec.timeout`` is enforced
    VALUES = "values"  #: ``value()`` gives back ``spec.outputs``
    INHERITS_ENVIRONMENT = "inherits-environment"  #: jobs see the submitting client's environment and folder
    FLEETING = "fleeting"  #: output and values go with the job's place; the controller copies and acknowledges them
    #: reading output holds a connection: done while somebody follows, else at the end; ``position()`` answers
    ON_DEMAND = "on-demand"


class BackendOptions(BaseModel):
    """Base of a backend's own options: each field becomes a CLI flag, a magic flag, schema and docs."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Plan:
    """What the controller asks a backend to run: one attempt of one job."""

    run_id: str
    spec: JobSpec
    user: str
    #: Rises with every start. The first is 1; a backend that starts a job again by itself (preemption) counts on.
    attempt: int = 1
    #: A 0600 JSON file with the submitting client's environment, or None. Never shown, logged or stored elsewhere.
    environment: Path | None = None
    #: URLs of the bytes of ``spec.inputs`` that are not inline, by digest.
    blobs: Mapping[str, str] = field(default_factory=dict)
    #: A 0600 JSON file with more variables, which may appear only after the job was handed over; None where there will
    #: be none. A job on the same machine is told its path (see ``qwex.jobfolder``); others are given what is in it.
    later: Path | None = None
    #: Python files that every Python process of the job runs first; see ``qwex.tracker.Tracker.startup``.
    startup: tuple[Path, ...] = ()
    #: Where an attempt that nobody comes for may leave all that it said and gave: addresses that each take one object
    #: with PUT and need no credentials, for the attempts that a backend makes of this one by itself;
    #: ``BackendContext.parcels`` reads them again. Empty where there are none, as without a bucket.
    parcel: tuple[str, ...] = ()


class ParcelReader(Protocol):
    """What attempts that nobody came for have left in a shared artifact store."""

    async def names(self, run_id: str) -> list[str]:
        """Of all parcels of a job, in the order in which their addresses were given.

        Raises:
            ArtifactsUnavailable: the store cannot be reached now.
        """
        ...

    def read(self, run_id: str, name: str, start: int) -> AsyncIterator[bytes]:
        """The bytes of one from ``start`` on.

        Raises:
            NotFound: it is gone.
            ArtifactsUnavailable: the store cannot be reached now.
        """
        ...


@dataclass(frozen=True)
class BackendContext:
    """What a backend is given when it is made."""

    #: Its own folder (0700), kept between instances.
    folder: Path
    #: The section of the configuration that has the backend's name, unchecked.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: What attempts have left at ``Plan.parcel``; None where nothing can be left.
    parcels: ParcelReader | None = None


RequestT = TypeVar("RequestT")
_GONE = JobStatus(JobState.FAILED, Reason.LOST.value, "the place that ran it does not know the job any more")


class Backend(ABC, Generic[RequestT]):
    """A place that runs jobs. ``RequestT`` is what it sends: a manifest, a batch script, a command line."""

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[str]] = frozenset()
    Options: ClassVar[type[BackendOptions]] = BackendOptions
    #: The section of the configuration that has its name, as a model: ``qwex config`` shows its fields with their
    #: defaults and descriptions, and a key it does not have is refused. None leaves the section unchecked and unshown.
    Settings: ClassVar[type[BaseModel] | None] = None
    #: How many ``submit`` calls of one request may be under way at once. With 1, jobs arrive in their order.
    submits: ClassVar[int] = 1
    #: Seconds between two polls of the default ``watch``: first and longest.
    poll: ClassVar[tuple[float, float]] = (0.2, 60.0)

    def __init__(self, context: BackendContext) -> None:
        self.context = context
        self._known: set[str] = set()
        self._adopted = asyncio.Event()

    async def start(self) -> None:
        """Take up what an earlier instance left; called once, before any other call."""

    @property
    def trouble(self) -> str:
        """Why what it says of its jobs may be old: its place cannot be asked at present; empty when it can."""
        return ""

    async def close(self) -> None:
        """Let go of resources. Jobs go on."""

    @abstractmethod
    def render(self, plan: Plan) -> RequestT:
        """What ``submit`` would send. Pure: no I/O, the same answer for the same plan; what ``--dry-run`` prints.

        Raises:
            InvalidSpec: the job can never run here (unknown queue, more than the queue can ever have, …), as far as
                that is known without asking; ``submit`` refuses the rest.
        """

    @abstractmethod
    async def submit(self, request: RequestT) -> str:
        """Hand the request over and return the backend's own id of the job.

        After return the job is the backend's, and survives this process. After a raise nothing was started, or the
        error is ``in_doubt``. The same run id and attempt twice is one job. The id stays the job's through all its
        attempts.

        Raises:
            InvalidSpec: refused for good.
            BackendUnavailable: try again later.
        """

    @abstractmethod
    async def cancel(self, native_id: str) -> None:
        """Ask the job to end: SIGTERM, the job's grace, then by force. Safe to repeat; no effect after the end."""

    @abstractmethod
    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        """The jobs' states now, many at once. Unknown ids are left out, never invented."""

    async def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        """Every change of a job's status, from now on, until ``close``. May repeat itself; never goes back.

        This default polls ``status`` for jobs that were adopted (``submit`` adopts what it starts), backing off while
        nothing changes; a job that the place does not know any more ends as ``Lost``. Override it where the place can
        notify.
        """
        seen: dict[str, JobStatus] = {}
        missing: set[str] = set()
        pause = self.poll[0]
        while True:
            changed = False
            self._adopted.clear()
            asked = sorted(self._known)
            answers = await self.status(asked)
            # One look may come between a place's own two steps; a job that two looks miss is gone.
            missing, before = set(asked) - answers.keys(), missing
            for native_id, status in [*answers.items(), *((native_id, _GONE) for native_id in missing & before)]:
                if seen.get(native_id) != status:
                    seen[native_id] = status
                    changed = True
                    yield native_id, status
                if status.state.terminal:
                    self._known.discard(native_id)
                    seen.pop(native_id, None)
            pause = self.poll[0] if changed else min(pause * 2, self.poll[1])
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._adopted.wait(), pause)
                pause = self.poll[0]

    def adopt(self, native_id: str) -> None:
        """Watch the job from now on: one that ``submit`` has just started, or that an earlier instance did."""
        self._known.add(native_id)
        self._adopted.set()

    @abstractmethod
    def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        """The runner's event records after ``after``, in order: each item is one or more whole lines.

        Follows a running job; ends once the job has ended and everything was given. No record is lost or doubled
        when a reader comes back with the position of the last one it saw.
        """

    async def value(self, native_id: str, attempt: int, name: str) -> AsyncIterator[bytes]:
        """The bytes of an output value that the job has announced.

        Raises:
            NotFound: no such value.
        """
        raise NotFound(f"{self.name} keeps no values")
        yield b""

    async def send(self, native_id: str, attempt: int, name: str, url: str) -> bool:
        """Have the job's place put an output value at an address by itself: one PUT, which needs no credentials.

        False where it cannot; then the value is read with ``value``. May take as long as that does.
        """
        return False

    async def position(self, native_id: str) -> Position:
        """The last record that ``output`` would give now without waiting.

        Asked of backends that read ``on-demand``, for a reader who does not follow.

        Raises:
            BackendUnavailable: it cannot be told now.
        """
        return Position()

    async def acknowledge(self, native_id: str, last: Position) -> None:
        """The controller has on disk whatever the job gave up to ``last``, the end of an attempt, and its values.

        Called for backends that are ``fleeting``, which may let go of all that now. Safe to repeat.
        """

    async def renew(self, native_id: str, request: RequestT) -> None:
        """The request of a job that has not ended, with addresses that hold for longer, or variables that came later.

        For what its next process reads, where that does not have them yet. Safe to repeat; not done is no error.

        Raises:
            BackendUnavailable: try again later.
        """

    def show(self, request: RequestT) -> str:
        """The request as ``--dry-run`` prints it, without what is secret."""
        raw = asdict(request) if is_dataclass(request) and not isinstance(request, type) else request
        return json.dumps(raw, indent=2, default=str) if isinstance(raw, (dict, list)) else str(raw)

    async def elsewhere(self) -> list[JobRecord]:
        """Jobs that other controllers look after in the same place, as far as they can be seen; newest first."""
        return []

    async def queues(self) -> list[QueueInfo]:
        """The queues a user may name; empty without the capability."""
        return []

    async def gpus(self) -> GpuReport:
        """Which GPUs there are, where, how many are free, and what each queue has left of them.

        Empty without the capability. What the user may not read is None, and said in the report's notes, never guessed.

        Raises:
            BackendUnavailable: it cannot be told now.
        """
        return GpuReport()

    async def explain(self, native_id: str) -> Why | None:
        """Why the job waits, or None where that is not known."""
        return None

    async def preflight(self, plan: Plan) -> Why | None:
        """What would happen if the plan were submitted now, without doing it."""
        return None

    async def forget(self, native_id: str) -> None:
        """The job has ended and is deleted from qwex: remove what is left of it. Safe to repeat.

        Raises:
            BackendUnavailable: it cannot be done now; qwex keeps the job and asks again.
        """
