"""What a row shows of a job: read off the end of its log, without making anybody tell more."""

from __future__ import annotations

import pytest
from asked import ME
from ipynb import notebook

from qwex.controller.auth import Caller
from qwex.controller.streams import Wanted

pytestmark = pytest.mark.anyio


async def glance(it, *run_ids, caller=ME):
    return {one.id: (one.line, one.progress, one.why) for one in await it.service.glance(run_ids, caller)}


async def said(it, run_id, text):
    """Return once the job's log has the text."""
    async for chunk in await it.service.events(run_id, Wanted(), ME):
        if text in chunk:
            return


async def test_a_job_that_waits_runs_and_ends(stage):
    async with stage() as it:
        await it.submit("one")
        line, progress, why = (await glance(it, "one"))["one"]
        assert (line, progress, why) == ("", None, await it.service.why("one"))
        script = it.script("one")
        script.say("RUNNING")
        script.record("stream", name="stderr", text="\r 45%|####5     | 45/100 [00:04<00:05]")
        await said(it, "one", b"45/100")
        assert (await glance(it, "one"))["one"] == ("45%|####5     | 45/100 [00:04<00:05]", 0.45, None)
        script.finish("\ndone\n")
        await it.until("one", "SUCCEEDED")
        assert (await glance(it, "one"))["one"] == ("done", None, None)


async def test_jobs_in_the_order_asked_for_without_those_that_there_are_not(stage):
    async with stage() as it:
        for run_id in ("a", "b", "c"):
            await it.submit(run_id)
        await it.run("b", "b\n")
        await it.until("b", "SUCCEEDED")
        assert [one.id for one in await it.service.glance(["c", "nobody", "b", "a"], ME)] == ["c", "b", "a"]
        assert await it.service.glance([], ME) == []


async def test_the_attempt_before_is_over(stage):
    async with stage() as it:
        await it.submit("one", retries={"failures": 1})
        await it.run("one", "first\n", code=1, reason="ExitCode")
        await it.handed_over("one", 2)
        await it.until("one", "QUEUED")
        line, _, why = (await glance(it, "one"))["one"]
        assert (line, why.summary) == ("", "it waits for its script")


async def test_a_notebook_is_as_far_as_its_cells(stage):
    async with stage() as it:
        source = {"kind": "notebook", "text": notebook("a", "b", "c", "d")}
        await it.submit("one", source=source)
        script = it.script("one")
        script.say("RUNNING")
        for number in (1, 2):
            script.record("cell", id=f"cell-{number}", number=number, total=4)
        await said(it, "one", b"cell-2")
        assert (await glance(it, "one"))["one"] == ("", 0.25, None)
        script.record("stream", name="stdout", text=" 45%|####5     | 45/100 [00:04<00:05]\n" + "x" * 70_000 + "\n")
        await said(it, "one", b"xxx")
        assert (await glance(it, "one"))["one"][1] == 0.25


async def test_another_users_job_shows_why_it_waits_and_no_line(stage):
    async with stage() as it:
        for run_id in ("runs", "waits"):
            await it.submit(run_id, caller=Caller("ann"))
        await it.run("runs", "secret\n")
        await it.until("runs", "SUCCEEDED")
        assert (await glance(it, "runs", caller=Caller("ann")))["runs"][0] == "secret"
        seen = await glance(it, "runs", "waits", caller=Caller("bob"))
        assert seen["runs"] == ("", None, None)
        assert seen["waits"][2].summary == "it waits for its script"


async def test_a_long_line_is_cut_and_its_bar_is_read_whole(stage):
    async with stage() as it:
        await it.submit("one")
        bar = f"{'x' * 190} 45%|{'#' * 45}{' ' * 55}| 45/100 [00:04<00:05]"
        await it.run("one", bar)
        await it.until("one", "SUCCEEDED")
        line, progress, _ = (await glance(it, "one"))["one"]
        assert (line, progress) == (f"{bar[:199]}…", 0.45)


async def test_a_figure_larger_than_what_is_read_first(stage):
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("stream", name="stdout", text="epoch 3\n")
        script.record("display", data={"image/png": "x" * 100_000}, metadata={}, transient={})
        script.finish()
        await it.until("one", "SUCCEEDED")
        assert (await glance(it, "one"))["one"][0] == "epoch 3"


async def test_nobody_is_made_to_read_a_place_that_tells_on_demand(stage, monkeypatch):
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("stream", name="stdout", text="unread\n")
        for _ in range(3):  # a reader would have begun by then
            assert (await glance(it, "one"))["one"] == ("", None, None)
        assert "read" not in script.notes()
        assert await it.text("one") == "unread\n"
        assert (await glance(it, "one"))["one"][0] == "unread"
