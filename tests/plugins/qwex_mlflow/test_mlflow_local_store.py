"""Without any server: a store on this machine, made once, however many come at the same time."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from harness.waiting import wait_until
from leftovers import processes_of
from mlflowserver import missing
from qwex_mlflow.errors import Refused
from qwex_mlflow.local import ANSWER, LocalStore
from qwex_mlflow.runs import Runs

from qwex.errors import TrackerUnavailable
from qwex.spec import JobSpec, Source
from qwex.state import JobState

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

LOGS = "import mlflow\nmlflow.log_metric('loss', 0.25)\n"


@pytest.fixture
def store(tmp_path):
    made = LocalStore(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    yield made
    made.close()


def runs_in(database):
    with sqlite3.connect(database) as connection:
        return connection.execute("SELECT run_uuid, name, status, end_time FROM runs").fetchall()


def script(text):
    return JobSpec(source=Source(kind="script", text=text, name="train.py"))


def test_a_job_waits_for_a_store_that_is_slow_to_come(recorded):
    """Else MLflow would make one of its own in the job's folder, as all other jobs at that moment."""
    job = recorded.submit(script("import os\nprint(os.environ['QWEX_MLFLOW_WAIT'])\n"))
    job.wait(60)
    assert float("".join(job.logs())) >= ANSWER


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_jobs_all_at_once(recorded, home, monkeypatch):
    monkeypatch.setenv("QWEX_LOCAL__CPU", "8")
    jobs = recorded.submit_many([script(LOGS + "1 / 0" if n % 2 else LOGS) for n in range(8)])
    for job in jobs:
        job.wait(200)
    assert [job.state for job in jobs] == [JobState.SUCCEEDED, JobState.FAILED] * 4, "".join(jobs[0].logs())
    database = home / "mlflow" / "mlflow.db"

    def are_right():
        found = {name: status for _, name, status, end in runs_in(database) if end}
        return [found.get(job.id) for job in jobs] == ["FINISHED", "FAILED"] * 4

    wait_until(are_right, "eight runs with the right ends", 60)
    assert len(runs_in(database)) == 8
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT count(*) FROM metrics WHERE key = 'loss'").fetchone() == (8,)
    assert jobs[0].metrics()[0].value == 0.25
    artifacts = {path.name for path in (home / "mlflow" / "artifacts").rglob("*") if path.is_file()}
    assert {"train.py", "job.json"} <= artifacts


def test_more_than_a_page(store, monkeypatch):
    monkeypatch.setattr("qwex_mlflow.runs._PAGE", 2)
    runs = Runs(store)
    ids = [runs.experiment(f"number {number}") for number in range(5)]
    made = [runs.create(ids[0], f"run {number}", 1.0, "me", {})["info"]["run_id"] for number in range(5)]
    assert set(runs.experiments()) >= set(ids)
    assert {each["info"]["run_id"] for each in runs.search(ids, "")} == set(made)


def test_a_store_that_mlflow_has_given_up_is_not_asked_for_ever(tmp_path):
    pytest.importorskip("mlflow", "3.11")
    store = LocalStore((tmp_path / "mlruns").as_uri(), tmp_path)
    with closing(store), pytest.raises(Refused, match="maintenance"):
        Runs(store).experiment("one")


def test_a_number_that_the_database_does_not_take_is_refused(store):
    runs = Runs(store)
    run = runs.create(runs.experiment("one"), "name", 1.0, "me", {})["info"]["run_id"]
    large = {"key": "large", "value": 1.0, "timestamp": 1, "step": 2**63}
    runs.log(run, [large, {**large, "key": "small", "step": 1}])
    data = runs.get(run)["data"]
    assert [each["key"] for each in data["metrics"]] == ["small"]
    assert {each["key"]: each["value"] for each in data["tags"]}["qwex.not_logged"] == "large"


def test_two_at_once_make_one_store(tmp_path):
    stores = [LocalStore(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path) for _ in range(2)]
    found = []
    threads = [threading.Thread(target=lambda each=each: found.append(Runs(each).experiment("one"))) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    for each in stores:
        each.close()
    assert len(found) == 2
    assert len(set(found)) == 1


def test_its_helper_is_killed(store, tmp_path):
    runs = Runs(store)
    experiment = runs.experiment("one")
    run = runs.create(experiment, "name", 1.0, "me", {"a": "b"})["info"]["run_id"]
    (helper,) = processes_of(tmp_path)
    os.kill(helper, signal.SIGKILL)
    runs.update(run, "FAILED", 2.0)
    found = runs.get(run)["info"]
    assert (found["status"], found["end_time"]) == ("FAILED", 2000)
    assert [each["info"]["run_id"] for each in runs.search([experiment], "tags.a = 'b'")] == [run]
    store.close()
    assert processes_of(tmp_path) == []


def test_a_store_that_cannot_be_opened(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    store = LocalStore(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)
    try:
        with pytest.raises(TrackerUnavailable, match="cannot be used"):
            Runs(store).experiment("one")
    finally:
        store.close()


def test_mlflow_never_comes_into_the_controller():
    code = (
        "import sys, qwex_mlflow.tracker\nprint([n for n in sys.modules if n.split('.')[0] in ('mlflow', 'alembic')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
