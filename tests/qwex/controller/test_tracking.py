"""Trackers and notices: told of everything, trusted with nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
import time
from collections import Counter
from types import ModuleType
from typing import ClassVar

import pytest
from asked import ME, spec

from qwex import hookimpl
from qwex.controller.origin import Origin
from qwex.controller.submission import Entry
from qwex.errors import InvalidSpec, TrackerUnavailable
from qwex.tracker import Tracked, Tracker

pytestmark = pytest.mark.anyio


@pytest.fixture
def diary():
    """A tracker's class, whose instances write into it."""

    class Diary(Tracker):
        name = "diary"
        startup = pathlib.Path(os.devnull)
        trouble: ClassVar = None
        told: ClassVar = []
        jobs: ClassVar = []

        def variables(self, plan):
            return None if plan.spec.tags.get("diary") == "no" else {"DIARY": plan.run_id}

        async def begin(self, job, *, again):
            self._fail(job)
            self.told.append((job.run_id, f"begin {job.attempt}", job.cause, job.reference, again))
            reference = f"page {job.attempt}"
            return Tracked(reference, {"PAGE": reference}, {"Diary": f"https://diary/{job.attempt}"})

        async def record(self, job, events):
            self._fail(job)
            for event in events:
                self.told.append((job.run_id, event.id, event.type, event.get("state", ""), job.reference))

        async def ended(self, job):
            self._fail(job)
            self.told.append((job.run_id, "ended", job.record.state.value, job.reference))

        async def end(self, job):
            self._fail(job)
            self.jobs.append(job)
            self.told.append((job.run_id, "end", job.record.state.value, job.reference))

        async def withdraw(self, job):
            self.told.append((job.run_id, "withdraw", job.reference))

        def _fail(self, job):
            if self.trouble:
                raise self.trouble

    return Diary


async def settled(it, run_id):
    for _ in range(2000):
        row = await it.service._parts.store.row(run_id)
        if row["settled"]:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody told the tracker of the end")


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to that")


async def told(diary, *entry):
    for _ in range(2000):
        if any(each[: len(entry)] == entry for each in diary.told):
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{entry} is not among {diary.told}")


def request(it, run_id, attempt=1):
    return json.loads((it.script(run_id).folder / f"request-{attempt}.json").read_text())


async def test_it_is_told_of_everything_in_order(stage, diary):
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        assert request(it, "one")["env"] == {"DIARY": "one"}
        await it.run("one", "a\n")
        await it.until("one", "SUCCEEDED")
        await settled(it, "one")
        assert (await it.service.get("one")).links == {"Diary": "https://diary/1"}
        story = [(id, type, data.get("state", "")) for id, type, data in await it.events("one") if type != "stream"]
        assert diary.told == [
            ("one", "begin 1", "", "", False),
            *[("one", *each, "page 1") for each in story],
            ("one", "end", "SUCCEEDED", "page 1"),
        ]
        assert diary.jobs[0].output(100) == "a\n"


async def test_what_it_gives_comes_in_a_file_of_the_attempts_own(stage, diary):
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        later = it.home / "bindings" / "one.1.json"
        assert request(it, "one")["later"] == str(later)
        await told(diary, "one", 2)
        assert json.loads(later.read_text()) == {"PAGE": "page 1"}
        assert later.stat().st_mode & 0o777 == 0o600
        await it.run("one")
        await settled(it, "one")
        assert not later.exists()


async def test_each_attempt_begins_with_the_reason_for_it(stage, diary):
    async with stage(trackers=[diary]) as it:
        await it.submit("one", retries={"failures": 1})
        await it.run("one", code=3, reason="ExitCode")
        await it.handed_over("one", 2)
        await told(diary, "one", "begin 2", "Retry", "page 1", False)
        assert json.loads((it.home / "bindings" / "one.2.json").read_text()) == {"PAGE": "page 2"}
        await it.run("one")
        await settled(it, "one")
        assert diary.told[-1] == ("one", "end", "SUCCEEDED", "page 2")
        assert (await it.service.get("one")).links == {"Diary": "https://diary/2"}


