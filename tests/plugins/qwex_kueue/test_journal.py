from __future__ import annotations

import sqlite3
import time

import pytest
from qwex_kueue import journal
from qwex_kueue.journal import Journal

from qwex.state import JobState, JobStatus


def test_of_each_queue_the_newest_admissions_are_kept_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_HISTORY", 3)
    kept = Journal(tmp_path / "kueue.db")
    for at in (5.0, 1.0, 2.0, 3.0, 4.0):
        kept.admitted("busy", f"w{at}", at, 0.5)
    kept.admitted("quiet", "w", 1.0, 0.5)
    assert kept.admissions("busy") == [(3.0, 0.5), (4.0, 0.5), (5.0, 0.5)]
    assert kept.admissions("quiet") == [(1.0, 0.5)]
    kept.close()
    with sqlite3.connect(tmp_path / "kueue.db") as file:
        assert file.execute("SELECT count(*) FROM admission").fetchone() == (4,)


def _fill(kept):
    for number in range(1000):
        kept.creates(f"train-{number}", 1)


def test_what_was_seen_is_not_worth_a_failure(tmp_path):
    """On a full disk a job's end is told all the same; what is about to be done is not done unrecorded."""
    kept = Journal(tmp_path / "kueue.db")
    kept.creates("train-abc", 1)
    kept._db.execute("PRAGMA max_page_count=1")
    with pytest.raises(sqlite3.OperationalError):
        _fill(kept)
    for number in range(1000):
        kept.pod("train-abc", f"pod-{number}", number)
    kept.ends("train-abc", JobStatus(JobState.FAILED, "Lost", "x" * 10_000, None, 1))
    assert kept.handed("train-abc").end is None
    kept.close()


ENDED = JobStatus(JobState.SUCCEEDED, "", "", 0, 1)


@pytest.fixture
def later(monkeypatch):
    """Has days pass."""
    passed = [0.0]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86400 * passed[0])
    return lambda days: passed.__setitem__(0, passed[0] + days)


def test_jobs_of_which_nothing_is_left_are_forgotten_after_a_week_whether_their_end_was_seen_or_not(tmp_path, later):
    kept = Journal(tmp_path / "kueue.db")
    for run_id in ("ended", "unseen", "present", "stopped", "again"):
        kept.creates(run_id, 1)
    kept.pod("unseen", "pod-1", 1)
    later(days=6)
    kept.ends("ended", ENDED)
    kept.stops("stopped", "CancelledByUser", "")
    kept.pod("again", "pod-2", 2)
    later(days=2)
    kept.forget_old({"present"})
    assert [each for each in ("ended", "unseen", "present", "stopped", "again") if kept.handed(each)] == [
        "ended", "present", "stopped", "again",
    ]  # fmt: skip
    assert kept.pods("unseen") == []
    later(days=6)
    kept.forget_old({"present"})
    assert [each for each in ("ended", "present", "stopped", "again") if kept.handed(each)] == ["present"]


def test_jobs_of_an_older_file_are_remembered_for_a_week_from_then_on(tmp_path, later):
    kept = Journal(tmp_path / "kueue.db")
    kept.creates("train-abc", 1)
    kept._db.executescript("ALTER TABLE job DROP COLUMN touched; PRAGMA user_version=3")
    kept.close()
    kept = Journal(tmp_path / "kueue.db")
    kept.forget_old(())
    assert kept.handed("train-abc")
    later(days=8)
    kept.forget_old(())
    assert kept.handed("train-abc") is None
