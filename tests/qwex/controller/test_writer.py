"""Group commit: durable when it returns, one guilty insert fails alone, changes are never given up."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from sqlalchemy import event, select, update

from qwex.controller import database
from qwex.controller.job import LiveJob
from qwex.controller.problems import StoreUnavailable
from qwex.controller.tables import jobs
from qwex.controller.writer import Writer
from qwex.errors import Conflict
from qwex.record import JobRecord
from qwex.state import JobState

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(tmp_path):
    engine = database.connect(f"sqlite:///{tmp_path / 'controller.db'}")
    database.prepare(engine)
    return engine


def job(id):
    return LiveJob(JobRecord(id, "n", "u", "command", JobState.PENDING, "b", 1.0))


def stored(engine):
    with engine.connect() as connection:
        return dict(connection.execute(select(jobs.c.id, jobs.c.state)).all())


async def test_all_that_wait_share_a_transaction(engine):
    commits = []
    event.listen(engine, "commit", commits.append)
    writer = Writer(engine)
    await asyncio.gather(*(writer.insert([job(f"job-{n}").row("{}")]) for n in range(100)))
    assert len(stored(engine)) == 100
    assert len(commits) < 20
    await writer.close()


async def test_one_that_is_taken_fails_alone(engine):
    writer = Writer(engine)
    await writer.insert([job("taken").row("{}")])
    rows = [[job(name).row("{}")] for name in ("a", "taken", "b")] + [[job("c").row("{}"), job("taken").row("{}")]]
    results = await asyncio.gather(*(writer.insert(each) for each in rows), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), Conflict, type(None), Conflict]
    assert set(stored(engine)) == {"taken", "a", "b"}
    await writer.close()


async def test_changes_follow_in_order(engine):
    writer = Writer(engine)
    one = job("one")
    await writer.insert([one.row("{}")])
    for state in ("QUEUED", "RUNNING", "SUCCEEDED"):
        writer.update("one", {**one.mutable(), "state": state})
    assert await writer.flush()
    assert stored(engine) == {"one": "SUCCEEDED"}
    writer.update("one", {**one.mutable(), "state": "FAILED"})
    await writer.close()
    assert stored(engine) == {"one": "FAILED"}


async def test_a_full_disk_refuses_jobs_and_keeps_changes(engine):
    full, told = True, []

    @event.listens_for(engine, "before_cursor_execute")
    def refuse(connection, cursor, statement, *_):
        if full and not statement.startswith("SELECT"):
            raise sqlite3.OperationalError("database or disk is full")

    def make_space():
        told.append(True)

    writer = Writer(engine, make_space)
    full = False
    one = job("one")
    await writer.insert([one.row("{}")])
    full = True
    writer.update("one", {**one.mutable(), "state": "RUNNING"})
    with pytest.raises(StoreUnavailable, match="full"):
        await writer.insert([job("two").row("{}")])
    assert not await writer.flush()
    assert told
    full = False
    while not await writer.flush():
        pass
    assert stored(engine) == {"one": "RUNNING"}
    await writer.insert([job("two").row("{}")])
    await writer.close()


async def test_what_a_full_disk_refused_is_written_on_the_space_that_is_made(engine):
    full = False

    @event.listens_for(engine, "before_cursor_execute")
    def refuse(connection, cursor, statement, *_):
        if full and not statement.startswith("SELECT"):
            raise sqlite3.OperationalError("database or disk is full")

    def make_space():
        nonlocal full
        full = False

    writer = Writer(engine, make_space)
    await writer.insert([job("one").row("{}")])
    full = True
    await writer.execute(update(jobs).where(jobs.c.id == "one").values(state="RUNNING"), taken="taken")
    assert stored(engine) == {"one": "RUNNING"}
    await writer.close()
