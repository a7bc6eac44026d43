"""Clients that misbehave or meet a controller that is not theirs."""

from __future__ import annotations

import json
import subprocess
import sys

from qwex.spec import JobSpec, Source
from qwex.state import JobState

PRINTS = "block = ('n' * 99 + '\\n') * 10_000\nfor _ in range(80): print(block, end='')\n"


def resident(pid):
    """Bytes of the process's memory, shared pages counted by their part."""
    with open(f"/proc/{pid}/smaps_rollup") as smaps:
        return next(int(line.split()[1]) * 1024 for line in smaps if line.startswith("Pss:"))


def test_a_reader_that_stops_reading_costs_the_controller_no_memory(client, killer):
    job = client.submit(JobSpec(source=Source(kind="script", text=PRINTS, name="prints.py")))
    before = resident(killer.pid())
    stopped = [client.events(job.id) for _ in range(4)]
    first = [next(stream) for stream in stopped]
    assert {event.id for event in first} == {1}
    assert job.wait(60)
    assert job.state is JobState.SUCCEEDED
    assert resident(killer.pid()) - before < 40_000_000
    for stream in stopped:
        stream.close()
    assert client.health()["status"]


def test_many_processes_start_one_controller(home, tmp_path):
    code = "import qwex, json; print(json.dumps(qwex.Client().health()['pid']))"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path) for _ in range(5)]
    pids = {json.loads(process.communicate(timeout=60)[0]) for process in started}
    assert len(pids) == 1


def test_a_clock_that_steps(client, home, tmp_path, monkeypatch):
    """The wall clock jumps back an hour while a job runs and others wait: order and states hold."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, time\n"
        "true = time.time\n"
        "time.time = lambda: true() - (3600 if os.path.exists(os.environ['STEP']) else 0)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("STEP", str(tmp_path / "step"))
    text = "import pathlib, time\nprint('up', flush=True)\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n"
    jobs = [client.submit(JobSpec(source=Source(kind="script", text=text, name=f"job{n}.py"))) for n in range(4)]
    next(iter(jobs[0].logs(follow=True)))
    (tmp_path / "step").touch()
    (tmp_path / "go").touch()
    assert all(job.wait(60) for job in jobs)
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * 4
    finished = [[event.type for event in job.events()][-1] for job in jobs]
    assert finished == ["state"] * 4
