"""The contract of an experiment tracker: it is told of jobs and may give them environment and links.

Every call is guarded: what a tracker raises is logged, and never fails a job.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from qwex.backend import Plan
    from qwex.events import Event
    from qwex.state import JobStatus

__all__ = ["Tracked", "Tracker"]


@dataclass(frozen=True)
class Tracked:
    """What a tracker gives a job: variables for its process, links for its card."""

    environment: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


class Tracker(ABC):
    """Records jobs elsewhere."""

    name: ClassVar[str]

    @abstractmethod
    async def on_submit(self, plan: Plan) -> Tracked:
        """The job was accepted by the site's policies; it may still be refused, and then nothing more is said of it."""

    @abstractmethod
    async def on_event(self, run_id: str, event: Event) -> None:
        """The job's story grew by one record. That it is recorded and first queued is told by ``on_submit`` alone."""

    @abstractmethod
    async def on_end(self, run_id: str, status: JobStatus) -> None:
        """The job ended with ``status``. Called again after a restart until it returned once."""
