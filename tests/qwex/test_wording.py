"""Jobs, waits and amounts in words, which every front end shares."""

from __future__ import annotations

import pytest

from qwex import wording
from qwex.record import JobRecord
from qwex.state import JobState, QueueInfo, QuotaLine, Why


def record(state: JobState, **more: object) -> JobRecord:
    return JobRecord("train-7k3f9q", "train", "me", "script", state, "local", 100.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0ms"),
        (0.008, "8ms"),
        (0.34, "340ms"),
        (0.9996, "1.0s"),
        (1.84, "1.8s"),
        (9.96, "10s"),
        (42.4, "42s"),
        (59.7, "1m00s"),
        (192, "3m12s"),
        (3840, "1h04m"),
        (183600, "2d03h"),
    ],
)
def test_a_duration(seconds: float, text: str) -> None:
    assert wording.span(seconds) == text


def test_a_running_job_has_not_run_for_longer_than_it_has_been_there() -> None:
    early = record(JobState.RUNNING, started_at=99.5)
    assert wording.ran(early, 102.0) == wording.age(early, 102.0) == "2.0s"


@pytest.mark.parametrize(
    ("state", "started", "text"),
    [
        (JobState.SUCCEEDED, 100.0, "finished in 1.8s"),
        (JobState.SUCCEEDED, None, "finished"),
        (JobState.FAILED, 100.0, "failed after 1.8s"),
        (JobState.FAILED, None, "failed"),
        (JobState.CANCELLED, 100.0, "cancelled after 1.8s"),
        (JobState.CANCELLED, None, "cancelled before it started"),
    ],
)
def test_an_end(state: JobState, started: float | None, text: str) -> None:
    assert wording.ended(record(state, started_at=started, ended_at=101.8)) == text


def test_an_end_between_two_attempts_does_not_deny_the_first() -> None:
    assert wording.ended(record(JobState.CANCELLED, attempt=2, ended_at=101.8)) == "cancelled before attempt 2 started"


@pytest.mark.parametrize(
    ("why", "text"),
    [
        (Why("3rd in q · waits", position=3, position_in="q"), "3rd in q · waits"),
        (Why("waits", position=1), "1st in the queue · waits"),
        (Why("", position=3, position_in="a", cluster_position=11), "3rd in a, 11th in the cluster queue"),
        (Why("waits", eta=(20, 40)), "waits · starts in 20–40 s"),
        (Why("waits", eta=(240, 660), basis="37 admissions"), "waits · starts in 4–11 min (from 37 admissions)"),
        (Why("waits", eta=(7200, 18000)), "waits · starts in 2–5 h"),
        (Why("waits", eta=(0.1, 0.4), basis="37 admissions"), "waits · starts in a moment (from 37 admissions)"),
        (Why("waits", eta=(0.1, 0.6)), "waits · starts in 0–1 s"),
    ],
)  # fmt: skip
def test_a_wait(why: Why, text: str) -> None:
    assert wording.waiting(why) == text


@pytest.mark.parametrize(
    ("number", "word"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (112, "112th")]
)
def test_ordinals(number: int, word: str) -> None:
    assert wording.ordinal(number) == word


def test_amounts_are_in_the_resources_own_unit() -> None:
    assert wording.asked(QuotaLine("cpu", 1, 2, 4)) == "asks for 1; 2 of 4 in use"
    assert wording.used(QuotaLine("gpu", 0, 1)) == "1"


def test_a_queue() -> None:
    quota = (QuotaLine("cpu", 0, 1, 2),)
    queue = QueueInfo("day", "local", 3, 1, quota, stopped=True, default=True, description="CPUs")
    assert wording.queue_row(queue) == ("day (default)", "local", "3", "1", "1 of 2 cpu", "CPUs (stopped)")


def test_what_a_cancel_did() -> None:
    running, ended = record(JobState.RUNNING), record(JobState.SUCCEEDED)
    assert wording.cancelling(ended, ended) == "had ended already: SUCCEEDED"
    assert wording.cancelling(running, running) == "is being stopped"
    assert wording.cancelling(running, record(JobState.CANCELLED)) == "cancelled"


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        ("64Mi", "resubmit train-7k3f9q --mem 128Mi"),
        ("1Gi", "resubmit train-7k3f9q --mem 2Gi"),
        (None, ""),
    ],
)
def test_what_helps_a_job_that_ran_out_of_memory(memory: str | None, words: str) -> None:
    failed = record(JobState.FAILED, reason="OutOfMemory", resources={"memory": memory})
    assert wording.remedy(failed) == words


def test_nothing_helps_a_job_that_failed_by_itself() -> None:
    assert wording.remedy(record(JobState.FAILED, reason="ExitCode", resources={"memory": "1Gi"})) == ""
