"""SIGKILL of the controller loses no job, no state and no line, and doubles none."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from processes import wait_until

from qwex.spec import JobSpec, Resources, Source
from qwex.state import JobState

COUNTER = """
import pathlib, time
for n in range({lines}):
    print("line", n, flush=True)
    if n == {half}:
        pathlib.Path({name!r} + ".half").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
"""


def script(name, lines=200):
    text = COUNTER.format(lines=lines, half=lines // 2, name=name)
    return JobSpec(source=Source(kind="script", text=text, name=f"{name}.py"))


def expected(lines=200):
    return "".join(f"line {n}\n" for n in range(lines))


def test_while_jobs_run_and_wait(client, killer, tmp_path):
    jobs = [client.submit(script(f"job{n}")) for n in range(5)]
    wait_until(lambda: len(list(tmp_path.glob("*.half"))) == 2, "two jobs half way")
    killer.kill()
    (tmp_path / "go").touch()
    assert [job.wait(60) and job.state for job in jobs] == [JobState.SUCCEEDED] * 5
    assert ["".join(job.logs()) for job in jobs] == [expected()] * 5
    assert {job.record.attempt for job in jobs} == {1}


def test_again_and_again_while_jobs_finish(client, killer, tmp_path):
    (tmp_path / "go").touch()
    jobs = [client.submit(script(f"job{n}", lines=50)) for n in range(12)]
    for n in (2, 5, 8):
        jobs[n].wait(60)
        killer.kill()
        client.health()
    assert all(job.wait(60) for job in jobs)
    assert ["".join(job.logs()) for job in jobs] == [expected(50)] * 12


def test_a_followed_stream_resumes_by_itself(client, killer, tmp_path):
    job = client.submit(script("followed", lines=2000))
    wait_until(lambda: list(tmp_path.glob("*.half")), "the job half way")
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(job.logs(follow=True)))
    reader.start()
    wait_until(lambda: "line 100\n" in "".join(seen), "the first lines")
    killer.kill()
    (tmp_path / "go").touch()
    reader.join(60)
    assert "".join(seen) == expected(2000)


def test_events_live_are_the_events_afterwards(client, killer, tmp_path):
    job = client.submit(script("events", lines=100))
    wait_until(lambda: list(tmp_path.glob("*.half")), "the job half way")
    live: list[tuple[int, str]] = []
    reader = threading.Thread(target=lambda: live.extend((e.id, e.type) for e in job.events()))
    reader.start()
    wait_until(lambda: live, "the first event")
    killer.kill()
    (tmp_path / "go").touch()
    reader.join(60)
    assert live == [(e.id, e.type) for e in job.events()]
    assert [id for id, _ in live] == list(range(1, len(live) + 1))


def test_while_submits_are_in_flight(client, killer, tmp_path):
    """Every submit that returned is one job that ran once; killed mid-way, the client asks again by itself."""
    done: list[str] = []
    failed: list[BaseException] = []

    def submit(worker: int) -> None:
        try:
            for n in range(15):
                run_id = f"job-{worker}-{n}"
                spec = JobSpec(
                    source=Source(kind="command"),
                    args=("sh", "-c", f"echo {run_id} >> ran"),
                    resources=Resources(cpu="100m"),
                )
                done.append(client.submit(spec, run_id=run_id).id)
        except BaseException as error:
            failed.append(error)

    workers = [threading.Thread(target=submit, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for target in (10, 30):
        wait_until(lambda target=target: len(done) >= target or failed, f"{target} submits")
        killer.kill()
    for worker in workers:
        worker.join(60)
    assert not failed
    assert len(done) == 60
    assert all(client.job(run_id).wait(60) for run_id in done)
    assert set(Counter((tmp_path / "ran").read_text().split()).items()) == {(run_id, 1) for run_id in done}


@pytest.mark.parametrize("state", ["queued", "running"])
def test_cancel_after_the_kill(client, killer, tmp_path, state):
    jobs = [client.submit(script(f"job{n}")) for n in range(3)]
    wait_until(lambda: len(list(tmp_path.glob("*.half"))) == 2, "two jobs half way")
    killer.kill()
    job = jobs[2 if state == "queued" else 0]
    job.cancel()
    assert job.wait(60)
    assert job.state is JobState.CANCELLED
    (tmp_path / "go").touch()
    assert all(job.wait(60) for job in jobs)
