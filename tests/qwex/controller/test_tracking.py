"""Trackers and notices: told of everything, trusted with nothing."""

from __future__ import annotations

import asyncio
import json
from types import ModuleType
from typing import ClassVar

import pytest
from asked import ME

from qwex import hookimpl
from qwex.tracker import Tracked, Tracker

pytestmark = pytest.mark.anyio


@pytest.fixture
def diary():
    """A tracker's class, whose one instance writes into it."""

    class Diary(Tracker):
        name = "diary"
        broken = False
        events: ClassVar = []
        ends: ClassVar = []

        async def on_submit(self, plan):
            self._fail()
            return Tracked({"TRACKED": plan.run_id}, {"Diary": "https://diary/1"})

        async def on_event(self, run_id, event):
            self._fail()
            self.events.append((event.id, event.type))

        async def on_end(self, run_id, status):
            self._fail()
            self.ends.append((run_id, status.state.value))

        def _fail(self):
            if self.broken:
                raise RuntimeError("the diary is closed")

    return Diary


async def settled(it, run_id):
    for _ in range(2000):
        row = await it.service._parts.store.row(run_id)
        if row["settled"]:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody told the tracker of the end")


async def test_it_is_told_of_everything(stage, diary):
    async with stage(trackers=[diary]) as it:
        record = await it.submit("one")
        assert record.links == {"Diary": "https://diary/1"}
        request = json.loads((it.script("one").folder / "request-1.json").read_text())
        assert request["env"] == {"TRACKED": "one"}
        await it.run("one", "a\n")
        await it.until("one", "SUCCEEDED")
        await settled(it, "one")
        story = [(id, type) for id, type, _ in await it.events("one")]
        assert diary.events == [each for each in story if each[0] > 2]
        assert diary.ends == [("one", "SUCCEEDED")]


async def test_a_broken_one_fails_no_job_and_is_told_of_the_end_later(stage, diary):
    diary.broken = True
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        await it.run("one", "a\n")
        assert (await it.until("one", "SUCCEEDED")).links == {}
    diary.broken = False
    async with stage(trackers=[diary]) as it:
        await settled(it, "one")
        assert diary.ends == [("one", "SUCCEEDED")]


async def test_hooks_are_told_of_state_changes_in_order(stage):
    told = []
    listener = ModuleType("listener")

    @hookimpl
    def qwex_job_changed(run_id, event):
        told.append((run_id, event.id, event["state"]))
        raise RuntimeError("a notice that fails is logged")

    listener.qwex_job_changed = qwex_job_changed
    async with stage(hooks=listener) as it:
        await it.submit("one")
        await it.service.cancel("one", ME)
        await it.until("one", "CANCELLED")
    assert told == [("one", 2, "QUEUED"), ("one", 3, "CANCELLED")]
