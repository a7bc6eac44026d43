"""What records of a job's log become in MLflow's words."""

from __future__ import annotations

from qwex_mlflow.story import Story

from qwex.events import Event
from qwex.record import JobRecord
from qwex.spec import JobSpec, Source
from qwex.state import JobState
from qwex.tracker import TrackedJob


def story_of(*events):
    record = JobRecord("one-abc234", "one", "me", "notebook", JobState.RUNNING, "local", 1.0)
    return Story.of(TrackedJob(record, JobSpec(source=Source(kind="script", text="1", name="one.py"))), events)


def test_a_notebook_s_cells_are_its_progress():
    cells = [Event(9 + number, "cell", 5.0, data={"id": "a", "number": number, "total": 4}) for number in (1, 3)]
    found = story_of(*cells).metrics
    assert [(each["key"], each["value"], each["step"]) for each in found] == [
        ("system/progress_percentage", 0.0, 0),
        ("system/progress_percentage", 50.0, 2),
    ]


def test_what_it_runs_in():
    data = {"host": "node-7", "version": "3.11", "image": "python@sha256:1"}
    tags = story_of(Event(3, "start", 5.0, data=data)).tags
    assert tags == {"qwex.host": "node-7", "qwex.python": "3.11", "qwex.image_digest": "python@sha256:1"}