async def test_one_that_cannot_be_reached_is_told_later_and_holds_up_nobody(stage, diary):
    diary.trouble = TrackerUnavailable("it is asleep")
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        await it.run("one", "a\n")
        assert (await it.until("one", "SUCCEEDED")).links == {}
        await it.submit("two")
        two = it.home / "bindings" / "two.1.json"
        await until(two.exists)
        assert two.read_text() == "{}"
        (standing,) = it.service.trackers()
        assert (standing.waiting, standing.problem) == (2, "it is asleep")
        diary.trouble = None
        await settled(it, "one")
        assert [each[1] for each in diary.told if each[0] == "one"][-1] == "end"
        await told(diary, "two", 2)
        assert json.loads(two.read_text()) == {"PAGE": "page 1"}
        assert it.service.trackers()[0].problem == ""


async def test_who_hears_of_a_link_that_came_after_the_end_can_read_it(stage, diary):
    diary.trouble = TrackerUnavailable("it is asleep")
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        await it.run("one")
        await it.until("one", "SUCCEEDED")
        async with contextlib.aclosing(it.service.changes(None, frozenset({"job"}), ME)) as changes:
            assert await anext(changes) == b": subscribed\n\n"
            diary.trouble = None
            while b"https://diary/1" not in await anext(changes):
                pass
            assert (await it.service.get("one")).links == {"Diary": "https://diary/1"}
        await settled(it, "one")


async def test_what_it_was_not_told_before_a_restart_it_is_told_after_it(stage, diary):
    diary.trouble = TrackerUnavailable("it is asleep")
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        await it.run("one", "a\n")
        await it.until("one", "SUCCEEDED")
        await it.submit("two")
    diary.trouble = None
    async with stage(trackers=[diary]) as it:
        await settled(it, "one")
        story = [id for id, type, _ in await it.events("one") if type != "stream"]
        assert [each[1] for each in diary.told if each[0] == "one"] == ["begin 1", *story, "end"]
        await told(diary, "two", "begin 1", "", "", True)


async def test_a_restart_goes_on_where_it_was(stage, diary):
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        it.script("one").say("RUNNING")
        await it.until("one", "RUNNING")
        await told(diary, "one", 3)
    before = list(diary.told)
    async with stage(trackers=[diary]) as it:
        it.script("one").finish("a\n")
        await settled(it, "one")
    after = diary.told[len(before) :]
    assert "begin 1" not in [each[1] for each in after]
    assert not {each[1] for each in before} & {each[1] for each in after}
    assert diary.told[-1] == ("one", "end", "SUCCEEDED", "page 1")


async def test_a_fault_of_its_own_over_one_job_keeps_no_other_from_it(stage, diary, monkeypatch):
    monkeypatch.setattr("qwex.controller.courier._AFTER_FAULTS", (0.01, 0.02))

    async def record(self, job, events):
        if job.run_id == "bad":
            raise RuntimeError("this one it cannot take")
        self.told.append((job.run_id, "record"))

    diary.record = record
    async with stage(trackers=[diary]) as it:
        for name in ("bad", "good"):
            await it.submit(name)
            await it.run(name, "a\n")
            await it.until(name, "SUCCEEDED")
        await settled(it, "good")
        await settled(it, "bad")
        assert ("good", "end", "SUCCEEDED", "page 1") in diary.told


@pytest.fixture
def slow(diary):
    """A diary that takes in what jobs called "long…" have logged only when it may go on, piece by piece."""
    diary.going_on, diary.pieces, record = asyncio.Event(), Counter(), diary.record

    async def slowly(self, job, events):
        if job.run_id.startswith("long") and any(event.type == "metrics" for event in events):
            self.pieces[job.run_id] += 1
            await self.going_on.wait()
        await record(self, job, events)

    diary.record = slowly
    return diary


