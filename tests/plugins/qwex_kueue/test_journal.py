from __future__ import annotations

import sqlite3

from qwex_kueue import journal
from qwex_kueue.journal import Journal


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
