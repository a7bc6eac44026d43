"""How jobs show themselves."""

from __future__ import annotations

from qwex.client import AsyncJob, AsyncJobs, Job, Jobs
from qwex.client.show import CARD, Gpus, Queues, Table, job_table
from qwex.gpus import GpuKind, GpuQuota, GpuReport
from qwex.record import JobRecord
from qwex.state import JobState, QueueInfo, QuotaLine


def record(**more) -> JobRecord:
    return JobRecord("job-1", "job", "me", "cell", JobState.RUNNING, "local", 1.0, **more)


def test_text_is_aligned():
    head, row = repr(job_table([record(queue="default", started_at=2.0, ended_at=200.0)])).splitlines()
    assert head.split() == ["id", "state", "queue", "age", "ran", "message"]
    assert row.split()[:3] == ["job-1", "RUNNING", "default"]
    assert row.split()[-1] == "3m18s"
    assert head.index("queue") == row.index("default")


def test_html_is_escaped():
    html = job_table([record(message="<script>alert('x')</script>")])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_terminals_get_no_control_characters():
    assert "\x1b" not in repr(job_table([record(message="\x1b[2Jgone\n")]))


def test_a_table_as_text_and_as_escaped_html():
    table = Table(("name", "value"), [("a", "<b>"), ("longer", "1")])
    assert repr(table) == "name    value\na       <b>\nlonger  1"
    assert "<td" in table._repr_html_()
    assert "<b>" not in table._repr_html_()


def test_queues_are_a_list_that_shows_what_is_used_of_what_there_is():
    lines = (QuotaLine("cpu", 2, 2, 2), QuotaLine("memory", 4e9, 1e9, 8e9), QuotaLine("gpu", 0, 0, 0))
    queues = Queues([QueueInfo("day", "local", 3, 1, lines, default=True)])
    assert queues[0].name == "day"
    in_use = "2 of 2 cpu, 1.0 GB of 8.0 GB memory, 0 of 0 gpu"
    assert f"day (default)  local    3        1        {in_use}" in repr(queues)
    assert in_use in queues._repr_html_()


def test_gpus_show_what_there_is_what_is_left_and_what_could_not_be_read():
    report = GpuReport(
        (GpuKind("kueue", "H100", "<H100>", total=8, free=3),),
        (GpuQuota("kueue", "day", "H100", 6, 8, 2, 0),),
        ("no <b>",),
    )
    gpus = Gpus({"kueue": report})
    kinds, quotas, notes = repr(gpus).split("\n\n")
    assert [line.split()[0] for line in (*kinds.splitlines(), *quotas.splitlines())] == ["type", "H100", "queue", "day"]
    assert notes == "no <b>"
    assert (gpus[0].type, gpus.quotas[0].left) == ("H100", 2)
    html = gpus._repr_html_()
    assert html.count("<table") == 2
    assert "&lt;H100&gt;" in html
    assert "no &lt;b&gt;" in html


def test_gpus_of_several_backends_say_whose_they_are():
    report = GpuReport((GpuKind("local", "1", "x"),), notes=("note",))
    gpus = Gpus({"kueue": GpuReport((GpuKind("kueue", "1", "y"),)), "local": report}, {"other": "away"})
    assert gpus.tables()[0][0][1] == "BACKEND"
    assert gpus.notes == ["local: note", "the GPUs of other cannot be told: away"]
    assert "no GPUs" in repr(Gpus()) + Gpus()._repr_html_()


def test_a_part_says_so(small, client):
    jobs = Jobs(AsyncJobs([AsyncJob(client.inner, record())], total=9))
    assert repr(jobs).endswith("1 of 9")
    assert "1 of 9" in jobs._repr_html_()
    assert " of " not in repr(jobs[:]) + jobs[:]._repr_html_()


def test_one_job(small, client):
    job = Job(AsyncJob(client.inner, record(reason="Preempted")))
    assert repr(job) == "<Job job-1 RUNNING (Preempted)>"
    assert "job-1" in job._repr_html_()
    assert job._repr_mimebundle_(include=None, exclude=None)[CARD]["id"] == "job-1"
