from __future__ import annotations

import json
from dataclasses import replace

import pytest

from qwex.state import JobState
from qwex_magics import card
from qwex_magics.story import Story

WHY = {
    "summary": "waits for 1 GPU: 8 of 8 in use",
    "position": 3,
    "position_in": "gpu-team",
    "cluster_position": 11,
    "eta": (240, 660),
    "basis": "37 admissions",
    "suggestions": ("queue team-b has 4 free",),
}


def at(record, state, **more):
    story = {name: more.pop(name) for name in ("why", "error", "values", "host") if name in more}
    return Story(replace(record, state=state, **more), **story)


def test_a_waiting_job_says_where_and_why(record):
    line = card.line(at(record, JobState.QUEUED, why=WHY))
    assert line == (
        "◌ train-7k3f9q  QUEUED  3rd in gpu-team, 11th in the cluster queue"
        " · waits for 1 GPU: 8 of 8 in use · starts in 4–11 min (from 37 admissions)"
    )


def test_suggestions_stand_below(record):
    html = card.bundle(at(record, JobState.QUEUED, why=WHY))["text/html"]
    assert "queue team-b has 4 free" in html


def test_a_running_job_says_since_when_and_where(record):
    line = card.line(at(record, JobState.RUNNING, started_at=1000.0, host="gpu-3", resources={"gpu": "2"}))
    assert line.startswith("● train-7k3f9q  RUNNING since ")
    assert line.endswith(" · 2 GPUs · gpu-3")


def test_a_later_attempt_says_why(record):
    again = {"attempt": 2, "reason": "Preempted"}
    assert card.line(at(record, JobState.QUEUED, **again)).endswith("QUEUED  Preempted · attempt 2")
    assert card.line(at(record, JobState.QUEUED, why={"summary": "waits"}, **again)).endswith(
        "QUEUED  waits · attempt 2 (Preempted)"
    )


def test_success_says_how_long_and_what_came_back(record):
    values = {"model": {"name": "model", "size": 84_000_000}, "history": {"name": "history", "size": 90}}
    times = {"started_at": 1000.0, "ended_at": 1192.0}
    story = at(record, JobState.SUCCEEDED, values=values, outputs=("model", "history"), **times)
    assert card.line(story, here=("model", "history")) == (
        "✔ train-7k3f9q  finished in 3m12s · model (84 MB), history → here"
    )


def test_values_that_did_not_come_back_say_how_to_get_them(record):
    story = at(record, JobState.SUCCEEDED)
    assert card.line(story).endswith("model kept: %qwex attach train-7k3f9q -o model")


def test_failure_says_what_was_raised_or_the_message(record):
    times = {"started_at": 1000.0, "ended_at": 1003.1}
    raised = at(record, JobState.FAILED, reason="Exception", message="ValueError: bad", **times)
    assert card.line(raised) == "✖ train-7k3f9q  failed after 3.1s · ValueError: bad"
    story = at(record, JobState.FAILED, reason="TimedOut", message="ran longer than 15m")
    assert card.line(story) == "✖ train-7k3f9q  failed · TimedOut: ran longer than 15m"


def test_a_long_message_is_cut(record):
    line = card.line(at(record, JobState.FAILED, reason="Exception", message="ValueError: " + "x" * 1000))
    assert len(line) < 200
    assert line.endswith("x…")


def test_cancelled_before_or_after_its_start(record):
    assert card.line(at(record, JobState.CANCELLED)) == "⦸ train-7k3f9q  cancelled before it started"
    story = at(record, JobState.CANCELLED, started_at=1000.0, ended_at=1002.0)
    assert card.line(story) == "⦸ train-7k3f9q  cancelled after 2.0s"


@pytest.mark.parametrize("state", list(JobState))
def test_html_is_escaped_and_the_snapshot_is_json(record, state):
    hostile = "<script>alert(1)</script>"
    story = at(record, state, message=hostile, why={"summary": hostile, "suggestions": [hostile]}, host=hostile)
    story = replace(story, error={"ename": hostile, "evalue": hostile})
    bundle = card.bundle(story, note=hostile)
    assert hostile not in bundle["text/html"]
    snapshot = json.loads(json.dumps(bundle[card.CARD]))
    assert snapshot["id"] == "train-7k3f9q"
    assert snapshot["state"] == state.value
