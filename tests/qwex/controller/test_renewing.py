"""Jobs that wait get new addresses before theirs expire, and what trackers say late."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from scripted import FleetingBackend, ScriptedBackend

from qwex.artifacts import ArtifactStore
from qwex.controller import addresses, renewing
from qwex.controller.parcels import Parcels
from qwex.controller.renewals import Renewals
from qwex.errors import ArtifactsUnavailable, BackendUnavailable, InvalidSpec
from qwex.plugins import Plugins
from qwex.tracker import Tracked, Tracker

pytestmark = pytest.mark.anyio


class SignedStore(ArtifactStore):
    """Signs addresses, and holds nothing."""

    name = "signed"
    schemes = ("signed",)
    signed = 0

    async def stat(self, key):
        return None

    async def put(self, key, chunks, *, replace=False):
        return True

    async def get(self, key, start=0):
        return
        yield

    async def list(self, prefix=""):
        return
        yield

    async def delete(self, keys):
        pass

    async def url(self, key, seconds, method="GET"):
        type(self).signed += 1
        return f"https://store.test/{key}?{method}={seconds:g}&number={self.signed}"


class AwayStore(SignedStore):
    """Cannot be started, and takes its time to find out."""

    async def start(self):
        await asyncio.sleep(60)
        raise ArtifactsUnavailable("no answer")


@pytest.fixture
def renewed(monkeypatch):
    """What the backend was given anew; it refuses as often as it is told, and takes its time."""
    given: asyncio.Queue = asyncio.Queue()
    given.failures, given.asked, given.goes_on = 0, asyncio.Event(), asyncio.Event()
    given.goes_on.set()

    async def renew(self, native_id, request):
        given.asked.set()
        await given.goes_on.wait()
        if given.failures:
            given.failures -= 1
            raise BackendUnavailable("the place is away")
        await given.put((native_id, request))

    monkeypatch.setattr(ScriptedBackend, "renew", renew)
    monkeypatch.setattr(renewing, "_PAUSE", (0.01, 0.01))
    monkeypatch.setattr(addresses, "_SECONDS", (0.2, 604_800.0))
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    return given


@pytest.fixture
def signed(stage, monkeypatch):
    """A stage whose artifacts are in a store that signs."""

    load = Plugins.__init__

    def make(kind=SignedStore, **more):
        def with_store(self, *given):
            load(self, *given)
            self.artifact_stores.add(kind, "tests")

        monkeypatch.setattr(Plugins, "__init__", with_store)
        return stage(artifacts="signed://place", **more)

    return make


def parcel(it, run_id, attempt=1):
    return json.loads((it.script(run_id).folder / f"request-{attempt}.json").read_text())["parcel"]


async def test_an_address_is_renewed_at_half_its_life_and_again(signed, renewed):
    async with signed(url_lifetime=0.2) as it:
        await it.submit("one")
        first = parcel(it, "one")
        assert "/jobs/one/parcel-1-1?PUT=0.2" in first[0]
        for _ in range(2):
            native_id, request = await asyncio.wait_for(renewed.get(), 10)
            assert native_id == "native-one"
            assert request["parcel"] != first
            first = request["parcel"]


async def test_what_could_not_be_renewed_is_tried_again(signed, renewed):
    renewed.failures = 3
    async with signed(url_lifetime=0.2) as it:
        await it.submit("one")
        await asyncio.wait_for(renewed.get(), 10)
        assert renewed.failures == 0


async def test_a_job_that_has_ended_is_left_alone(signed, renewed):
    async with signed(url_lifetime=0.2) as it:
        await it.submit("over")
        await it.run("over")
        await it.until("over", "SUCCEEDED")
        while not renewed.empty():
            renewed.get_nowait()
        await it.submit("live")
        assert (await asyncio.wait_for(renewed.get(), 10))[0] == "native-live"


async def test_a_place_that_keeps_what_jobs_say_gets_no_address(signed, renewed, monkeypatch):
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "scripted")
    async with signed() as it:
        await it.submit("one")
        assert parcel(it, "one") == []


async def test_a_store_that_is_away_holds_up_one_submit_for_a_moment(signed, renewed):
    loop = asyncio.get_running_loop()
    async with signed(AwayStore) as it:
        began = loop.time()
        for number in range(5):
            await it.submit(f"job{number}")
        assert loop.time() - began < 5
        assert parcel(it, "job4") == []


async def test_variables_that_come_after_the_hand_over_are_passed_on(stage, renewed, tmp_path, monkeypatch):
    """To another machine; on this one a job reads them where they lie."""
    monkeypatch.setattr(FleetingBackend, "capabilities", FleetingBackend.capabilities - {"inherits-environment"})
    answers = asyncio.Event()
    (tmp_path / "startup.py").touch()

    class Late(Tracker):
        name = "late"
        startup = tmp_path / "startup.py"

        def variables(self, plan):
            return {}

        async def begin(self, job, *, again):
            await answers.wait()
            return Tracked(environment={"LATE": "1"})

        async def record(self, job, events):
            pass

        async def end(self, job):
            pass

    async with stage(trackers=[Late]) as it:
        await it.submit("one")
        assert renewed.empty()
        answers.set()
        native_id, request = await asyncio.wait_for(renewed.get(), 10)
        assert native_id == "native-one"
        with open(request["later"]) as file:
            assert json.load(file) == {"LATE": "1"}


async def test_no_address_that_a_job_has_is_lost_while_the_store_is_away(signed, renewed, monkeypatch):
    async with signed(url_lifetime=0.2) as it:
        await it.submit("one")
        first = parcel(it, "one")
        asked, sign = asyncio.Event(), SignedStore.url

        async def refuse(self, key, seconds, method="GET"):
            asked.set()
            raise ArtifactsUnavailable("no answer")

        with monkeypatch.context() as away:
            away.setattr(SignedStore, "url", refuse)
            await asked.wait()
            while not renewed.empty():
                first = renewed.get_nowait()[1]["parcel"]
            asked.clear()
            await asyncio.wait_for(asked.wait(), 10)
            assert renewed.empty()
        assert SignedStore.url is sign
        _, request = await asyncio.wait_for(renewed.get(), 10)
        assert request["parcel"][0].startswith("https://")
        assert request["parcel"] != first


async def test_an_address_that_was_missed_at_the_hand_over_is_given_later(signed, renewed, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr(Parcels, "addresses", no_address)
        async with signed(url_lifetime=0.2) as it:
            await it.submit("one")
            await asyncio.sleep(0)
            assert not parcel(it, "one")
            away.undo()
            native_id, request = await asyncio.wait_for(renewed.get(), 10)
            assert (native_id, bool(request["parcel"])) == ("native-one", True)


async def no_address(self, *given, **more):
    return ()


async def test_a_store_that_cannot_sign_leaves_nothing_to_renew(signed, renewed, monkeypatch):
    tried = asyncio.Event()

    async def unsigned(self, key, seconds, method="GET"):
        tried.set()

    monkeypatch.setattr(SignedStore, "url", unsigned)
    async with signed(url_lifetime=0.2) as it:
        await it.submit("one")
        tried.clear()
        await asyncio.wait_for(tried.wait(), 10)
        kept = it.service._parts.renewing._renewals
        while kept.last("one") != float("inf"):
            await asyncio.sleep(0.01)
        assert renewed.empty()


async def test_what_comes_while_a_job_is_renewed_is_not_forgotten(signed, renewed, monkeypatch):
    monkeypatch.setattr(FleetingBackend, "capabilities", FleetingBackend.capabilities - {"inherits-environment"})
    async with signed() as it:
        await it.submit("one")
        job = it.service._parts.registry.get("one")
        renewed.goes_on.clear()
        it.service._parts.renewing.came(job)
        await asyncio.wait_for(renewed.asked.wait(), 10)
        it.service._parts.renewing.came(job)
        renewed.goes_on.set()
        for _ in range(2):
            await asyncio.wait_for(renewed.get(), 10)


async def test_a_backend_that_does_not_answer_holds_up_no_other(signed, renewed, monkeypatch):
    for kind in (ScriptedBackend, FleetingBackend):
        monkeypatch.setattr(kind, "capabilities", kind.capabilities - {"inherits-environment"})

    async def hang(self, native_id, request):
        await asyncio.Event().wait()

    monkeypatch.setattr(FleetingBackend, "renew", hang)
    monkeypatch.setattr(renewing, "expire", lambda plan: True)
    async with signed() as it:
        await it.submit("stuck", backend="fleeting")
        await it.submit("free", backend="scripted")
        registry = it.service._parts.registry
        it.service._parts.renewing.came(registry.get("stuck"))
        it.service._parts.renewing.came(registry.get("free"))
        assert (await asyncio.wait_for(renewed.get(), 10))[0] == "native-free"


async def test_a_renewal_that_takes_too_long_is_given_up_and_tried_again(signed, renewed, monkeypatch):
    monkeypatch.setattr(FleetingBackend, "capabilities", FleetingBackend.capabilities - {"inherits-environment"})
    monkeypatch.setattr(renewing, "_SECONDS", 0.2)
    async with signed() as it:
        await it.submit("one")
        renewed.goes_on.clear()
        it.service._parts.renewing.came(it.service._parts.registry.get("one"))
        await asyncio.wait_for(renewed.asked.wait(), 10)
        renewed.asked.clear()
        await asyncio.wait_for(renewed.asked.wait(), 10)
        renewed.goes_on.set()
        await asyncio.wait_for(renewed.get(), 10)


async def test_what_concerns_all_is_met_once_and_what_is_urgent_goes_first(renewed):
    """A round ends with the first that the backend refuses; one job's own trouble does not end it."""
    tried, errors, done = [], {"own": InvalidSpec("its own"), "away": BackendUnavailable("away")}, asyncio.Event()

    async def renew(job):
        tried.append(job.id)
        if error := errors.pop(job.id, None):
            raise error
        if job.id == "last":
            done.set()

    due = renewing._Due("scripted", renew)
    for id in ("own", "away", "late", "last"):
        due.put(SimpleNamespace(id=id))
    due.put(SimpleNamespace(id="urgent"), urgent=True)
    await asyncio.wait_for(done.wait(), 10)
    assert tried[:5] == ["urgent", "own", "away", "late", "last"]
    due.task.cancel()


