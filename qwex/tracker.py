"""The contract of an experiment tracker: it is told each job's story, in order, and may give jobs variables and links.

A tracker keeps no queue of its own. A job's event log is on disk, and the controller knows how far each tracker has
come in it: what raises ``TrackerUnavailable`` is told again, in its order, after any pause and any restart. So every
call may come twice and must then change nothing. Calls are made beside the jobs, never before them: nothing that a
tracker does or fails to do delays or fails a job.

For each job, one call at a time::

    variables (at submit) → begin → record* → [begin → record*]* → [ended → record*] → end

``begin`` is called for each attempt, ``ended`` where much of the story is still to come; in between the calls of many
jobs may run at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from qwex.errors import TrackerUnavailable
from qwex.record import Metric

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from qwex.backend import Plan
    from qwex.events import Event
    from qwex.provenance import Provenance
    from qwex.record import JobRecord
    from qwex.spec import JobSpec

__all__ = ["Found", "Metric", "States", "Tracked", "TrackedJob", "Tracker", "TrackerContext", "TrackerUnavailable"]


States: TypeAlias = "Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]"


async def _nobody(run_ids: Sequence[str]) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class TrackerContext:
    """What a tracker is given when it is made."""

    #: Its own folder (0700), kept between instances.
    folder: Path
    #: The section of the configuration that has the tracker's name, unchecked.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: The states of jobs by run id; those that the controller does not know are left out.
    states: States = _nobody


@dataclass(frozen=True)
class Tracked:
    """What a tracker says of an attempt that it records from now on."""

    #: The tracker's own name for its record, handed back with every later call.
    reference: str = ""
    #: Variables for the job's processes. A job that starts before they are known finds them in a file that comes
    #: later, see ``Tracker.startup``.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: URLs that a browser can open, by their text.
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackedJob:
    """A job as a tracker sees it."""

    record: JobRecord
    spec: JobSpec
    #: The attempt in question; the record may be further already.
    attempt: int = 1
    #: Why that attempt began, one of ``qwex.state.Reason``; empty of the first.
    cause: str = ""
    #: What ``begin`` gave.
    reference: str = ""
    #: A 0600 JSON file with the submitting client's environment, or None. Never to be shown, logged or stored.
    environment: Path | None = None
    #: The code's repository at submit, where that is known.
    provenance: Provenance | None = None
    #: The job's event log, whole lines as ``qwex.events`` has them; it may not be there yet.
    log: Path | None = None
    #: What the job has printed, as plain text: at most so many characters from its end. Blocks.
    output: Callable[[int], str] = field(default=lambda limit: "", repr=False, compare=False)
    #: Of a notebook: the notebook with what its cells have shown. Blocks.
    notebook: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def run_id(self) -> str:
        """The job's name in every system."""
        return self.record.id


@dataclass(frozen=True)
class Found:
    """What a tracker finds."""

    run_ids: Sequence[str] = ()
    #: Why there may be more, as where one of its places cannot be asked; empty when that is all.
    missing: str = ""


class Tracker(ABC):
    """Records jobs elsewhere. All calls come from one event loop."""

    name: ClassVar[str]
    #: The section of the configuration that has its name, as a model; see ``Backend.Settings``.
    Settings: ClassVar[type[BaseModel] | None] = None
    #: Types of records that ``record`` is told of; others are not even parsed.
    types: ClassVar[frozenset[str]] = frozenset({"state", "start", "cell", "metrics", "usage", "packages", "exit"})
    #: Python source (standard library only, from 3.9 on) that every Python process of a job runs before its own code,
    #: also where neither qwex nor the tracker is installed. ``QWEX_LATER`` names the JSON file with the variables of
    #: ``Tracked.environment``, which may come later than the process; ``{}`` says that there are none for now.
    startup: ClassVar[Path | None] = None
    #: Whether ``end`` is called once more when somebody adds a file to what an ended job has left.
    keeps_files: ClassVar[bool] = False

    def __init__(self, context: TrackerContext) -> None:
        self.context = context

    async def start(self) -> None:  # noqa: B027 - not every tracker needs it
        """Called once, before any other call. It may begin work of its own; it waits for nothing far away."""

    def variables(self, plan: Plan) -> Mapping[str, str] | None:
        """Variables for the job's processes that are known without asking; None where the job is none of its own.

        Called at submit, which waits for it: it asks nobody. Of a job that is none of its own it is told no more.
        """
        return {}

    def place(self, job: TrackedJob) -> str:
        """The name of the one of its places that a job's news go to, as ``TrackerUnavailable.place`` has it.

        What hangs holds up no other place's jobs. It asks nobody.
        """
        return ""

    @abstractmethod
    async def begin(self, job: TrackedJob, *, again: bool) -> Tracked:
        """Record the attempt ``job.attempt`` from now on; ``job.reference`` is that of the attempt before.

        ``again`` says that an earlier call may have done it, and that its answer is lost.

        Raises:
            TrackerUnavailable: tell it again later.
        """

    @abstractmethod
    async def record(self, job: TrackedJob, events: Sequence[Event]) -> None:
        """The attempt's story grew by these records, of the ``types`` asked for.

        Raises:
            TrackerUnavailable: tell it again later.
        """

    async def ended(self, job: TrackedJob) -> None:  # noqa: B027 - not every tracker shows how a job stands
        """The job ended as ``job.record`` says; the rest of its story is long, and follows before ``end``.

        Raises:
            TrackerUnavailable: tell it again later.
        """

    @abstractmethod
    async def end(self, job: TrackedJob) -> None:
        """The job ended as ``job.record`` says; it is told of this job no more.

        Raises:
            TrackerUnavailable: tell it again later.
        """

    async def withdraw(self, job: TrackedJob) -> None:  # noqa: B027 - not every tracker can
        """The job was refused after all, and qwex keeps no record of it: nor should the tracker."""

    async def metrics(self, job: TrackedJob) -> list[Metric]:
        """The numbers that the job's own code has logged there so far.

        Raises:
            TrackerUnavailable: they cannot be read now.
        """
        return []

    async def find(self, where: str) -> Found:
        """The jobs for which a condition of the tracker's own language holds, newest first.

        Raises:
            InvalidSpec: that is no condition.
            TrackerUnavailable: it cannot be asked now.
        """
        return Found()

    async def close(self) -> None:  # noqa: B027 - not every tracker has any
        """Let go of resources."""
