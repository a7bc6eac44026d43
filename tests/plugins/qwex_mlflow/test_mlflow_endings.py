"""The truth at the end: whatever ends a job, and whatever its code told MLflow of it, its run has the right end."""

from __future__ import annotations

import os
import signal

import pytest
from harness.waiting import wait_until

from qwex.spec import JobSpec, Resources, Retries, Source
from qwex.state import JobState

#: The code's own word, which is wrong in most of these: as it leaves, MLflow says FINISHED.
LOGS = "import mlflow\nmlflow.log_metric('loss', 0.5)\nprint('logged', flush=True)\n"
WAITS = "import signal\nsignal.pause()\n"
#: What the code does, and the job's state, reason and exit code, and the run's status.
ENDINGS = {
    "success": (LOGS, "SUCCEEDED", "", "FINISHED"),
    "exception": (LOGS + "1 / 0", "FAILED", "Exception", "FAILED"),
    "exit code": (LOGS + "raise SystemExit(3)", "FAILED", "ExitCode", "FAILED"),
    "ended as finished, then failed": (LOGS + "mlflow.end_run('FINISHED')\n1 / 0", "FAILED", "Exception", "FAILED"),
    "ended as failed, then well": (LOGS + "mlflow.end_run('FAILED')", "SUCCEEDED", "", "FINISHED"),
    "SIGKILL": (LOGS + "import os\nos.kill(os.getpid(), 9)", "FAILED", "Signal", "FAILED"),
    "SIGTERM to itself": (LOGS + "import os\nos.kill(os.getpid(), 15)\n" + WAITS, "FAILED", "Signal", "FAILED"),
    "out of memory": (LOGS + "raise MemoryError", "FAILED", "Exception", "FAILED"),
    "os._exit": (LOGS + "import os\nos._exit(4)", "FAILED", "ExitCode", "FAILED"),
    "without mlflow": ("print('logged')", "SUCCEEDED", "", "FINISHED"),
    "without mlflow, exception": ("print('logged')\n1 / 0", "FAILED", "Exception", "FAILED"),
    "does not compile": ("def", "FAILED", "Exception", "FAILED"),
}


def script(text, **fields):
    return JobSpec(source=Source(kind="script", text=text, name="train.py"), **fields)


def logged(job):
    wait_until(lambda: "logged" in "".join(job.logs()), f"{job.id} to log", 60, 0.1)


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_of_the_codes_own(client, server, ending):
    text, state, reason, status = ENDINGS[ending]
    job = client.submit(script(text))
    job.wait(60)
    assert (job.state.value, job.record.reason) == (state, reason)
    # Until qwex has told of the end, the code's own word may stand there.
    wait_until(lambda: server.run_of(job.id).tags.get("qwex.state") == state, "the tags of the end", 30)
    run = server.run_of(job.id, status)
    assert run.end_time == round(job.record.ended_at * 1000)
    assert run.parent is None
    assert ("loss" in run.metrics) == text.startswith("import mlflow")


def test_a_time_out(client, server):
    job = client.submit(script(LOGS + WAITS, timeout=15))
    job.wait(60)
    assert job.record.reason == "TimedOut"
    server.run_of(job.id, "FAILED")


def test_cancelled_while_it_runs(client, server):
    job = client.submit(script(LOGS + WAITS))
    logged(job)
    assert server.run_of(job.id).status == "RUNNING"
    job.cancel()
    job.wait(60)
    server.run_of(job.id, "KILLED")


def test_cancelled_while_it_waits(client, server):
    hog = client.submit(script(WAITS, resources=Resources(cpu="2")))
    job = client.submit(script(LOGS))
    assert server.run_of(job.id, "SCHEDULED").start_time == round(job.record.created_at * 1000)
    job.cancel()
    server.run_of(job.id, "KILLED")
    hog.cancel()
    server.run_of(hog.id, "KILLED")


def test_its_process_is_lost(client, server, home):
    job = client.submit(script(LOGS + WAITS, retries=Retries(infrastructure=0)))
    logged(job)
    start = next(event for event in job.events(follow=False) if event.type == "start")
    os.kill(start["pid"], signal.SIGKILL)
    job.wait(60)
    assert (job.state, job.record.reason) == (JobState.FAILED, "Lost")
    server.run_of(job.id, "FAILED")


def test_an_attempt_that_failed_is_the_child_of_the_one_that_starts_over(client, server, tmp_path):
    once = "import pathlib\nif not pathlib.Path('again').exists():\n    pathlib.Path('again').touch()\n    1 / 0\n"
    job = client.submit(
        script(LOGS + "mlflow.log_param('seed', __import__('os').getpid())\n" + once, retries=Retries(failures=1))
    )
    job.wait(60)
    assert (job.state, job.record.attempt) == (JobState.SUCCEEDED, 2)
    last = server.run_of(job.id, "FINISHED")
    first = next(run for run in server.of_job(job.id) if run.id != last.id)
    assert (first.status, first.parent, last.parent) == ("FAILED", last.id, None)
    assert (first.tags["qwex.attempt"], last.tags["qwex.attempt"]) == ("1", "2")
    assert first.params["seed"] != last.params["seed"]
    assert client.job(job.id).record.links["MLflow"].endswith(last.id)


def test_a_preempted_job_goes_on_in_its_run(client, server):
    job = client.submit(
        script(LOGS + "import os\nif os.environ['QWEX_ATTEMPT'] == '1':\n    " + WAITS.replace("\n", "\n    "))
    )
    logged(job)
    urgent = client.submit(script("print('urgent')", priority=10, resources=Resources(cpu="2")))
    urgent.wait(60)
    job.wait(60)
    assert (job.state, job.record.attempt) == (JobState.SUCCEEDED, 2)
    assert [run.status for run in server.of_job(job.id)] in (["FINISHED"], ["RUNNING"])
    run = server.run_of(job.id, "FINISHED")
    assert (run.tags["qwex.attempt"], run.tags["qwex.attempt.2"]) == ("2", "Preempted")


def test_the_controller_is_killed_and_comes_back(client, server, home):
    job = client.submit(
        script(LOGS + "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.02)\n1 / 0")
    )
    logged(job)
    os.kill(client.health()["pid"], signal.SIGKILL)
    (home.parent / "unused").mkdir()
    open("go", "w").close()
    job.wait(60)
    assert job.state is JobState.FAILED
    run = server.run_of(job.id, "FAILED")
    assert len(server.of_job(job.id)) == 1
    assert "loss" in run.metrics


def test_the_server_is_away_while_jobs_are_submitted_run_and_end(recorded, own_server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_server.uri)
    first = recorded.submit(script("print('before')"))
    first.wait(60)
    own_server.run_of(first.id, "FINISHED")
    own_server.stop()
    jobs = [recorded.submit(script(text)) for text in ("print('one')", "1 / 0")]
    for job in jobs:
        job.wait(60)
        assert job.record.links == {}
    own_server.start()
    assert own_server.run_of(jobs[0].id, "FINISHED").start_time == round(jobs[0].record.created_at * 1000)
    assert own_server.run_of(jobs[1].id, "FAILED").end_time == round(jobs[1].record.ended_at * 1000)


def test_a_run_that_says_something_else_later_is_mended(client, server):
    job = client.submit(script("1 / 0"))
    job.wait(60)
    run = server.run_of(job.id, "FAILED")
    server.call("runs/update", {"run_id": run.id, "status": "RUNNING"})
    other = client.submit(script("print('another one ends')"))
    other.wait(60)
    server.run_of(job.id, "FAILED")
