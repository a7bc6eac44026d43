"""What is known of a followed job: its record, folded from the events. Pure; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from qwex.client.progress import moved
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.events import Event
    from qwex.record import JobRecord, Metric

__all__ = ["Story"]


@dataclass(frozen=True)
class Story:
    """A job so far. ``after`` gives the story with one more event."""

    record: JobRecord
    #: The latest answer to why it waits, as ``Why.as_dict``; empty when it does not wait.
    why: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    #: The ``error`` record of the present attempt, empty if there is none.
    error: Mapping[str, Any] = field(default_factory=dict)
    #: ``value`` records of the present attempt by name.
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: What its code has logged over time; known once it has ended.
    metrics: tuple[Metric, ...] = ()

    @property
    def reason(self) -> str:
        """Why it is where it is, if that is known."""
        return str(self.why.get("summary") or self.record.message or self.record.reason)

    def after(self, event: Event) -> Story:
        """The story with ``event`` told; types that change nothing here are passed over."""
        if event.type == "state":
            return self._moved(event)
        if event.type == "why":
            return replace(self, why=event.data)
        if event.type == "start":
            return replace(self, host=event.get("host", ""))
        if event.type == "error":
            return replace(self, error=event.data)
        if event.type == "value":
            return replace(self, values={**self.values, event["name"]: event.data})
        if event.type == "exit":
            return self._exited(event)
        return self

    def _moved(self, event: Event) -> Story:
        record = moved(self.record, event)
        if event["state"] == JobState.QUEUED:  # a new attempt starts over
            return Story(record)
        return replace(self, record=record, why={})  # it waited for that; what it waits for now comes anew

    def _exited(self, event: Event) -> Story:
        used: dict[str, Any] = {name: event.get(name) for name in ("peak_memory", "cpu_time")}
        if self.record.started_at is None and "duration" in event.data:
            used["started_at"] = event.ts - event["duration"]  # it ended before anyone saw it run
        return replace(self, record=replace(self.record, **used))
