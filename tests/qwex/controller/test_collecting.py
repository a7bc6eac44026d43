"""Old jobs go with all they left; what anybody may still need stays."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import ClassVar

import pytest
from asked import ME
from buckets import aged, digest_of
from scripted import ScriptedBackend
from sqlalchemy import create_engine, text

from qwex.controller import collecting, sweeping
from qwex.controller.auth import Caller
from qwex.controller.writer import Writer
from qwex.errors import ConfigError, InvalidSpec, NotFound, TrackerUnavailable
from qwex.tracker import Tracked, Tracker

pytestmark = pytest.mark.anyio

DAY = 86_400.0
DATA = b"some value" * 100
DIGEST = digest_of(DATA)
INPUTS = {"x": {"digest": DIGEST, "size": len(DATA)}}
CELL = {"kind": "cell", "text": "x"}


async def chunks():
    yield DATA


class Reluctant(Tracker):
    """Is away until it is back."""

    name = "reluctant"
    away: ClassVar = True

    async def begin(self, job, *, again):
        return Tracked()

    async def record(self, job, events):
        pass

    async def end(self, job):
        if self.away:
            raise TrackerUnavailable("it is away")


@pytest.fixture
def staged(stage):
    return lambda **more: stage(plugins="scripted,qwex_local", **more)


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to that")


async def ended(it, run_id, *, days=2, caller=ME, **more):
    """A job that ended so many days ago."""
    await it.submit(run_id, caller=caller, **more)
    await it.run(run_id, "a\n")
    await it.until(run_id, "SUCCEEDED")
    await until(lambda: it.service._parts.registry.get(run_id) is None)
    await long_ago(it, run_id, days)


async def long_ago(it, run_id, days):
    await it.service._parts.store.writer.flush()
    engine = create_engine(f"sqlite:///{it.home / 'controller.db'}")
    with engine.begin() as connection:
        then = {"then": time.time() - days * DAY, "id": run_id}
        connection.execute(text("UPDATE jobs SET ended_at = :then WHERE id = :id"), then)
    engine.dispose()


async def put(it, caller=ME):
    await it.service.put_blob(DIGEST, chunks(), caller)


def forgotten(it):
    """As if the controller was started long ago, or nobody had asked it for anything."""
    it.service._parts.blobs.uses._last.clear()
    aged(it.home / "artifacts", 2 * DAY)


def blobs(it):
    return [path.name for path in (it.home / "artifacts").rglob("*") if path.is_file()]


def collect(it, older=DAY, *, dry_run=False, caller=ME):
    return it.service.collect(caller, older, dry_run=dry_run)


async def ids(it):
    from qwex.controller.store import Filter

    return sorted(record.id for record in (await it.service.page(Filter(), 100, None)).records)


async def test_a_job_goes_with_all_it_left(staged):
    async with staged() as it:
        await put(it)
        await ended(it, "old", source=CELL, inputs=INPUTS)
        await ended(it, "new", days=0.5)
        await it.submit("live")
        forgotten(it)
        log = it.service._parts.logs.path("old")
        size = log.stat().st_size
        would = await collect(it, dry_run=True)
        assert (would.jobs, would.ids, would.blobs, would.bytes) == (1, ("old",), 1, size + len(DATA))
        assert log.exists()
        assert it.script("old").folder.exists()
        assert await ids(it) == ["live", "new", "old"]
        done = await collect(it)
        assert done == type(done)(**{**vars(would), "dry_run": False})
        assert (done.live, done.stay, done.problems) == (1, (), ())
        assert not log.exists()
        assert not it.script("old").folder.exists()
        assert blobs(it) == []
        assert await ids(it) == ["live", "new"]
        with pytest.raises(NotFound):
            await it.service.get("old")
        assert (await collect(it)).jobs == 0


async def test_without_an_age_only_blobs_go_that_nobody_needs(staged):
    async with staged() as it:
        await put(it)
        await ended(it, "old")
        forgotten(it)
        done = await collect(it, None)
        assert (done.jobs, done.blobs) == (0, 1)
        assert await ids(it) == ["old"]


async def test_inputs_of_jobs_that_stay_stay(staged):
    async with staged() as it:
        await put(it)
        await ended(it, "kept", days=0.5, source=CELL, inputs=INPUTS)
        forgotten(it)
        assert (await collect(it)).blobs == 0
        assert (await it.service.resubmit("kept", {}, ME)).created


async def test_inputs_of_jobs_that_have_not_ended_stay(staged):
    async with staged() as it:
        await put(it)
        await it.submit("live", source=CELL, inputs=INPUTS)
        forgotten(it)
        done = await collect(it)
        assert (done.blobs, done.live) == (0, 1)


async def test_values_that_jobs_gave_back_stay(staged, monkeypatch):
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    async with staged() as it:
        await it.submit("one", outputs=("y",))
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        (script.folder / "value-y").write_bytes(DATA)
        script.record("value", name="y", type_name="bytes", format="bytes", python="3", size=len(DATA), digest=DIGEST)
        script.finish()
        await it.until("one", "SUCCEEDED")
        await until(lambda: it.service._parts.registry.get("one") is None)
        forgotten(it)
        assert (await collect(it)).blobs == 0
        value = await it.service.value("one", "y", ME)
        assert b"".join([chunk async for chunk in value.chunks]) == DATA
        await long_ago(it, "one", 2)
        forgotten(it)
        assert (await collect(it)).blobs == 1


async def test_nobody_removes_what_is_anothers(staged):
    ada = Caller("ada")
    async with staged() as it:
        await put(it)
        await put(it, ada)
        await ended(it, "mine")
        await ended(it, "hers", caller=ada)
        forgotten(it)
        done = await collect(it, caller=ada)
        assert (done.jobs, done.ids, done.blobs) == (1, ("hers",), 1)
        assert await ids(it) == ["mine"]
        assert (await collect(it)).jobs == 1


async def test_one_of_which_something_is_left_to_be_told_stays(staged):
    Reluctant.away = True
    async with staged(trackers=[Reluctant]) as it:
        await ended(it, "old")
        done = await collect(it)
        assert (done.jobs, [vars(each) for each in done.stay]) == (
            0,
            [{"jobs": 1, "why": "trackers were not told of their end yet"}],
        )
    Reluctant.away = False
    async with staged(trackers=[Reluctant]) as it:
        parts = it.service._parts
        await until(lambda: not parts.tracking.standing()[0].waiting)
        await parts.store.writer.flush()
        assert (await collect(it)).jobs == 1


async def test_one_whose_end_is_still_being_written_stays(staged):
    async with staged() as it:
        await ended(it, "old")
        parts = it.service._parts
        job = await parts.finding.job("old")
        parts.registry.add(job)
        assert (await collect(it)).jobs == 0
        parts.registry.remove(job)
        assert (await collect(it)).jobs == 1


async def test_jobs_whose_backend_is_away_stay_and_it_is_asked_once(staged, monkeypatch):
    monkeypatch.setattr(collecting, "_MANY", 1)
    async with staged() as it:
        for run_id in ("held", "two", "three"):
            await ended(it, run_id)
        it.script("held").hold("forget")
        done = await collect(it)
        why = "the backend scripted does not remove what it has: the place is away"
        assert (done.jobs, [vars(each) for each in done.stay]) == (0, [{"jobs": 3, "why": why}])
        assert it.service._parts.logs.path("held").exists()
        it.script("held").let_go("forget")
        assert (await collect(it)).ids == ("held", "two", "three")


async def test_one_over_which_its_backend_stumbles_stays_and_others_go(staged, monkeypatch):
    async with staged() as it:
        await ended(it, "bad")
        await ended(it, "good")
        forget = ScriptedBackend.forget

        async def stumbles(self, native_id):
            if native_id == "native-bad":
                raise RuntimeError("it stumbles")
            await forget(self, native_id)

        monkeypatch.setattr(ScriptedBackend, "forget", stumbles)
        done = await collect(it)
        why = "the backend scripted does not remove what it has: it stumbles"
        assert (done.ids, [vars(each) for each in done.stay]) == (("good",), [{"jobs": 1, "why": why}])


async def test_one_whose_backend_is_not_installed_any_more_stays(staged, monkeypatch):
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    async with staged() as it:
        await ended(it, "old")
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "local")
    async with staged() as it:
        monkeypatch.setattr(type(it.service._parts.backends), "get", _no_backend)
        (stays,) = (await collect(it)).stay
        assert (stays.jobs, stays.why) == (1, "the backend fleeting cannot be used: no backend 'fleeting'")


async def _no_backend(self, name):
    raise NotFound(f"no backend {name!r}")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["log", "row"])
async def test_a_collection_that_is_killed_is_finished_by_the_next(staged, monkeypatch, step):
    async with staged() as it:
        await ended(it, "old")

        def killed(*_):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(it.service._parts.logs, "remove", killed) if step == "log" else None
            patch.setattr(Writer, "delete", killed) if step == "row" else None
            with pytest.raises(Killed):
                await it.service._parts.collecting._collect(
                    ["me"], DAY, collecting._Tally(dry_run=False), all_logs=True
                )
        assert not it.script("old").folder.exists()
        assert await ids(it) == ["old"]
    async with staged() as it:
        assert (await it.service.get("old")).state == "SUCCEEDED"
        assert (await collect(it)).ids == ("old",)
        assert not it.service._parts.logs.path("old").exists()
        assert await ids(it) == []


async def test_logs_without_a_job_go_once_they_are_old(staged):
    async with staged() as it:
        await ended(it, "kept", days=0.5)
        logs = it.service._parts.logs
        stray = logs.path("stray")
        stray.parent.mkdir(exist_ok=True)
        stray.write_text("{}\n")
        for run_id in ("stray", "kept"):
            os.utime(logs.path(run_id), (time.time() - 2 * DAY,) * 2)
        assert (await collect(it, caller=Caller("ada"))).logs == 0
        assert (await collect(it, dry_run=True)).logs == 1
        done = await collect(it)
        assert (done.logs, done.bytes, done.problems) == (1, 3, ())
        assert (stray.exists(), logs.path("kept").exists()) == (False, True)


async def test_a_database_that_does_not_have_all_jobs_is_not_asked_which_blobs_are_needed(staged):
    async with staged() as it:
        await put(it)
        await ended(it, "one", days=0.5, source=CELL, inputs=INPUTS)
        forgotten(it)
    os.rename(it.home / "controller.db", it.home / "damaged.db")
    for left in it.home.glob("controller.db-*"):
        left.unlink()
    async with staged() as it:
        done = await collect(it)
        assert (done.blobs, done.logs, len(blobs(it))) == (0, 0, 1)
        assert "does not have the jobs of 1 of the logs here" in done.problems[0]
        os.utime(it.service._parts.logs.path("one"), (time.time() - 2 * DAY,) * 2)
        done = await collect(it)
        assert (done.blobs, done.logs, blobs(it)) == (1, 1, [])


async def test_a_reader_of_a_job_that_goes_has_it_to_its_end(staged):
    async with staged() as it:
        await ended(it, "old")
        reading = (await it.service.logs("old", _wanted(), ME))[0]
        job = await it.service._parts.finding.job("old")
        story = await it.service._parts.logs.read(job.record)
        await collect(it)
        assert b'"text":"a' in os.pread(story.fd, 10_000, 0)
        it.service._parts.logs.release(story)
        assert b"".join([chunk async for chunk in reading]) == b""
        with pytest.raises(NotFound):
            await it.service.events("old", _wanted(), ME)


def _wanted():
    from qwex.controller.streams import Wanted

    return Wanted(follow=False)


async def test_submits_while_it_is_collected_lose_nothing(staged):
    """A client asks for its blob, sends it if it is not there, and submits; hours lie between two that do."""
    async with staged() as it:
        now, removed, over = [0.0], [0], asyncio.Event()
        it.service._parts.blobs.uses._clock = lambda: now[0]
        blob = it.home / "artifacts" / "users/me/blobs" / DIGEST[7:9] / DIGEST[7:]

        async def collects_all_the_time():
            while not over.is_set():
                aged(it.home / "artifacts" / "users", DAY)
                removed[0] += (await collect(it, 0.001)).blobs

        task = asyncio.create_task(collects_all_the_time())
        for number in range(100):
            for _ in range(number % 7):
                await asyncio.sleep(0)
            if not await it.service.has_blob(DIGEST, ME):
                await put(it)
            run_id = f"one-{number}"
            await it.submit(run_id, source=CELL, inputs=INPUTS)
            before = removed[0]
            assert blob.read_bytes() == DATA
            await it.service.cancel(run_id, ME)
            now[0] += 2 * sweeping.OWN_GRACE
            if number % 3:
                await until(lambda before=before: removed[0] > before)
        over.set()
        await task


async def test_it_is_done_daily_where_jobs_are_not_kept_for_ever(staged, monkeypatch):
    monkeypatch.setattr(collecting, "_FIRST", 0.0)
    monkeypatch.setattr(collecting, "_LOOK", 0.01)
    ada = Caller("ada")
    async with staged() as it:
        await put(it)
        await ended(it, "mine")
        await ended(it, "hers", caller=ada)
        forgotten(it)
    async with staged(keep="1d") as it:
        memo = it.home / "collected.json"
        await until(memo.exists)
        assert await ids(it) == []
        assert json.loads(memo.read_text()) == []
        await ended(it, "later")
        os.utime(memo, (time.time() - DAY,) * 2)
        await until(lambda: memo.stat().st_mtime > time.time() - DAY / 2)
        assert await ids(it) == []


async def test_it_is_not_done_anew_at_each_start(staged, monkeypatch):
    monkeypatch.setattr(collecting, "_FIRST", 0.0)
    looked = []
    last = collecting.Collecting._last
    monkeypatch.setattr(collecting.Collecting, "_last", lambda self: looked.append(1) or last(self))
    async with staged(keep="1d") as it:
        await until((it.home / "collected.json").exists)
        await ended(it, "old")
    async with staged(keep="1d") as it:
        await until(lambda: len(looked) > 1)
        assert await ids(it) == ["old"]


async def test_users_whose_jobs_have_all_gone_are_looked_at_again(staged, monkeypatch):
    async with staged() as it:
        await put(it, Caller("ada"))
        await ended(it, "hers", caller=Caller("ada"))
        parts = it.service._parts
        await parts.collecting._collect_all(DAY)
        assert json.loads((it.home / "collected.json").read_text()) == ["ada"]
        assert await ids(it) == []
        forgotten(it)
        await parts.collecting._collect_all(DAY)
        assert (json.loads((it.home / "collected.json").read_text()), blobs(it)) == ([], [])


async def test_what_takes_long_is_told_of_as_it_stands_and_goes_on(staged, monkeypatch):
    monkeypatch.setattr(collecting, "_ANSWER", 0.01)
    async with staged() as it:
        await ended(it, "old")
        going = asyncio.Event()

        async def slow(self, native_id):
            await going.wait()

        monkeypatch.setattr("scripted.ScriptedBackend.forget", slow)
        done = await collect(it)
        assert (done.unfinished, done.jobs, it.service.is_working) == (True, 0, True)
        going.set()
        await until(lambda: not it.service.is_working)
        assert await ids(it) == []


@pytest.mark.parametrize("keep", ["90", "soon", "12"])
async def test_a_setting_that_is_no_age_is_refused(staged, keep):
    with pytest.raises(ConfigError, match=rf"argument: keep: '{keep}' is not"):
        async with staged(keep=keep):
            pass


async def test_over_http(daemon):
    daemon.call("POST", "/jobs", daemon.job("one"))
    status, _, done = daemon.call("POST", "/gc", {"older": "30d", "dry_run": True})
    assert (status, done["jobs"], done["live"], done["dry_run"]) == (200, 0, 1, True)
    status, _, said = daemon.call("POST", "/gc", {"older": "30"})
    assert (status, said["problems"][0]["field"]) == (400, "older")
    assert "write for example 90d" in said["detail"]
    assert InvalidSpec.code == said["code"]


def spoil(home, run_id):
    """The job's row says what no row says."""
    engine = create_engine(f"sqlite:///{home / 'controller.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET outputs = '7' WHERE id = :id"), {"id": run_id})
    engine.dispose()


async def test_a_row_that_cannot_be_read_keeps_no_other_job_from_going(staged):
    async with staged() as it:
        await ended(it, "odd")
        await ended(it, "old")
        spoil(it.home, "odd")
        assert (await collect(it)).ids == ("old",)
        assert it.service._parts.logs.path("odd").exists()


async def test_a_row_that_cannot_be_read_keeps_no_controller_from_starting(staged):
    Reluctant.away = True
    async with staged(trackers=[Reluctant]) as it:
        await ended(it, "odd")
    spoil(it.home, "odd")
    async with staged() as it:
        await ended(it, "next")


async def test_a_collection_that_fails_after_it_was_answered_is_said_in_the_log(staged, monkeypatch, caplog):
    monkeypatch.setattr(collecting, "_ANSWER", 0.0)
    async with staged() as it:

        async def broken():
            raise RuntimeError("no such column")

        monkeypatch.setattr(it.service._parts.store, "ids", broken)
        assert (await collect(it)).unfinished
        await until(lambda: "no such column" in caplog.text)
