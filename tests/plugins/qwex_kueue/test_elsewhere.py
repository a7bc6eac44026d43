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
        ((), (ADMITTED,), False, JobState.ADMITTED, ""),
        ((), (ADMITTED, READY), False, JobState.RUNNING, ""),
        ((condition("Complete"),), (ADMITTED,), False, JobState.SUCCEEDED, ""),
        ((condition("Failed", reason="DeadlineExceeded"),), (ADMITTED,), False, JobState.FAILED, "TimedOut"),
    ],
)
def test_a_job_of_another_controller_stands_where_its_objects_say(of_job, of_workload, suspended, state, reason):
    found = record(job(*of_job, suspended=suspended), workload(*of_workload, requests={"cpu": "1"}))
    assert (found.id, found.name, found.queue, found.resources) == ("train-abc", "train", "default", {"cpu": "1"})
    assert (found.state, found.reason) == (state, reason)


def test_one_that_kueue_has_not_seen_yet_waits():
    assert record(job(suspended=True), None).state is JobState.QUEUED
