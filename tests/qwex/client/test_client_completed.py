"""Jobs in the order in which they end."""

from __future__ import annotations

import asyncio

import pytest

import qwex
from qwex.client import AsyncClient, AsyncJobs, Jobs
from qwex.errors import JobNotDone


@pytest.fixture
def jobs(small, client):
    """Handles on four jobs that run, of which the second has ended since."""
    for run_id in ("a-1", "b-1", "c-1", "d-1"):
        small.add(run_id, "RUNNING")
    found = [client.job(run_id) for run_id in sorted(small.jobs)]
    small.add("b-1")
    small.changes[:] = [
        ["asked d-1", lambda: small.add("d-1"), "d-1", lambda: small.add("a-1")],  # and the connection is lost
        ["asked c-1", lambda: small.add("c-1", "FAILED"), "c-1"],
    ]
    return found


def test_in_the_order_in_which_they_end(jobs):
    ended = list(qwex.as_completed(jobs))
    assert [job.id for job in ended] == ["b-1", "d-1", "a-1", "c-1"]
    assert all(job.record.state.terminal for job in ended)
    assert ended[0] is jobs[1]


def test_a_job_that_is_known_to_have_ended_needs_no_controller(small, client):
    small.add("a-1")
    job = client.job("a-1")
    del small.jobs["a-1"]
    assert list(qwex.as_completed([job, job], timeout=0)) == [job]
    assert list(qwex.as_completed([])) == []


def test_time_is_over(jobs, small):
    small.changes.clear()
    ended = qwex.as_completed(jobs, timeout=0.2)
    assert next(ended) is jobs[1]
    with pytest.raises(JobNotDone, match=r"3 of 4 jobs have not ended after 0\.2 s"):
        next(ended)


def test_of_an_array_all_are_asked_for_at_once(small, client):
    for run_id in ("a-1", "b-1"):
        small.add(run_id, "RUNNING", group="g")
    jobs = [client.job(run_id) for run_id in ("a-1", "b-1")]
    for run_id in ("a-1", "b-1"):
        small.add(run_id, group="g")
    assert len(list(qwex.as_completed(jobs))) == 2
    assert small.bodies[-1]["group"] == "g"


def test_several_jobs_have_it_too(jobs):
    handles = Jobs(AsyncJobs([job.inner for job in jobs]))
    assert [job.id for job in handles.as_completed(timeout=10)] == ["b-1", "d-1", "a-1", "c-1"]


def test_asynchronously(jobs):
    async def main():
        async with AsyncClient(start=False) as client:
            handles = AsyncJobs([await client.job(job.id) for job in jobs])
            return [job.id async for job in handles.as_completed()]

    assert asyncio.run(main()) == ["b-1", "d-1", "a-1", "c-1"]
