"""What the queue remembers between controllers, in one SQLite file.

``synchronous=NORMAL`` in WAL mode: a commit survives this process's end at any moment, and a power cut may lose the
last ones. The controller's store is the durable truth and submits again what is missing here.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, NamedTuple

from qwex.errors import ConfigError
from qwex.state import TERMINAL, JobState, JobStatus, Reason
from qwex_local.request import LocalRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["Journal", "Row"]

log = logging.getLogger(__name__)

_VERSION = 1
_SCHEMA = """
CREATE TABLE job (
    run_id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL, exit_code INTEGER, seq INTEGER NOT NULL, stop TEXT NOT NULL DEFAULT '',
    devices TEXT NOT NULL DEFAULT '', request TEXT NOT NULL
);
CREATE INDEX live ON job (seq) WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED');
"""
_LIVE = "state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')"
_STATUS = "run_id, attempt, state, reason, message, exit_code"
#: SQLite's smallest limit on the number of parameters is 999.
_MANY = 500
#: Commits between two checkpoints, which copy the write-ahead log into the file and wait for the disk.
_CHECKPOINT = 1000


class Row(NamedTuple):
    """One job that has not ended."""

    run_id: str
    status: JobStatus
    seq: int
    #: The reason it was asked to end for, or empty.
    stop: str
    devices: tuple[str, ...]
    request: LocalRequest


class Journal:
    """The file, open. Every call is one transaction."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._db = sqlite3.connect(file, isolation_level=None)
            self._prepare()
        except sqlite3.Error as error:
            raise ConfigError(
                f"{file}: {error}. Move the file away; jobs that wait are submitted again, those that run go on."
            ) from error
        self._commits = 0
        self._checkpoint: threading.Thread | None = None
        self._last = int(self._db.execute("SELECT coalesce(max(seq), 0) FROM job").fetchone()[0])

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise ConfigError(f"{self._file} was written by a newer qwex (format {version}). Install that one again.")
        if not version:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")

    def add(self, request: LocalRequest) -> int:
        """Record a job, or a new attempt of one that has ended, as queued; its number of arrival."""
        self._last += 1
        self._write(
            "INSERT OR REPLACE INTO job (run_id, attempt, state, reason, message, seq, request) "
            "VALUES (?, ?, 'QUEUED', '', '', ?, ?)",
            (request.run_id, request.attempt, self._last, request.dumps()),
        )
        return self._last

    def save(self, run_id: str, status: JobStatus, *, stop: str = "", devices: Sequence[str] = ()) -> None:
        """Record where the job stands. One that has ended needs its request no more."""
        request = ", request=''" if status.state.terminal else ""
        values = (status.attempt, status.state.value, status.reason, status.message, status.exit_code, stop)
        self._write(
            "UPDATE job SET attempt=?, state=?, reason=?, message=?, exit_code=?, stop=?, devices=?"  # noqa: S608
            f"{request} WHERE run_id=?",
            (*values, " ".join(devices), run_id),
        )

    def request(self, run_id: str) -> LocalRequest:
        """What was asked for."""
        (text,) = self._db.execute("SELECT request FROM job WHERE run_id=?", (run_id,)).fetchone()
        return LocalRequest.loads(text)

    def renew(self, request: LocalRequest) -> None:
        """The job's next start is by this request."""
        self._write(f"UPDATE job SET request=? WHERE run_id=? AND {_LIVE}", (request.dumps(), request.run_id))  # noqa: S608

    def live(self) -> Iterator[Row]:
        """The jobs that have not ended, in order of arrival."""
        rows = self._db.execute(f"SELECT {_STATUS}, seq, stop, devices, request FROM job WHERE {_LIVE} ORDER BY seq")  # noqa: S608
        for *status, seq, stop, devices, request in rows.fetchall():
            try:
                told = LocalRequest.loads(request)
            except Exception as error:  # whatever the text is by now; the other jobs go on
                self._set_aside(status[0], status[1], error)
            else:
                yield Row(status[0], _status(*status[1:]), seq, stop, tuple(devices.split()), told)

    def _set_aside(self, run_id: str, attempt: int, error: Exception) -> None:
        message = f"what was asked for cannot be read in {self._file} (job {run_id}): {error}"
        log.error("%s", message)
        self.save(run_id, JobStatus(JobState.FAILED, Reason.START_FAILED.value, message, None, attempt))

    def statuses(self, run_ids: Sequence[str]) -> dict[str, JobStatus]:
        """Where these jobs stand; unknown ones are left out."""
        found: dict[str, JobStatus] = {}
        for start in range(0, len(run_ids), _MANY):
            part = run_ids[start : start + _MANY]
            marks = ",".join("?" * len(part))
            for row in self._db.execute(f"SELECT {_STATUS} FROM job WHERE run_id IN ({marks})", part):  # noqa: S608
                found[row[0]] = _status(*row[1:])
        return found

    def named(self, prefix: str) -> list[str]:
        """The ids of all jobs that begin so, in order of arrival."""
        last = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = self._db.execute("SELECT run_id FROM job WHERE run_id >= ? AND run_id < ? ORDER BY seq", (prefix, last))
        return [run_id for (run_id,) in found]

    def forget(self, run_id: str) -> None:
        """Remove a job that has ended."""
        ended = ",".join(f"'{state.value}'" for state in TERMINAL)
        self._write(f"DELETE FROM job WHERE run_id=? AND state IN ({ended})", (run_id,))  # noqa: S608

    def close(self) -> None:
        """Let go of the file."""
        if self._checkpoint:
            self._checkpoint.join()
        self._db.close()

    def _write(self, statement: str, values: Sequence[object]) -> None:
        """One transaction. Checkpoints are made beside it: nobody waits for the disk here."""
        self._db.execute(statement, values)
        self._commits += 1
        if self._commits >= _CHECKPOINT and not (self._checkpoint and self._checkpoint.is_alive()):
            self._commits = 0
            self._checkpoint = threading.Thread(target=_checkpoint, args=(self._file,), daemon=True)
            self._checkpoint.start()


def _checkpoint(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _status(attempt: int, state: str, reason: str, message: str, exit_code: int | None) -> JobStatus:
    return JobStatus(JobState(state), reason, message, exit_code, attempt)
