"""The conformance kit of a tracker: scenarios numbered as in plugins/README.md."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

import pytest

from qwex.backend import Plan
from qwex.events import Event
from qwex.state import JobState, JobStatus
from qwex.testing.jobs import script
from qwex.tracker import Tracked, Tracker

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TrackerContract"]

END = JobStatus(JobState.FAILED, "ExitCode", "ended with code 3", 3, 1)
STORY = (
    Event(1, "state", 1.0, data={"state": "QUEUED", "reason": "", "message": "", "exit_code": None}),
    Event(2, "start", 2.0, seq=1, data={"pid": 1, "start_time": 1, "python": "3.13", "host": "here"}),
    Event(3, "stream", 3.0, seq=2, data={"name": "stdout", "text": "epoch 1\n"}),
    Event(4, "a-type-of-a-later-version", 4.0, seq=3, data={"anything": [1, {"deep": None}]}),
)


@pytest.mark.anyio
class TrackerContract:
    """Everything a tracker must do. Set ``tracker_class``, or override ``tracker_factory`` where it takes arguments."""

    tracker_class: ClassVar[type[Tracker]]

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The controller runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    def tracker_factory(self) -> Callable[[], Tracker]:
        """Makes a new instance over the same place each time it is called."""
        return self.tracker_class

    @pytest.fixture
    def plan(self) -> Plan:
        """The job that is tracked."""
        return Plan("kit-abc234", script("print(1)"), "kit")

    async def test_t1_gives(self, tracker_factory: Callable[[], Tracker], plan: Plan) -> None:
        """``on_submit`` gives variables for the job and links that a browser can open."""
        tracked = await tracker_factory().on_submit(plan)
        assert isinstance(tracked, Tracked)
        assert all("\0" not in value and "=" not in name for name, value in tracked.environment.items())
        assert all(url.startswith(("http://", "https://", "file://")) for url in tracked.links.values())

    async def test_t2_once(self, tracker_factory: Callable[[], Tracker], plan: Plan) -> None:
        """The same run id told again, by the same or a new instance, is the same tracked run."""
        tracker = tracker_factory()
        first = await tracker.on_submit(plan)
        assert first == await tracker.on_submit(plan) == await tracker_factory().on_submit(plan)

    async def test_t3_any_event(self, tracker_factory: Callable[[], Tracker], plan: Plan) -> None:
        """Every record is taken, also of a type that the tracker does not know."""
        tracker = tracker_factory()
        await tracker.on_submit(plan)
        for event in STORY:
            await tracker.on_event(plan.run_id, event)

    async def test_t4_end_repeated(self, tracker_factory: Callable[[], Tracker], plan: Plan) -> None:
        """``on_end`` may come again, at once or to a new instance after a restart."""
        tracker = tracker_factory()
        await tracker.on_submit(plan)
        await asyncio.gather(*(tracker.on_end(plan.run_id, END) for _ in range(2)))
        await tracker_factory().on_end(plan.run_id, END)
