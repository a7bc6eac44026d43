"""Jobs that misbehave: what they said is kept, their state is true, nothing of them is left."""

from __future__ import annotations

import pytest
from processes import running, wait_until

from qwex.spec import JobSpec, Source
from qwex.state import JobState


def run(client, text, **more):
    job = client.submit(JobSpec(source=Source(kind="script", text=text, name="unruly.py"), **more))
    assert job.wait(90)
    return job


def test_leaves_children(client, tmp_path):
    job = run(
        client,
        "import subprocess, pathlib\n"
        "children = [subprocess.Popen(['sleep', '300'], start_new_session=own) for own in (False, True)]\n"
        "pathlib.Path('children').write_text(' '.join(str(c.pid) for c in children))\n"
        "print('done')\n",
    )
    assert job.state is JobState.SUCCEEDED
    assert "".join(job.logs()) == "done\n"
    for pid in (tmp_path / "children").read_text().split():
        wait_until(lambda pid=pid: not running(int(pid)), f"the end of child {pid}")


def test_closes_its_streams(client):
    job = run(client, "import os\nprint('before', flush=True)\nos.close(1)\nos.close(2)\n")
    assert job.state is JobState.SUCCEEDED
    assert "".join(job.logs()) == "before\n"


def test_prints_bytes_that_are_no_text(client):
    job = run(client, "import os\nos.write(1, bytes(range(256)) * 10 + b'\\nend\\n')\n")
    assert job.state is JobState.SUCCEEDED
    assert "".join(job.logs()).endswith("\nend\n")


def test_prints_a_line_of_fifty_megabytes(client):
    job = run(client, "print('x' * 50_000_000)\nprint('end')\n")
    assert job.state is JobState.SUCCEEDED
    assert sum(len(part) for part in job.logs()) == 50_000_001 + 4


@pytest.mark.slow
def test_prints_a_gigabyte(client):
    job = run(client, "block = ('y' * 99 + '\\n') * 10_000\nfor _ in range(1000): print(block, end='')\n")
    assert job.state is JobState.SUCCEEDED
    assert sum(len(part) for part in job.logs()) == 1_000_000_000


def test_prints_more_than_its_log_may_hold(client, monkeypatch):
    monkeypatch.setenv("QWEX_MAX_LOG", "1000000")
    job = run(client, "print('z' * 99, end='')\nfor _ in range(50_000): print('z' * 99)\n")
    assert job.state is JobState.SUCCEEDED
    assert any(e.type == "notice" and e.get("code") == "log-full" for e in job.events())


def test_never_ends_after_sigterm(client, tmp_path):
    text = (
        "import signal, time, pathlib\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path('up').touch()\n"
        "while True: time.sleep(0.1)\n"
    )
    job = client.submit(JobSpec(source=Source(kind="script", text=text, name="deaf.py"), grace=0.5))
    wait_until((tmp_path / "up").exists, "the job's start")
    job.cancel()
    assert job.wait(60)
    assert job.state is JobState.CANCELLED


def test_overruns_its_time(client):
    job = run(client, "import time\nprint('start', flush=True)\ntime.sleep(300)\n", timeout=0.5, grace=0.5)
    assert (job.state, job.record.reason) == (JobState.FAILED, "TimedOut")
    assert "".join(job.logs()) == "start\n"


def test_says_what_is_no_unicode(client):
    """An undecodable file name in an exception: the job ends, and the next one runs."""
    job = run(client, "print('caf\\udce9')\nraise ValueError('caf\\udce9')\n")
    assert (job.state, job.record.reason) == (JobState.FAILED, "Exception")
    assert "caf" in job.record.message
    assert "caf" in "".join(job.logs())
    assert run(client, "print('next')\n").state is JobState.SUCCEEDED


def test_its_command_is_a_megabyte_long(client):
    job = client.submit(JobSpec(source=Source(kind="command"), args=("c" * 100_000,)))
    assert job.wait(60)
    assert (job.state, job.record.reason, job.record.attempt) == (JobState.FAILED, "StartFailed", 1)


def test_crashes_the_interpreter(client):
    job = run(client, "import os, signal\nprint('last words')\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    assert (job.state, job.record.reason) == (JobState.FAILED, "Signal")
    assert "".join(job.logs()).startswith("last words\n")
