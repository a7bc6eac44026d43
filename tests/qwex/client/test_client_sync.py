"""The blocking client against a small controller."""

from __future__ import annotations

import pytest

from qwex.errors import NotFound


def test_submit_and_result(small, client):
    job = client.submit({"source": {"kind": "cell", "text": "1"}}, run_id="cell-1")
    assert job.id == "cell-1"
    assert job.result(timeout=10) is None
    assert [event.type for event in job.events()] == ["state", "state"]


def test_unknown_job(client):
    with pytest.raises(NotFound, match="no such job"):
        client.job("nope-123456")
