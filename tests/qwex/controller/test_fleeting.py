"""Backends whose output and values go with the job's place, and are read on demand."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from asked import ME
from frames import states
from scripted import FleetingBackend

from qwex.controller.backends import Backends
from qwex.controller.retries import may_retry
from qwex.errors import ArtifactsUnavailable, BackendUnavailable, ConfigError, NotAuthorized

pytestmark = pytest.mark.anyio


@pytest.fixture
def fleeting(stage, monkeypatch):
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    monkeypatch.setenv("QWEX_PLUGINS", "scripted,qwex_local")
    return stage


async def running(it, *printed):
    await it.submit("one")
    script = it.script("one")
    script.say("RUNNING")
    await it.until("one", "RUNNING")
    for text in printed:
        script.record("stream", name="stdout", text=text)
    return script


async def away(self, *_):
    raise BackendUnavailable("the place is away")


async def noted(script, line):
    while line not in script.notes():
        await asyncio.sleep(0.005)


async def test_output_that_nobody_follows_is_read_at_the_end_and_then_acknowledged(fleeting):
    async with fleeting() as it:
        script = await running(it, "a\n")
        assert script.notes() == []
        script.finish("b\n")
        await it.until("one", "SUCCEEDED")
        await asyncio.wait_for(noted(script, "acknowledged 1.3"), 10)
        assert script.notes() == ["read", "acknowledged 1.3"]
        assert await it.text("one") == "a\nb\n"


async def test_output_that_went_with_its_place_before_it_was_read_is_said_to_be_missing(fleeting):
    async with fleeting() as it:
        script = await running(it)
        script.say("SUCCEEDED", exit_code=0)
        await it.until("one", "SUCCEEDED")
        (notice,) = [data for _, event, data in await it.events("one") if event == "notice"]
        assert notice["code"] == "output-lost"
        assert states(await it.events("one"))[-1] == "SUCCEEDED"


async def test_a_job_that_never_ran_misses_nothing(fleeting):
    async with fleeting() as it:
        await it.submit("one")
        it.script("one").say("CANCELLED", reason="CancelledByUser")
        await it.until("one", "CANCELLED")
        assert [event for _, event, _ in await it.events("one") if event == "notice"] == []


async def test_who_does_not_follow_gets_all_that_was_said_by_now(fleeting):
    async with fleeting() as it:
        script = await running(it, "a\n", "b\n")
        assert await it.text("one") == "a\nb\n"
        script.record("stream", name="stdout", text="c\n")
        assert [data["text"] for _, event, data in await it.events("one", follow=False) if event == "stream"] == [
            "a\n",
            "b\n",
            "c\n",
        ]


async def test_a_backend_that_cannot_be_asked_keeps_no_reader_waiting(fleeting, monkeypatch):
    monkeypatch.setattr(FleetingBackend, "position", away)
    async with fleeting() as it:
        await running(it, "a\n")
        assert await it.text("one") == ""


async def test_a_follower_reads_while_the_job_runs(fleeting):
    async with fleeting() as it:
        script = await running(it, "a\n")
        following = asyncio.create_task(it.events("one"))
        await asyncio.wait_for(noted(script, "read"), 10)
        script.finish()
        assert states(await following)[-1] == "SUCCEEDED"


async def test_values_are_kept_before_their_place_is_let_go(fleeting, monkeypatch):
    async with fleeting() as it:
        script = await running(it)
        (script.folder / "value-x").write_bytes(b"x is this")
        digest = f"sha256:{hashlib.sha256(b'x is this').hexdigest()}"
        script.record("value", name="x", digest=digest, size=9, format="cloudpickle")
        value = await it.service.value("one", "x", ME)
        assert b"".join([chunk async for chunk in value.chunks]) == b"x is this"
        script.finish()
        await it.until("one", "SUCCEEDED")
        await asyncio.wait_for(noted(script, "acknowledged 1.2"), 10)
        assert not (script.folder / "value-x").exists()
        monkeypatch.setattr(Backends, "get", away)
        kept = await it.service.value("one", "x", ME)
        assert b"".join([chunk async for chunk in kept.chunks]) == b"x is this"


@pytest.mark.parametrize("error", [ArtifactsUnavailable, ConfigError, NotAuthorized])
async def test_a_place_keeps_its_values_while_the_store_is_away_and_the_job_ends_all_the_same(
    fleeting, monkeypatch, error
):
    monkeypatch.setattr("qwex.controller.values._PAUSES", (0.01,) * 2)
    monkeypatch.setattr("qwex.controller.values._AGAIN", 0.01)
    async with fleeting() as it:
        script = await running(it)
        (script.folder / "value-x").write_bytes(b"x is this")
        digest = f"sha256:{hashlib.sha256(b'x is this').hexdigest()}"
        script.record("value", name="x", digest=digest, size=9, format="cloudpickle")
        tried, put = asyncio.Event(), it.service._parts.artifacts.put

        async def refuse(key, chunks, *, replace=False):
            if it.service.live == 0:
                tried.set()  # after the job's end
            raise error("the store is away")

        monkeypatch.setattr(it.service._parts.artifacts, "put", refuse)
        script.finish()
        await it.until("one", "SUCCEEDED")
        (notice,) = [data for _, event, data in await it.events("one") if event == "notice"]
        assert (notice["code"], "copied later: x" in notice["message"]) == ("value-later", True)
        await asyncio.wait_for(tried.wait(), 10)
        assert it.service.is_working
        assert (script.folder / "value-x").exists()
        monkeypatch.setattr(it.service._parts.artifacts, "put", put)
        await asyncio.wait_for(noted(script, "acknowledged 1.2"), 10)
        assert not (script.folder / "value-x").exists()
        kept = await it.service.value("one", "x", ME)
        assert b"".join([chunk async for chunk in kept.chunks]) == b"x is this"


async def test_a_value_that_nobody_has_any_more_keeps_no_place(fleeting):
    async with fleeting() as it:
        script = await running(it)
        script.record("value", name="x", digest=f"sha256:{'0' * 64}", size=9, format="cloudpickle")
        script.finish()
        await it.until("one", "SUCCEEDED")
        (notice,) = [data for _, event, data in await it.events("one") if event == "notice"]
        assert notice["code"] == "value-lost"
        await asyncio.wait_for(noted(script, "acknowledged 1.2"), 10)


async def test_a_place_is_let_go_later_when_it_could_not_be_told(fleeting, monkeypatch):
    monkeypatch.setattr("qwex.controller.reading._LET_GO_AGAIN", (0.01,) * 5)
    async with fleeting() as it:
        script = await running(it)
        script.hold("acknowledge")
        script.finish("a\n")
        await it.until("one", "SUCCEEDED")
        await asyncio.wait_for(noted(script, "held acknowledge"), 10)
        script.let_go("acknowledge")
        await asyncio.wait_for(noted(script, "acknowledged 1.2"), 10)


async def test_who_asks_while_an_attempt_ends_does_not_keep_the_next_from_being_read(fleeting, monkeypatch):
    asked, answers = asyncio.Event(), asyncio.Event()

    async def slowly(self, native_id, position=FleetingBackend.position):
        asked.set()
        await answers.wait()
        return await position(self, native_id)

    async with fleeting() as it:
        await it.submit("one", retries={"failures": 1})
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        monkeypatch.setattr(FleetingBackend, "position", slowly)
        reading = asyncio.create_task(it.text("one"))
        await asked.wait()
        monkeypatch.setattr("qwex.controller.lifecycle.may_retry", _answering(answers, reading))
        script.finish("first\n", code=1, reason="ExitCode")
        await it.handed_over("one", 2)
        await it.run("one", "second\n")
        await it.until("one", "SUCCEEDED")
        assert await it.text("one") == "first\nsecond\n"


def _answering(answers, reading, may_retry=may_retry):
    """In the moment between an attempt's end and the next one, the reader gets its answer."""

    async def asked(*given):
        answers.set()
        await reading
        return await may_retry(*given)

    return asked


async def test_each_attempt_is_acknowledged(fleeting):
    async with fleeting() as it:
        script = await running(it, "first\n")
        script.record("exit", code=143, reason="Signal", message="")
        script.say("QUEUED", attempt=2, reason="Preempted")
        await it.until("one", "QUEUED")
        await it.run("one", "second\n")
        await it.until("one", "SUCCEEDED")
        await asyncio.wait_for(noted(script, "acknowledged 2.2"), 10)
        # Each by itself, so in either order.
        await asyncio.wait_for(noted(script, "acknowledged 1.2"), 10)
        assert sorted(note for note in script.notes() if note != "read") == ["acknowledged 1.2", "acknowledged 2.2"]
        assert await it.text("one") == "first\nsecond\n"
