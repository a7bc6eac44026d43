"""A piece of a job's story, folded into what MLflow is told of it. Pure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qwex.state import JobState
from qwex_mlflow import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.events import Event
    from qwex.tracker import TrackedJob

__all__ = ["Story"]

#: The record of a job's log that says it is queued for the first time: with it a run is described.
_FIRST = 2


@dataclass
class Story:
    """What some records add."""

    #: They are the job's first.
    begins: bool = False
    #: The last state that they tell.
    state: JobState | None = None
    metrics: list[dict[str, Any]] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, job: TrackedJob, events: Sequence[Event]) -> Story:
        """Fold records of one attempt."""
        story = cls()
        for event in events:
            if fold := _FOLDS.get(event.type):
                fold(story, event)
        if job.attempt > 1 and any(event.type == "state" and event["state"] == "QUEUED" for event in events):
            story.begins = True
        return story

    def _state(self, event: Event) -> None:
        self.begins = self.begins or event.id == _FIRST
        self.state = JobState(event["state"])

    def _start(self, event: Event) -> None:
        given = {
            "qwex.host": event.get("host"),
            "qwex.python": event.get("version"),
            "qwex.image_digest": event.get("image"),
        }
        self.tags |= {key: str(value) for key, value in given.items() if value}

    def _metrics(self, event: Event) -> None:
        step = event.get("step", 0)
        for key, value in event["values"].items():
            with contextlib.suppress(TypeError, ValueError):  # it is no number
                self.metrics.append(limits.metric(key, value, event.ts, step))
        if isinstance(step, int) and abs(step) > limits.STEPS:
            self.tags["qwex.cut"] = f"steps beyond ±{limits.STEPS}"

    def _usage(self, event: Event) -> None:
        """What the job's processes use, under the names of MLflow's own system metrics (its page shows them apart)."""
        found = {
            "system/cpu_utilization_percentage": 100 * event["cpu"],
            "system/system_memory_usage_megabytes": event["memory"] / 1e6,
        }
        for number, gpu in enumerate(event.get("gpus", ())):
            found[f"system/gpu_{number}_utilization_percentage"] = gpu["utilization"]
            found[f"system/gpu_{number}_memory_usage_megabytes"] = gpu["memory"] / 1e6
        step = int(event.get("step", 0))
        self.metrics += [limits.metric(key, float(value), event.ts, step) for key, value in found.items()]

    def _cell(self, event: Event) -> None:
        """How far a notebook has come, whose cells are its steps."""
        done = 100.0 * (event["number"] - 1) / event["total"]
        self.metrics.append(limits.metric("system/progress_percentage", done, event.ts, event["number"] - 1))

    def _packages(self, event: Event) -> None:
        lines = [f"{name}=={version}\n" for name, version in sorted(event["packages"].items())]
        self.files["environment/requirements.txt"] = "".join(lines).encode()


_FOLDS = {
    "state": Story._state,
    "start": Story._start,
    "cell": Story._cell,
    "metrics": Story._metrics,
    "usage": Story._usage,
    "packages": Story._packages,
}
