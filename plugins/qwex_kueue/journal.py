"""What the cluster does not keep: which attempt a pod was, which jobs were handed over, told to end and ended, how long
queues took, which Python images have. One SQLite file; the controller's store stays the truth about jobs.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from dataclasses import astuple
from typing import TYPE_CHECKING, NamedTuple

from qwex.errors import ConfigError
from qwex.state import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["Handed", "Journal"]

log = logging.getLogger(__name__)

_VERSION = 4
_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    run_id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, created INTEGER NOT NULL DEFAULT 0,
    stop TEXT NOT NULL DEFAULT '', stop_message TEXT NOT NULL DEFAULT '',
    ended_at REAL, ended TEXT NOT NULL DEFAULT '', touched REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS pod (
    uid TEXT PRIMARY KEY, run_id TEXT NOT NULL, attempt INTEGER NOT NULL, generation INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS pod_by_run ON pod (run_id);
CREATE TABLE IF NOT EXISTS admission (
    queue TEXT NOT NULL, workload TEXT NOT NULL, at REAL NOT NULL, waited REAL NOT NULL, PRIMARY KEY (workload, at)
);
CREATE TABLE IF NOT EXISTS image (
    name TEXT NOT NULL, python TEXT NOT NULL, version TEXT NOT NULL, PRIMARY KEY (name, python)
);
CREATE INDEX IF NOT EXISTS admission_by_queue ON admission (queue, at);
"""
#: From each older format to the next; tables that are new are made by the schema.
_CHANGES = {
    2: "ALTER TABLE pod ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN ended_at REAL;"
    "ALTER TABLE job ADD COLUMN ended TEXT NOT NULL DEFAULT '';",
    # When those were last written that are there is not known.
    3: "ALTER TABLE job ADD COLUMN touched REAL NOT NULL DEFAULT 0; UPDATE job SET touched=strftime('%s', 'now');"
    # Each admission of a workload counts.
    "DROP TABLE admission;",
}
#: Seconds for which a job is remembered that the cluster has nothing more of.
_REMEMBERED = 7 * 86400.0
#: Admissions of one queue that are looked at, and kept.
_HISTORY = 200


class Handed(NamedTuple):
    """A job that was, or was about to be, handed to the cluster."""

    #: The present attempt.
    attempt: int
    #: Whether the cluster has had all of it.
    created: bool
    #: The reason it was told to end for, or empty.
    stop: str
    stop_message: str
    #: How it ended, once that was told.
    end: JobStatus | None


