"""What the queue remembers."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from qwex_local.journal import Journal
from qwex_local.request import LocalRequest

from qwex.errors import ConfigError
from qwex.state import JobState, JobStatus


def request(run_id, attempt=1):
    return LocalRequest(run_id, attempt, "q", 0, 1.0, 0, None, None, "plain", {"source": {"text": "1"}})


@pytest.fixture
def journal(tmp_path):
    with contextlib.closing(Journal(tmp_path / "queue.db")) as journal:
        yield journal


def test_live_jobs_come_back_in_order(journal, tmp_path):
    for name in "cab":
        journal.add(request(name))
    running = JobStatus(JobState.ADMITTED, attempt=1)
    journal.save("a", running, stop="Preempted", devices=("0", "1"))
    journal.save("c", JobStatus(JobState.SUCCEEDED, exit_code=0, attempt=1))
    with contextlib.closing(Journal(tmp_path / "queue.db")) as other:
        a, b = other.live()
        assert (a.run_id, a.status, a.request) == ("a", running, request("a"))
        assert (a.stop, a.devices) == ("Preempted", ("0", "1"))
        assert (b.run_id, b.status.state, b.seq) == ("b", "QUEUED", 3)
        assert other.add(request("d")) == 4


def test_what_has_ended_keeps_its_status_and_not_its_request(journal):
    journal.add(request("a"))
    ended = JobStatus(JobState.FAILED, "ExitCode", "ended with 3", 3, 1)
    journal.save("a", ended)
    assert journal.statuses(["a", "b"]) == {"a": ended}
    assert journal._db.execute("SELECT request FROM job").fetchone() == ("",)


def test_only_what_has_ended_is_forgotten(journal):
    journal.add(request("a"))
    journal.forget("a")
    assert "a" in journal.statuses(["a"])
    journal.save("a", JobStatus(JobState.CANCELLED, attempt=1))
    journal.forget("a")
    assert journal.statuses(["a"]) == {}


def test_thousands_are_asked_for_and_checkpointed_at_once(journal, tmp_path):
    names = [f"job-{number}" for number in range(2500)]
    for name in names:
        journal.add(request(name))
    assert journal.statuses(names).keys() == set(names)
    assert journal._checkpoint is not None
    journal._checkpoint.join()
    assert (tmp_path / "queue.db").stat().st_size > 100_000


def test_a_newer_format_is_left_alone(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "queue.db")) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match=r"newer qwex.*99"):
        Journal(tmp_path / "queue.db")
