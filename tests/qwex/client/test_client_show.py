"""How jobs show themselves."""

from __future__ import annotations

from qwex.client import AsyncJob, AsyncJobs, Job, Jobs
from qwex.client.show import html_table, text_table
from qwex.record import JobRecord
from qwex.state import JobState


def record(**more) -> JobRecord:
    return JobRecord("job-1", "job", "me", "cell", JobState.RUNNING, "local", 1.0, **more)


def test_text_is_aligned():
    head, row = text_table([record(queue="default", started_at=2.0, ended_at=200.0)]).splitlines()
    assert head.split() == ["id", "state", "queue", "age", "took", "message"]
    assert row.split()[:3] == ["job-1", "RUNNING", "default"]
    assert row.split()[-1] == "3m"
    assert head.index("queue") == row.index("default")


def test_html_is_escaped():
    html = html_table([record(message="<script>alert('x')</script>")])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_terminals_get_no_control_characters():
    assert "\x1b" not in text_table([record(message="\x1b[2Jgone\n")])


def test_a_part_says_so(small, client):
    jobs = Jobs(AsyncJobs([AsyncJob(client.inner, record())], total=9))
    assert repr(jobs).endswith("1 of 9")
    assert "1 of 9" in jobs._repr_html_()
    assert " of " not in repr(jobs[:]) + jobs[:]._repr_html_()


def test_one_job(small, client):
    job = Job(AsyncJob(client.inner, record(reason="Preempted")))
    assert repr(job) == "<Job job-1 RUNNING (Preempted)>"
    assert "job-1" in job._repr_html_()
