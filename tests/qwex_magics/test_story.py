from __future__ import annotations

from functools import reduce

from qwex.state import JobState
from qwex_magics.story import Story


def told(record, *events):
    return reduce(Story.after, events, Story(record))


def test_states_and_times_are_folded(record, event):
    story = told(
        record,
        event("state", state="QUEUED", reason="", message=""),
        event("state", state="RUNNING", ts=2000.0),
        event("start", host="gpu-3", pid=1),
        event("exit", code=0, duration=3.5, peak_memory=100, cpu_time=1.0),
        event("state", state="SUCCEEDED", exit_code=0),
    )
    assert story.record.state is JobState.SUCCEEDED
    assert (story.record.started_at, story.record.exit_code, story.record.peak_memory) == (2000.0, 0, 100)
    assert story.host == "gpu-3"


def test_a_job_that_ended_before_anyone_saw_it_run_has_a_start(record, event):
    story = told(record, event("state", state="QUEUED"), event("exit", ts=2000.0, code=0, duration=3.5))
    assert story.record.started_at == 1996.5


def test_a_reason_to_wait_is_forgotten_when_it_runs(record, event):
    waits = told(record, event("state", state="QUEUED"), event("why", summary="waits for 1 CPU", position=3))
    assert waits.why["position"] == 3
    assert not waits.after(event("state", state="ADMITTED")).why
    assert not waits.after(event("state", state="RUNNING")).why


def test_a_new_attempt_starts_over(record, event):
    story = told(
        record,
        event("state", state="RUNNING"),
        event("error", ename="ValueError", evalue="x", traceback=[]),
        event("value", name="model", size=3),
        event("state", state="QUEUED", attempt=2, reason="Preempted"),
    )
    assert (story.record.attempt, story.record.reason) == (2, "Preempted")
    assert not story.error
    assert not story.values


def test_unknown_types_change_nothing(record, event):
    story = Story(record)
    assert story.after(event("from-the-future", x=1)) == story
