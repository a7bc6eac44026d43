"""How a job that did not succeed is raised."""

from __future__ import annotations

from qwex.client.outcome import failure
from qwex.record import JobRecord
from qwex.state import JobState


def failed(reason: str) -> str:
    record = JobRecord("a-2b3c4d", "a", "me", "script", JobState.FAILED, "kueue", 1.0, reason=reason)
    return str(failure(record.from_dict({**record.as_dict(), "resources": {"memory": "1Gi"}}), None))


def test_out_of_memory_comes_with_the_call_that_helps():
    assert failed("OutOfMemory").endswith("qwex.attach('a-2b3c4d').resubmit(resources={'memory': '2Gi'})")
    assert "resubmit" not in failed("ExitCode")
