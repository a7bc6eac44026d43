"""What is found in the store, and in which order: the same with SQLite and with PostgreSQL."""

from __future__ import annotations

import postgres
import pytest
from sqlalchemy import text

from qwex.controller import database
from qwex.controller.auth import Caller
from qwex.controller.job import LiveJob
from qwex.controller.machines.records import recorded
from qwex.controller.machines.store import Asked, MachineStore
from qwex.controller.store import Filter, Store
from qwex.controller.tables import metadata
from qwex.errors import InvalidSpec
from qwex.machinespec import MachineSpec
from qwex.record import JobRecord
from qwex.state import JobState

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def postgresql():
    if why := postgres.missing():
        pytest.skip(why)
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'controller.db'}"
        return
    url = request.getfixturevalue("postgresql")
    yield url
    engine = database.connect(url)
    metadata.drop_all(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()


@pytest.fixture
async def store(url):
    made = Store(url)
    yield made
    await made.close()


def job(run_id, state="QUEUED", **more):
    given = {"id": run_id, "name": run_id, "user": "me", "kind": "command", "backend": "b", "created_at": 1.0}
    return LiveJob(JobRecord(**{**given, "state": JobState(state), **more})).row("{}")


async def insert(store, *rows):
    for row in rows:
        await store.writer.insert([row])


async def pages(store, limit, **more):
    """The ids on each page, to the last."""
    found, cursor = [], None
    while True:
        page = await store.page(Filter(), limit, cursor, **more)
        found.append([row["id"] for row in page.rows])
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_newest_first(store):
    await insert(store, *(job(f"job-{n}") for n in range(5)))
    assert await pages(store, 2) == [["job-4", "job-3"], ["job-2", "job-1"], ["job-0"]]


async def test_by_end_those_that_have_not_ended_first(store):
    """Jobs of one batch may end at the very same moment; no page repeats one or leaves one out."""
    ends = {"a": 1764195548.123457, "b": None, "c": 1764195548.123456, "d": 1764195560.0, "e": None}
    ends |= {"f": 1764195548.123456, "g": 1764195548.123456}
    rows = [job(run_id, "QUEUED" if end is None else "FAILED", ended_at=end) for run_id, end in ends.items()]
    await insert(store, *rows)
    for limit in range(1, 8):
        found = await pages(store, limit, order="ended")
        assert [run_id for page in found for run_id in page] == ["e", "b", "d", "a", "g", "f", "c"]
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


@pytest.mark.parametrize("cursor", ["", "x", "1-2-3", "1", "-1-2", "1.5e3-2", "٣-1", "9" * 19 + "-1"])
async def test_a_cursor_of_another_order_is_refused(store, cursor):
    with pytest.raises(InvalidSpec, match="cursor"):
        await store.page(Filter(), 5, cursor, "ended")


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("train", ["run-2", "run-1"]),
        ("RAIN-The", ["run-1"]),
        ("run-", ["run-3", "run-2", "run-1"]),
        ("RUN-3", ["run-3"]),
        ("übung", ["run-3"]),
        ("%", ["run-2"]),
        ("_", []),
        ("\\", []),
    ],
)
async def test_match_is_anywhere_in_name_or_id(store, match, found):
    names = ["train-the model", "retrain 100%", "ÜBUNG"]
    await insert(store, *(job(f"run-{number}", name=name) for number, name in enumerate(names, 1)))
    page = await store.page(Filter(match=match), 5, None)
    assert [row["id"] for row in page.rows] == found
    assert page.total == len(found)


async def test_counts(store):
    await insert(store, *(job(f"q-{n}") for n in range(3)), job("f", "FAILED"), job("r", "RUNNING", user="you"))
    assert await store.counts(Filter()) == {"QUEUED": 3, "FAILED": 1, "RUNNING": 1}
    assert await store.counts(Filter(user="me", states=("QUEUED", "RUNNING"))) == {"QUEUED": 3}
    assert await store.counts(Filter(match="nothing")) == {}


async def test_a_store_of_the_first_schema_is_brought_up_to_date(store, url):
    await insert(store, job("one"))
    engine = database.connect(url)
    for _ in range(2):
        with engine.begin() as connection:
            for index in ("jobs_by_end", "jobs_by_user_and_end", "jobs_by_user_and_state"):
                connection.execute(text(f"DROP INDEX {index}"))
            connection.execute(text("ALTER TABLE jobs DROP COLUMN tracked"))
            connection.execute(text("DROP TABLE machine_events"))
            connection.execute(text("DROP TABLE machines"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        database.prepare(engine)
    engine.dispose()


async def test_jobs_that_ended_before_then_and_of_which_all_is_told(store):
    ended = {"state": "FAILED", "ended_at": 100.0}
    rows = [job("a", **ended), job("untold", **ended), job("hers", **ended, user="ada"), job("b", **ended)]
    rows += [job("live"), job("late", "FAILED", ended_at=300.0)]
    await insert(store, *({**row, "settled": row["id"] != "untold"} for row in rows))
    first = await store.ended(None, 200.0, 0, 2)
    assert [row["id"] for row in first] == ["a", "hers"]
    assert [row["id"] for row in await store.ended(None, 200.0, first[-1]["seq"], 2)] == ["b"]
    assert [row["id"] for row in await store.ended("ada", 200.0, 0, 9)] == ["hers"]
    assert [await store.untold(user, 200.0) for user in (None, "me", "ada")] == [1, 1, 0]
    assert await store.users() == ["ada", "me"]
    assert await store.ids() == {row["id"] for row in rows}


async def test_what_jobs_name_of_the_artifact_store(store):
    given, back, hers = (f"sha256:{sign * 64}" for sign in "abc")
    rows = [
        {**job("one"), "spec": f'{{"inputs": {{"x": {{"digest": "{given}"}}}}}}'},
        {**job("two"), "produced": {"y": {"digest": back}}},
        {**job("three", user="ada"), "spec": f'{{"digest": "{hers}"}}'},
    ]
    await insert(store, *rows)
    assert await store.named("me") == ({"one", "two"}, {given, back})
    assert await store.named("me", {"two"}) == ({"one", "two"}, {given})
    assert await store.named("bob") == (set(), set())


async def test_a_machine_and_the_newest_of_what_became_of_it(store, monkeypatch):
    monkeypatch.setattr("qwex.controller.machines.store.KEPT", 3)
    machines = MachineStore(store)
    train = recorded(MachineSpec(name="train"), Caller("me"), "place")
    other = recorded(MachineSpec(name="other"), Caller("me"), "place")
    for machine in (other, train):
        machine.change(Asked("create", "me"))
        await machines.insert(machine)
    for run in range(2, 6):
        train.change(Asked("start", "ada", "resources"), run=run)
    await machines.save(train)
    found = {machine.record.name: machine for machine in machines.load()}
    assert [(each.run, each.user, each.message) for each in found["train"].events] == [
        (3, "ada", "resources"),
        (4, "ada", "resources"),
        (5, "ada", "resources"),
    ]
    assert found["train"].events == train.events
    await machines.remove(train)
    assert [(machine.id, machine.events) for machine in machines.load()] == [(other.id, other.events)]
    assert {row["machine"] for row in store.machine_events()} == {other.id}