async def long_story(it, run_id):
    await it.submit(run_id)
    it.script(run_id).say("RUNNING")
    await it.until(run_id, "RUNNING")
    for step in range(20):
        it.script(run_id).record("metrics", values={"loss" * 10_000: 1.0}, step=step)


async def test_long_stories_keep_no_other_job_from_beginning_or_ending(stage, slow):
    async with stage(trackers=[slow]) as it:
        for number in range(5):
            await long_story(it, f"long{number}")
        await until(lambda: len(slow.pieces) >= 3)
        await it.submit("short")
        await told(slow, "short", "begin 1")
        await it.run("short", "a\n")
        await settled(it, "short")
        assert set(slow.pieces.values()) == {1}
        slow.going_on.set()
        for number in range(5):
            it.script(f"long{number}").finish()
            await settled(it, f"long{number}")
            story = [each for each in slow.told if each[0] == f"long{number}" and each[1] != "ended"]
            assert [each[1] for each in story[1:-1]] == sorted(each[1] for each in story[1:-1])
            assert (story[0][1], story[-1][1]) == ("begin 1", "end")


async def test_an_end_is_known_before_the_rest_of_a_long_story(stage, slow):
    async with stage(trackers=[slow]) as it:
        await long_story(it, "long")
        it.script("long").finish()
        await it.until("long", "SUCCEEDED")
        await until(lambda: slow.pieces["long"] == 1)
        slow.going_on.set()
        await settled(it, "long")
        kinds = [each[1] for each in slow.told]
        assert kinds.count("ended") == 1
        assert kinds.index("ended") < kinds.index(20)
        assert kinds[-1] == "end"


async def test_what_is_not_told_yet_is_known_since_when(stage, slow):
    async with stage(trackers=[slow]) as it:
        await long_story(it, "long")
        await until(lambda: slow.pieces["long"] == 1)
        (standing,) = await it.service.trackers_of("long")
        assert (standing.problem, standing.waiting) == ("", 1)
        assert time.time() - 60 < standing.since <= time.time()
        slow.going_on.set()
        it.script("long").finish()
        await settled(it, "long")
        assert await it.service.trackers_of("long") == []


async def test_a_place_that_hangs_holds_up_no_other(stage, diary):
    hanging, begin = asyncio.Event(), diary.begin

    async def hang(self, job, *, again):
        if self.place(job) == "bad":
            await hanging.wait()
        return await begin(self, job, again=again)

    diary.begin = hang
    diary.place = lambda self, job: "bad" if job.run_id.startswith("bad") else "good"
    async with stage(trackers=[diary]) as it:
        for number in range(6):
            await it.submit(f"bad{number}")
        await it.submit("good")
        await told(diary, "good", "begin 1")
        hanging.set()
        await told(diary, "bad5", "begin 1")


async def test_a_job_of_a_place_that_is_away_does_not_wait_to_find_that_out(stage, diary):
    async def begin(self, job, *, again):
        raise TrackerUnavailable("its server is away", place="bad")

    diary.begin, diary.place = begin, lambda self, job: "bad"
    async with stage(trackers=[diary]) as it:
        await it.submit("one")
        await until((it.home / "bindings" / "one.1.json").exists)
        diary.begin = lambda self, job, *, again: asyncio.Event().wait()
        await it.submit("two")
        await until((it.home / "bindings" / "two.1.json").exists)


async def test_a_job_that_is_none_of_its_business(stage, diary):
    async with stage(trackers=[diary]) as it:
        await it.submit("one", tags={"diary": "no"})
        assert (request(it, "one")["env"], request(it, "one")["later"]) == ({}, None)
        await it.run("one")
        await settled(it, "one")
        assert diary.told == []


async def test_a_job_that_is_refused_after_all_is_withdrawn(stage, diary):
    async with stage(trackers=[diary]) as it:
        (it.home / "scripted" / "refuses").touch()
        with pytest.raises(InvalidSpec, match="refused"):
            await it.submit("one", "refused")
        assert all(each[1] in ("begin 1", "withdraw") for each in diary.told)
        assert list((it.home / "bindings").iterdir()) == []


