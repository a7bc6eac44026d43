from __future__ import annotations

import sqlite3

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
