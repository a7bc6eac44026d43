"""One thread writes the store: everything that waits shares a transaction, so one flush to disk serves many jobs."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.exc import IntegrityError

from qwex.controller.problems import StoreUnavailable
from qwex.controller.tables import MUTABLE, jobs
from qwex.errors import Conflict, QwexError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine, Executable

__all__ = ["Writer"]

log = logging.getLogger(__name__)

_INSERT = insert(jobs)
_UPDATE = (
    update(jobs).where(jobs.c.id == bindparam("_id")).values({jobs.c[name]: bindparam(f"_{name}") for name in MUTABLE})
)
_DELETE = delete(jobs).where(jobs.c.id == bindparam("_id"))
_TAKEN = "another job has this run id or idempotency key; use a new one"
#: Seconds before changes that could not be written are tried again.
_PAUSE = 1.0
#: Seconds for which changes of rows may gather: each is in the job's log already, and a commit costs the processor
#: time that a job's start needs just then.
_GATHER = 0.1


@dataclass
class _Batch:
    """What one transaction writes."""

    inserts: list[tuple[list[dict[str, Any]], asyncio.Future[None]]] = field(default_factory=list)
    #: By run id; only the newest change of a job counts.
    updates: dict[str, dict[str, Any]] = field(default_factory=dict)
    deletes: list[str] = field(default_factory=list)
    #: Of other tables, each in a transaction of its own, in order; the last is what to say when it contradicts a row.
    others: list[tuple[tuple[Executable, ...], asyncio.Future[None], str]] = field(default_factory=list)
    #: Resolved once everything above was written or refused.
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    #: Somebody waits for this transaction, so it is not put off.
    urgent: bool = False
    #: When it began.
    since: float = field(default_factory=time.monotonic)

    def __bool__(self) -> bool:
        return bool(self.inserts or self.updates or self.deletes or self.others or self.waiting)


class Writer:
    """Inserts are durable when they return; updates follow within moments, in order, and are never given up."""

    def __init__(self, engine: Engine, on_full: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        #: Called when the disk is full, from the writer's thread; may make some space.
        self._on_full = on_full
        self._loop = asyncio.get_running_loop()
        self._next = _Batch()
        self._wake = threading.Condition()
        self._closing = False
        self._writing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def insert(self, rows: list[dict[str, Any]]) -> None:
        """Store the rows, all or none; they are on disk when this returns.

        Raises:
            Conflict: a run id or an idempotency key is taken.
            StoreUnavailable: nothing can be written now.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            self._next.inserts.append((rows, done))
            self._hurry()
        await done

    def update(self, run_id: str, row: dict[str, Any]) -> None:
        """Write the mutable columns of a row soon."""
        with self._wake:
            self._begin()
            self._next.updates[run_id] = row

    async def execute(self, *statements: Executable, taken: str) -> None:
        """Write to other tables than that of jobs, all or nothing, in the order of the calls; on disk when it returns.

        Raises:
            Conflict: it contradicts a row; ``taken`` says so.
            StoreUnavailable: nothing can be written now.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            self._begin()
            self._next.others.append((statements, done, taken))
            self._hurry()
        await done

    async def delete(self, run_ids: list[str]) -> None:
        """Remove rows; they are gone when this returns."""
        with self._wake:
            self._next.deletes += run_ids
        await self.flush()

    async def flush(self, *, urgent: bool = True) -> bool:
        """Return once everything asked for so far was written; False if it could not be yet."""
        done: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            if not self._next and not self._writing:
                return True
            self._begin()
            self._next.waiting.append(done)
            if urgent:
                self._hurry()
        try:
            await done
        except StoreUnavailable:
            return False
        return True

    async def close(self) -> None:
        """Write what is left and end the thread."""
        with self._wake:
            self._closing = True
            self._hurry()
        await asyncio.to_thread(self._thread.join)

    def _begin(self) -> None:
        """Wake the writer for the first thing of a batch; call it with the lock held."""
        if not self._next:
            self._next.since = time.monotonic()
            self._wake.notify()

    def _hurry(self) -> None:
        """Wake the writer to write at once; call it with the lock held."""
        self._next.urgent = True
        self._wake.notify()

    def _run(self) -> None:
        with self._engine.connect() as connection:
            while batch := self._take():
                self._write(connection, batch)

    def _take(self) -> _Batch | None:
        with self._wake:
            self._writing = False
            while not self._next and not self._closing:
                self._wake.wait()
            self._wake.wait_for(lambda: self._next.urgent or self._closing, _GATHER)
            batch, self._next = self._next, _Batch()
            if batch.inserts and not batch.waiting and time.monotonic() - batch.since < _GATHER:
                # Jobs that someone waits for need not wait for older jobs' moves.
                self._next.updates, self._next.since, batch.updates = batch.updates, batch.since, {}
            self._writing = bool(batch)
            return batch if batch else None

    def _write(self, connection: Connection, batch: _Batch) -> None:
        for statements, done, taken in batch.others:
            self._alone(connection, [(each, None) for each in statements], done, taken)
        # Whatever it is that cannot be written, this thread goes on and whoever waits is told.
        try:
            with connection.begin():
                self._execute(connection, batch)
        except Exception as error:
            self._write_apart(connection, batch, error)
        else:
            self._resolve([*(done for _, done in batch.inserts), *batch.waiting])

    @staticmethod
    def _execute(connection: Connection, batch: _Batch) -> None:
        if rows := [row for rows, _ in batch.inserts for row in rows]:
            connection.execute(_INSERT, rows)
        if batch.updates:
            connection.execute(_UPDATE, [_prefixed(run_id, row) for run_id, row in batch.updates.items()])
        if batch.deletes:
            connection.execute(_DELETE, [{"_id": run_id} for run_id in batch.deletes])

    def _write_apart(self, connection: Connection, batch: _Batch, error: Exception) -> None:
        """After a failure: each insert for itself, so that only the guilty one fails, then the rest."""
        if not isinstance(error, IntegrityError):
            log.error("the store cannot be written: %s", _sentence(error))
            if _wants_space(error):
                self._on_full()
        for rows, done in batch.inserts:
            self._alone(connection, [(_INSERT, rows)], done, _TAKEN)
        batch.inserts = []
        try:
            with connection.begin():
                self._execute(connection, batch)
        except Exception as again:
            self._resolve(batch.waiting, StoreUnavailable(_sentence(again)))
            self._put_back(batch)
        else:
            self._resolve(batch.waiting)

    def _alone(
        self, connection: Connection, work: list[tuple[Executable, Any]], done: asyncio.Future[None], taken: str
    ) -> None:
        """One transaction, tried once more on what space could be made."""
        error = _failed(connection, work)
        if error and _wants_space(error):
            self._on_full()
            error = _failed(connection, work)
        if isinstance(error, IntegrityError):
            self._resolve([done], Conflict(taken))
        else:
            self._resolve([done], StoreUnavailable(f"nothing was stored: {_sentence(error)}") if error else None)

    def _put_back(self, batch: _Batch) -> None:
        """Try again after a pause, or together with what comes in the meantime."""
        with self._wake:
            self._next.updates = {**batch.updates, **self._next.updates}
            self._next.deletes = [*batch.deletes, *self._next.deletes]
            if self._closing:
                log.error("%d changes of jobs could not be written", len(self._next.updates))
                self._next = _Batch()
            elif not self._next.inserts:
                self._wake.wait(_PAUSE)

    def _resolve(self, futures: list[asyncio.Future[None]], error: QwexError | None = None) -> None:
        if futures and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_settle, futures, error)


def _failed(connection: Connection, work: list[tuple[Executable, Any]]) -> Exception | None:
    """Why the transaction could not be written."""
    try:
        with connection.begin():
            for statement, rows in work:
                connection.execute(statement, rows)
    except Exception as error:
        return error
    return None


def _wants_space(error: Exception) -> bool:
    """Whether it may be for want of space here; SQLite has several words for that."""
    own = getattr(error, "orig", None) or error
    return isinstance(own, sqlite3.OperationalError) and "locked" not in str(own)


def _settle(futures: list[asyncio.Future[None]], error: QwexError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error:
            future.set_exception(error)
        else:
            future.set_result(None)


def _prefixed(run_id: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"_id": run_id, **{f"_{name}": value for name, value in row.items()}}


def _sentence(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)
