"""The conformance kit of a tracker: scenarios numbered as in plugins/README.md."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from qwex.backend import Plan
from qwex.events import Event
from qwex.record import JobRecord
from qwex.state import JobState
from qwex.testing.jobs import script
from qwex.tracker import Tracked, TrackedJob, Tracker, TrackerContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["TrackerContract"]

STORY = (
    Event(2, "state", 1.0, data={"state": "QUEUED", "reason": "", "message": "", "exit_code": None}),
    Event(3, "state", 1.5, data={"state": "RUNNING", "reason": "", "message": "", "exit_code": None}),
    Event(4, "start", 2.0, seq=1, data={"pid": 1, "start_time": 1, "python": "3.13", "host": "here"}),
    Event(5, "a-type-of-a-later-version", 4.0, seq=3, data={"anything": [1, {"deep": None}]}),
)


@pytest.mark.anyio
class TrackerContract:
    """Everything a tracker must do. Set ``tracker_class``, or override ``tracker_factory`` where it needs settings."""

    tracker_class: ClassVar[type[Tracker]]

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The controller runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    def tracker_factory(self, tmp_path: Path) -> Callable[[], Tracker]:
        """Makes a new instance over the same place each time it is called."""
        return lambda: self.tracker_class(TrackerContext(tmp_path))

    @pytest.fixture
    def job(self) -> TrackedJob:
        """The job that is tracked."""
        record = JobRecord("kit-abc234", "kit", "kit", "script", JobState.RUNNING, "local", 1.0)
        return TrackedJob(record, script("print(1)"))

    async def test_t1_gives(self, tracker_factory: Callable[[], Tracker], job: TrackedJob) -> None:
        """``variables`` and ``begin`` give variables for the job, ``begin`` links that a browser can open."""
        tracker = tracker_factory()
        await tracker.start()
        known = tracker.variables(Plan(job.run_id, job.spec, "kit"))
        tracked = await tracker.begin(job, again=False)
        assert isinstance(tracked, Tracked)
        for name, value in (*(known or {}).items(), *tracked.environment.items()):
            assert isinstance(value, str)
            assert "=" not in name
            assert "\0" not in name + value
        assert all(url.startswith(("http://", "https://", "file://")) for url in tracked.links.values())
        await tracker.close()

    async def test_t2_again(self, tracker_factory: Callable[[], Tracker], job: TrackedJob) -> None:
        """An attempt that is begun again, by the same or a new instance, is the same tracked run."""
        tracker = tracker_factory()
        await tracker.start()
        first = await tracker.begin(job, again=False)
        assert first == await tracker.begin(job, again=True)
        await tracker.close()
        later = tracker_factory()
        await later.start()
        assert first == await later.begin(job, again=True)
        await later.close()

    async def test_t3_any_record(self, tracker_factory: Callable[[], Tracker], job: TrackedJob) -> None:
        """Every record is taken, also twice, and also of a type that the tracker does not know."""
        tracker = tracker_factory()
        await tracker.start()
        job = replace(job, reference=(await tracker.begin(job, again=False)).reference)
        await tracker.record(job, STORY)
        await tracker.record(job, STORY)
        await tracker.close()

    async def test_t4_end_repeated(self, tracker_factory: Callable[[], Tracker], job: TrackedJob) -> None:
        """``end`` may come again, at once or to a new instance after a restart."""
        tracker = tracker_factory()
        await tracker.start()
        reference = (await tracker.begin(job, again=False)).reference
        record = replace(job.record, state=JobState.FAILED, reason="ExitCode", message="ended with 3", exit_code=3)
        ended = replace(job, record=record, reference=reference)
        await asyncio.gather(*(tracker.end(ended) for _ in range(2)))
        await tracker.close()
        later = tracker_factory()
        await later.start()
        await later.end(ended)
        await later.close()

    async def test_t5_attempts(self, tracker_factory: Callable[[], Tracker], job: TrackedJob) -> None:
        """A later attempt begins, whatever made it necessary."""
        tracker = tracker_factory()
        await tracker.start()
        for attempt, cause in enumerate(("", "Preempted", "Retry"), 1):
            job = replace(job, attempt=attempt, cause=cause)
            job = replace(job, reference=(await tracker.begin(job, again=False)).reference)
            await tracker.record(job, [replace(event, attempt=attempt) for event in STORY])
        await tracker.close()

    async def test_t6_startup(self, tracker_factory: Callable[[], Tracker], tmp_path: Path) -> None:
        """What it has every process run first says nothing and fails nothing, whether its variables come or not."""
        source = tracker_factory().startup
        if source is None:
            pytest.skip("it has nothing of the kind")
        for later in (tmp_path / "missing", tmp_path / "empty"):
            (tmp_path / "empty").write_text("{}")
            environment = {"QWEX_RUN_ID": "kit-abc234", "QWEX_LATER": str(later), "QWEX_FOLDER": str(tmp_path)}
            command = [sys.executable, "-I", str(source)]
            done = await asyncio.to_thread(
                subprocess.run, command, env={**os.environ, **environment}, capture_output=True, timeout=60
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    async def test_t7_ended(self, tracker_factory: Callable[[], Tracker], job: TrackedJob) -> None:
        """``ended`` may come before the rest of the story, also twice; records and ``end`` follow as ever."""
        tracker = tracker_factory()
        await tracker.start()
        reference = (await tracker.begin(job, again=False)).reference
        record = replace(job.record, state=JobState.SUCCEEDED, exit_code=0, ended_at=5.0)
        over = replace(job, record=record, reference=reference)
        await tracker.ended(over)
        await tracker.ended(over)
        await tracker.record(over, STORY)
        await tracker.end(over)
        await tracker.close()