async def test_one_place_that_is_away_holds_up_no_other(stage, diary):
    async def begin(self, job, *, again):
        if job.run_id == "bad":
            raise TrackerUnavailable("its server is away", place="bad")
        self.told.append((job.run_id, "begin"))
        return Tracked("page", {"PAGE": "page"})

    diary.begin = begin
    async with stage(trackers=[diary]) as it:
        await it.submit("bad")
        await until(lambda: it.service.trackers()[0].problem)
        await it.submit("good")
        await told(diary, "good", "begin")
        bindings = it.home / "bindings"
        await until((bindings / "good.1.json").exists)
        assert json.loads((bindings / "good.1.json").read_text()) == {"PAGE": "page"}
        assert (bindings / "bad.1.json").read_text() == "{}"
        assert it.service.trackers()[0].problem == "its server is away"


async def test_one_that_gives_a_job_nothing_keeps_no_other_from_giving(stage, diary):
    class Quiet(Tracker):
        name = "quiet"

        async def begin(self, job, *, again):
            await asyncio.Event().wait()

        async def record(self, job, events): ...

        async def end(self, job): ...

    async with stage(trackers=[Quiet, diary]) as it:
        await it.submit("one")
        await until((it.home / "bindings" / "one.1.json").exists)
        assert json.loads((it.home / "bindings" / "one.1.json").read_text()) == {"PAGE": "page 1"}


async def test_a_job_that_is_refused_while_its_run_is_made_leaves_none(stage, diary):
    going_on, begin = asyncio.Event(), diary.begin

    async def slow(self, job, *, again):
        await going_on.wait()
        return await begin(self, job, again=again)

    diary.begin = slow
    async with stage(trackers=[diary]) as it:
        (it.home / "scripted" / "refuses").touch()
        asyncio.get_running_loop().call_later(0.2, going_on.set)
        with pytest.raises(InvalidSpec, match="refused"):
            await it.submit("one", "refused")
        assert [each[1] for each in diary.told] in ([], ["begin 1", "withdraw"])
        assert list((it.home / "bindings").iterdir()) == []


async def test_its_environment_is_there_until_it_was_told_everything(stage, diary):
    seen = []

    async def end(self, job):
        self._fail(job)
        seen.append(json.loads(job.environment.read_text()))

    diary.end = end
    diary.trouble = TrackerUnavailable("it is asleep")
    async with stage(trackers=[diary]) as it:
        await it.submit("one", environment={"OF": "one"})
        await it.run("one")
        await it.until("one", "SUCCEEDED")
        await it.submit("two", environment={"OF": "two"})
    async with stage(trackers=[diary]) as it:
        diary.trouble = None
        await settled(it, "one")
    assert seen == [{"OF": "one"}]


async def test_it_sees_the_repository_as_it_was_at_submit(stage, diary, tmp_path):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)

    seen = []

    async def begin(self, job, *, again):
        self._fail(job)
        seen.append(job.provenance)
        return Tracked()

    diary.begin = begin
    git("init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("lr = 1\n")
    git("add", "train.py")
    git("commit", "-q", "-m", "first")
    (tmp_path / "train.py").write_text("lr = 2\n")
    diary.trouble = TrackerUnavailable("it is asleep")
    async with stage(trackers=[diary]) as it:
        await it.service.submit([Entry(spec(), "one")], ME, Origin({}, cwd=str(tmp_path)))
        await it.service._parts.tracking._repositories.of("one")
        (tmp_path / "train.py").write_text("lr = 3\n")
        diary.trouble = None
        await told(diary, "one", 2)
    assert (seen[0].branch, seen[0].dirty, len(seen[0].commit)) == ("main", True, 40)
    assert "+lr = 2" in seen[0].diff


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
