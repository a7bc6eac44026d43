"""Jobs that wait get new addresses before theirs expire, and what trackers say late."""

from __future__ import annotations

import asyncio
import json

import pytest
from scripted import FleetingBackend, ScriptedBackend

from qwex.artifacts import ArtifactStore
from qwex.controller import renewing
from qwex.errors import ArtifactsUnavailable, BackendUnavailable
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
    """What the backend was given anew; it refuses as often as it is told."""
    given: asyncio.Queue = asyncio.Queue()
    given.failures = 0

    async def renew(self, native_id, request):
        if given.failures:
            given.failures -= 1
            raise BackendUnavailable("the place is away")
        await given.put((native_id, request))

    monkeypatch.setattr(ScriptedBackend, "renew", renew)
    monkeypatch.setattr(renewing, "_PAUSE", (0.01, 0.01))
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    return given


@pytest.fixture
def signed(stage, monkeypatch):
    """A stage whose artifacts are in a store that signs."""

    def make(kind=SignedStore, **more):
        load = Plugins.__init__

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