class Journal:
    """The file, open. A commit survives this process's end at any moment (WAL)."""

    def __init__(self, file: Path) -> None:
        try:
            self._db = sqlite3.connect(file, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version < _VERSION:
                changes = "".join(change for since, change in _CHANGES.items() if 0 < version <= since)
                self._db.executescript(f"BEGIN; {changes} {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise ConfigError(f"{file}: {error}. Move the file away; jobs in the cluster go on.") from error
        if version > _VERSION:
            raise ConfigError(f"{file} was written by a newer qwex (format {version}). Install that one again.")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def handed(self, run_id: str) -> Handed | None:
        """What is known of a job."""
        row = self._db.execute(
            "SELECT attempt, created, stop, stop_message, ended FROM job WHERE run_id=?", (run_id,)
        ).fetchone()
        return Handed(row[0], bool(row[1]), row[2], row[3], _status(row[4])) if row else None

    def creates(self, run_id: str, attempt: int) -> None:
        """The attempt is about to be handed over."""
        self._db.execute(
            "INSERT INTO job (run_id, attempt, touched) VALUES (?, ?, ?) ON CONFLICT (run_id) DO UPDATE "
            "SET attempt=excluded.attempt, touched=excluded.touched, created=0, ended='', ended_at=NULL "
            "WHERE attempt < excluded.attempt",
            (run_id, attempt, time.time()),
        )

    def created(self, run_id: str) -> None:
        """The cluster has it."""
        self._db.execute("UPDATE job SET created=1 WHERE run_id=?", (run_id,))

    def begins(self, run_id: str, attempt: int) -> None:
        """The job waits or runs for the ``attempt``-th time."""
        self._note(("UPDATE job SET attempt=?, touched=? WHERE run_id=?", (attempt, time.time(), run_id)))

    def stops(self, run_id: str, reason: str, message: str) -> None:
        """The job was told to end; the first reason counts."""
        update = "UPDATE job SET stop=?, stop_message=?, touched=? WHERE run_id=? AND stop=''"
        self._db.execute(update, (reason, message, time.time(), run_id))

    def ends(self, run_id: str, status: JobStatus) -> None:
        """That was the end of the job's present attempt; a further one undoes it."""
        said, now = json.dumps([status.state.value, *astuple(status)[1:]]), time.time()
        update = "UPDATE job SET ended=?, ended_at=?, touched=? WHERE run_id=? AND attempt <= ?"
        self._note((update, (said, now, now, run_id, status.attempt or 1)))

    def pods(self, run_id: str) -> list[tuple[str, int, int]]:
        """Uid and attempt of a job's pods, and the generation of the Job that made it, 0 if not known."""
        return self._db.execute("SELECT uid, attempt, generation FROM pod WHERE run_id=?", (run_id,)).fetchall()

    def numbers(self, run_id: str) -> dict[str, int]:
        """Which attempt a job's pods are, by uid."""
        return {uid: attempt for uid, attempt, _ in self.pods(run_id)}

    def pod(self, run_id: str, uid: str, attempt: int) -> None:
        """A pod is that attempt of a job, which is no longer at one before."""
        self._note(
            ("INSERT OR IGNORE INTO pod (uid, run_id, attempt) VALUES (?, ?, ?)", (uid, run_id, attempt)),
            ("UPDATE job SET attempt=max(attempt, ?), touched=? WHERE run_id=?", (attempt, time.time(), run_id)),
        )

    def made_by(self, uid: str, generation: int) -> None:
        """A pod's Job was of that generation when it made the pod."""
        self._note(("UPDATE pod SET generation=? WHERE uid=?", (generation, uid)))

    def forget(self, run_id: str) -> None:
        """Remove a job."""
        self._db.execute("DELETE FROM pod WHERE run_id=?", (run_id,))
        self._db.execute("DELETE FROM job WHERE run_id=?", (run_id,))

    def forget_old(self, present: Collection[str]) -> None:
        """Remove jobs that the cluster has nothing ``present`` of and that nothing was written of for long.

        Those whose end nobody saw, as it was cleared away while no controller was there, are among them.
        """
        old = (time.time() - _REMEMBERED,)
        for (run_id,) in self._db.execute("SELECT run_id FROM job WHERE touched < ?", old).fetchall():
            if run_id not in present:
                self.forget(run_id)

    def admitted(self, queue: str, workload: str, at: float, waited: float) -> None:
        """A workload of a queue, anybody's, was admitted after so many seconds. What is too old to be read goes."""
        insert = "INSERT OR IGNORE INTO admission (queue, workload, at, waited) VALUES (?, ?, ?, ?)"
        oldest = "SELECT at FROM admission WHERE queue=? ORDER BY at DESC LIMIT 1 OFFSET ?"
        self._note(
            (insert, (queue, workload, at, waited)),
            (f"DELETE FROM admission WHERE queue=? AND at < ({oldest})", (queue, queue, _HISTORY - 1)),  # noqa: S608
        )

    def has_python(self, image: str, python: str, version: str) -> None:
        """The interpreter ``python`` of an image turned out to be of that version."""
        insert = "INSERT INTO image (name, python, version) VALUES (?, ?, ?) ON CONFLICT (name, python) "
        update = "DO UPDATE SET version=excluded.version WHERE version != excluded.version"
        self._note((insert + update, (image, python, version)))

    def python(self, image: str, python: str) -> str:
        """The version of an image's interpreter when it last ran; empty if it never did."""
        row = self._db.execute("SELECT version FROM image WHERE name=? AND python=?", (image, python)).fetchone()
        return row[0] if row else ""

    def admissions(self, queue: str) -> list[tuple[float, float]]:
        """The newest admissions of a queue, oldest first: when, and after how many seconds."""
        rows = self._db.execute(
            "SELECT at, waited FROM admission WHERE queue=? ORDER BY at DESC LIMIT ?", (queue, _HISTORY)
        ).fetchall()
        return [(at, waited) for at, waited in reversed(rows)]

    def _note(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        """Write down what was seen. On a full disk it is missing after the next start, and nothing else changes."""
        try:
            self._db.execute("BEGIN")
            for statement, values in statements:
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            log.error("what was seen of the cluster could not be written down: %s", error)


def _status(said: str) -> JobStatus | None:
    if not said:
        return None
    state, *rest = json.loads(said)
    return JobStatus(JobState(state), *rest)