async def test_a_restart_renews_no_more_than_is_due(signed, renewed, home):
    async with signed(url_lifetime=2) as it:
        await it.submit("one")
        await asyncio.wait_for(renewed.get(), 10)
        while not (at := it.service._parts.renewing._renewals.last("one")):
            await asyncio.sleep(0.01)
    assert json.loads((home / "renewed.json").read_text()) == {"one": at}
    async with signed(url_lifetime=2):
        await asyncio.wait_for(renewed.get(), 10)
        assert time.time() - at >= 1


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b"{", b'{"one": "x"}', b'{"one": null}', b'{"one": 1e999}'])
async def test_what_is_known_of_renewals_may_be_damaged(tmp_path, damage):
    (tmp_path / "renewed.json").write_bytes(damage)
    renewals = Renewals(tmp_path / "renewed.json")
    assert renewals.last("one") == 0.0
    renewals.note("one", now := time.time())
    renewals.note("none", float("inf"))
    await renewals.keep()
    again = Renewals(tmp_path / "renewed.json")
    assert (again.last("one"), again.last("none")) == (now, 0.0)
    again.prune({"other"})
    assert again.last("one") == 0.0


@pytest.mark.parametrize(("asked", "given"), [(0, 60), (-1, 60), (12.5, 60), (3600, 3600), (1e9, 604_800)])
def test_addresses_hold_for_a_minute_at_least_and_a_week_at_most(asked, given):
    assert addresses.lifetime(asked) == given
