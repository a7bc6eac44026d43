"""Streams that are asked for at an awkward moment. What they carry otherwise is in test_app and test_lifecycle."""

from __future__ import annotations

import pytest
from asked import ME
from frames import parse_frames, states

from qwex.controller.streams import Wanted

pytestmark = pytest.mark.anyio


async def read(chunks):
    return parse_frames(b"".join([chunk async for chunk in chunks]))


async def test_asked_for_while_it_ran_and_begun_after_its_end(stage):
    """Whoever asks just before the end gets the whole story and its end, and does not wait for ever."""
    async with stage() as it:
        await it.submit("one")
        it.script("one").say("RUNNING")
        await it.until("one", "RUNNING")
        asked = await it.service.events("one", Wanted(), ME)
        text, _ = await it.service.logs("one", Wanted(), ME)
        it.script("one").finish("x\n")
        await it.until("one", "SUCCEEDED")
        await it.service.ready()
        assert states(await read(asked)) == ["PENDING", "QUEUED", "RUNNING", "SUCCEEDED"]
        assert b"".join([chunk async for chunk in text]) == b"x\n"


async def test_asked_for_when_recorded_and_begun_when_queued(stage):
    """A story that has no file yet is told by the job's record as it is now."""
    async with stage() as it:
        (it.home / "scripted" / "unavailable").touch()
        await it.submit("one")
        asked = await it.service.events("one", Wanted(), ME)
        (it.home / "scripted" / "unavailable").unlink()
        await it.until("one", "QUEUED")
        it.script("one").say("CANCELLED")
        seen = []
        async for chunk in asked:
            seen += states(parse_frames(chunk))
        assert seen == ["PENDING", "QUEUED", "CANCELLED"]


async def test_text_ends_with_the_record_that_its_answer_names(stage):
    """Whoever reads on from that number gets no line twice."""
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        script.record("stream", name="stdout", text="a\n")
        events = await it.service.events("one", Wanted(), ME)
        async for chunk in events:
            if b'"a\\n"' in chunk:
                break
        text, last = await it.service.logs("one", Wanted(follow=False), ME)
        script.record("stream", name="stdout", text="b\n")
        async for chunk in events:
            if b'"b\\n"' in chunk:
                break
        assert b"".join([chunk async for chunk in text]) == b"a\n"
        script.finish("c\n")
        await it.until("one", "SUCCEEDED")
        assert await it.text("one", after=last) == "b\nc\n"
