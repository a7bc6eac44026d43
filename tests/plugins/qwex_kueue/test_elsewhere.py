from __future__ import annotations

import pytest
from objects_as_the_api_has_them import condition, job, workload
from qwex_kueue.elsewhere import record

from qwex.state import JobState

ADMITTED, READY = condition("Admitted"), condition("PodsReady")


@pytest.mark.parametrize(
    ("of_job", "of_workload", "suspended", "state", "reason"),
    [
        ((), (), True, JobState.QUEUED, ""),
        ((), (ADMITTED,), True, JobState.QUEUED, ""),
        (
            (),
            (condition("QuotaReserved", "False", reason="WaitingForQuota"),),
            True,
            JobState.QUEUED,
            "WaitingForQuota",
        ),
        ((), (ADMITTED,), False, JobState.ADMITTED, ""),
        ((), (ADMITTED, READY), False, JobState.RUNNING, ""),
        ((condition("Complete"),), (ADMITTED,), False, JobState.SUCCEEDED, ""),
        ((condition("Failed", reason="DeadlineExceeded"),), (ADMITTED,), False, JobState.FAILED, "TimedOut"),
        ((condition("Failed", reason="BackoffLimitExceeded"),), (), False, JobState.FAILED, "BackoffLimitExceeded"),
    ],
)
def test_a_job_of_another_controller_stands_where_its_objects_say(of_job, of_workload, suspended, state, reason):
    found = record(job(*of_job, suspended=suspended), workload(*of_workload, requests={"cpu": "1"}))
    assert (found.id, found.name, found.queue, found.resources) == ("train-abc", "train", "default", {"cpu": "1"})
    assert (found.state, found.reason) == (state, reason)


def test_one_that_kueue_has_not_seen_yet_waits():
    assert record(job(suspended=True), None).state is JobState.QUEUED


def test_when_one_that_has_ended_was_started_is_not_guessed():
    failed = record(job(condition("Failed", reason="BackoffLimitExceeded")), workload(ADMITTED, READY, requests={}))
    assert (failed.started_at, bool(failed.ended_at)) == (None, True)
    assert failed.message == "its pod failed; the controller that looks after it knows how"
    assert record(job(), workload(ADMITTED, READY, requests={})).started_at is not None
