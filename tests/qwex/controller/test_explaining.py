"""What is said of a job that runs."""

from __future__ import annotations

import time

import pytest

from qwex.controller.explaining import why
from qwex.record import JobRecord
from qwex.state import JobState


@pytest.mark.anyio
async def test_a_running_job_says_for_how_long_where_and_which_attempt_it_is():
    begun = time.time() - 3600
    facts = {"started_at": begun + 60, "message": "gpu-3", "attempt": 2}
    record = JobRecord("train-1", "train", "ada", "script", JobState.RUNNING, "kueue", begun, **facts)
    said = (await why(record, None)).summary
    assert said == "it runs for 59m00s now on the node gpu-3 in the backend kueue, attempt 2"
