"""What a watch makes of what an API server says, which here says what a test wants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from qwex_kueue.errors import ApiError
from qwex_kueue.reflector import Reflector

from qwex.errors import BackendUnavailable, NotAuthorized

pytestmark = pytest.mark.anyio


class Thing(NamedTuple):
    name: str
    value: str

    @classmethod
    def of(cls, raw):
        return cls(raw["metadata"]["name"], raw["value"])


def thing(name, value, version="1"):
    return {"metadata": {"name": name, "resourceVersion": version}, "value": value}


class Server:
    """Lists in their order; the last one again. Watches in their order, then one that says nothing."""

    address = "https://cluster"

    def __init__(self, lists, watches=()):
        self.lists, self.watches, self.asked = list(lists), list(watches), []

    async def get(self, path, **query):
        found = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(found, Exception):
            raise found
        version, *items = found
        return {"items": items, "metadata": {"resourceVersion": version}}

    async def lines(self, path, query):
        self.asked.append(query["resourceVersion"])
        for event in self.watches.pop(0) if self.watches else ():
            if isinstance(event, Exception):
                raise event
            yield {"type": event[0], "object": event[1]}
        if not self.watches:
            await asyncio.Event().wait()


@asynccontextmanager
async def reflecting(server):
    told = asyncio.Queue()
    reflector = Reflector(server, "/things", Thing.of, lambda before, now: told.put_nowait((before, now)))
    reflector.start()
    try:
        yield reflector, lambda: asyncio.wait_for(told.get(), 10)
    finally:
        await reflector.close()


GONE = ("ERROR", {"code": 410, "message": "too old resource version: 5 (9)"})


async def test_what_is_there_and_what_changes_is_told_once():
    watch = [("MODIFIED", thing("a", "2", "6")), ("BOOKMARK", {"metadata": {"resourceVersion": "7"}})]
    async with reflecting(Server([("5", thing("a", "1"))], [watch])) as (reflector, told):
        await reflector.ready(10)
        assert await told() == (None, Thing("a", "1"))
        assert await told() == (Thing("a", "1"), Thing("a", "2"))


async def test_a_watch_that_was_cut_goes_on_where_it_was():
    watches = [[("ADDED", thing("a", "1", "6")), BackendUnavailable("cut")], [("DELETED", thing("a", "1", "7"))]]
    server = Server([("5",)], watches)
    async with reflecting(server) as (_, told):
        assert await told() == (None, Thing("a", "1"))
        assert await told() == (Thing("a", "1"), None)
    assert server.asked == ["5", "6"]


@pytest.mark.parametrize("gone", [[GONE], [ApiError(410, "Expired", "too old")]], ids=["said", "answered"])
async def test_a_version_that_the_server_has_forgotten_is_listed_again(gone):
    """What went meanwhile is told as gone, what stayed is not told again."""
    server = Server([("5", thing("a", "1"), thing("b", "1")), ("9", thing("b", "1"), thing("c", "1"))], [gone, []])
    async with reflecting(server) as (reflector, told):
        assert {(await told())[1].name, (await told())[1].name} == {"a", "b"}
        assert await told() == (Thing("a", "1"), None)
        assert await told() == (None, Thing("c", "1"))
        assert set(reflector.objects) == {"b", "c"}


async def test_who_asks_while_it_is_listed_again_waits_for_that():
    listing, answer = asyncio.Event(), asyncio.Event()

    class Slow(Server):
        async def get(self, path, **query):
            if self.asked:
                listing.set()
                await answer.wait()
            return await super().get(path, **query)

    async with reflecting(Slow([("5",), ("9", thing("c", "1"))], [[GONE], []])) as (reflector, _):
        await listing.wait()
        asking = asyncio.create_task(reflector.ready(10))
        with pytest.raises(BackendUnavailable, match="did not answer within"):
            await reflector.ready(0.01)
        assert not asking.done()
        answer.set()
        await asking
        assert set(reflector.objects) == {"c"}


@pytest.mark.parametrize("error", [NotAuthorized("cannot list things"), BackendUnavailable("nobody there")])
async def test_what_keeps_objects_from_being_known_is_what_ready_says(error):
    async with reflecting(Server([error])) as (reflector, _):
        with pytest.raises(type(error), match=str(error)):
            await reflector.ready(10)


async def test_one_object_that_is_not_as_expected_does_not_end_the_watch():
    watch = [("ADDED", thing("bad", "1", "6")), ("ADDED", thing("good", "1", "7"))]
    told = asyncio.Queue()

    def hear(before, now):
        if now.name == "bad":
            raise ValueError("not as expected")
        told.put_nowait(now)

    reflector = Reflector(Server([("5",)], [watch]), "/things", Thing.of, hear)
    reflector.start()
    assert (await asyncio.wait_for(told.get(), 10)).name == "good"
    await reflector.close()


def odd(name, version):
    return {"metadata": {"name": name, "resourceVersion": version}}


async def test_an_object_that_cannot_be_understood_is_left_out_and_said_once_a_version(caplog):
    """Of a list and of a watch; listed again in the same version it is not said again."""
    lists = [("5", odd("x", "1"), thing("a", "1")), ("9", odd("x", "2"), thing("a", "2"))]
    server = Server(lists, [[("MODIFIED", odd("x", "2")), ("ADDED", thing("b", "1", "6")), GONE], []])
    async with reflecting(server) as (reflector, told):
        await reflector.ready(10)
        assert await told() == (None, Thing("a", "1"))
        assert await told() == (None, Thing("b", "1"))
        assert await told() == (Thing("b", "1"), None)
        assert await told() == (Thing("a", "1"), Thing("a", "2"))
    assert [record.args[1] for record in caplog.records] == ["x", "x"]


async def test_an_object_that_cannot_be_understood_any_more_is_not_gone():
    lists = [("5", thing("x", "1")), ("9", odd("x", "8"), thing("a", "1"))]
    server = Server(lists, [[("MODIFIED", odd("x", "6")), GONE], [("DELETED", odd("x", "10"))]])
    async with reflecting(server) as (_, told):
        assert await told() == (None, Thing("x", "1"))
        assert await told() == (None, Thing("a", "1"))
        assert await told() == (Thing("x", "1"), None)
