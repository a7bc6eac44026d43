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


async def test_a_tail_leaves_out_output_and_tells_the_story(stage):
    """A page that opens late needs all that became of the job, and only the end of what it said."""
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("stream", name="stdout", text="a\n")
        script.record("display", data={"text/plain": "old"}, metadata={}, transient={})
        script.record("error", ename="ValueError", evalue="no", traceback=[], frames=[])
        script.record("stream", name="stdout", text="b\n")
        script.finish("c\n")
        await it.until("one", "SUCCEEDED")
        whole = await it.events("one")
        (c,) = [at for at, (_, _, data) in enumerate(whole) if data.get("text") == "c\n"]
        lines = it.home.joinpath("logs").rglob("one.jsonl").__next__().read_bytes().splitlines(keepends=True)
        output = {"stream", "display"}
        for first in (c, len(whole)):
            size = len(b"".join(lines[first:]))
            told = [frame for at, frame in enumerate(whole) if at >= first or frame[1] not in output]
            assert await it.events("one", tail=size) == told
            assert await it.events("one", tail=size, follow=False) == told
        inside = len(b"".join(lines[c:])) - 1
        assert "c\n" not in [data.get("text") for _, _, data in await it.events("one", tail=inside)]
        assert await it.events("one", tail=10**9) == whole
        assert await it.events("one", tail=0, after=2) == whole[2:]


async def test_a_tail_goes_on_with_all_that_follows(stage):
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        script.record("stream", name="stdout", text="old\n")
        async for chunk in await it.service.events("one", Wanted(), ME):
            if b"old" in chunk:
                break
        events = await it.service.events("one", Wanted(tail=0), ME)
        begun = parse_frames(await anext(events))
        assert states(begun)[-1] == "RUNNING"
        script.finish("new\n")
        frames = [*begun, *await read(events)]
        assert [data["text"] for _, event, data in frames if event == "stream"] == ["new\n"]
        assert states(frames)[-1] == "SUCCEEDED"
