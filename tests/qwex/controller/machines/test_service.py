"""Dev machines: recorded first, brought where they are wanted, through every death of the controller."""

from __future__ import annotations

import asyncio
import stat
from contextlib import asynccontextmanager

import pytest
from asked import ME
from places import Place

from qwex import config
from qwex.controller.auth import Caller
from qwex.controller.backends import Backends
from qwex.controller.machines import idle, providers, store, wishes
from qwex.controller.problems import StoreUnavailable
from qwex.controller.registry import Registry
from qwex.controller.service import Service
from qwex.errors import BackendUnavailable, Conflict, InvalidSpec, NotAuthorized, NotFound
from qwex.machines import MachineState
from qwex.machinespec import MachineSpec, machine_id
from qwex.plugins import load

pytestmark = pytest.mark.anyio

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1 ada@laptop"
ID = machine_id("train", "me")
NATIVE = f"native-{ID}"


@pytest.fixture
async def place(monkeypatch):
    monkeypatch.setattr(wishes, "_PAUSE", (0.01, 0.01))
    monkeypatch.setattr(providers, "_PAUSE", (0.01, 0.01))
    return Place()


@pytest.fixture
def controller(home, plugin, place):
    """Makes a controller over the place and the test's home: ``async with controller() as it``."""

    @asynccontextmanager
    async def make():
        home.mkdir(parents=True, exist_ok=True)
        settings = config.load(home=str(home))
        plugins = load(settings.plugins)
        plugins.machine_providers.add(place.provider(), "tests")
        service = Service(settings, Backends(plugins, settings, Registry()))
        service.start()
        try:
            yield It(service)
        finally:
            service.close_streams()
            await service.close()

    return make


class It:
    """A running controller's machines."""

    def __init__(self, service):
        self.service = service
        self.machines = service.machines

    async def create(self, name="train", caller=ME, **more):
        return await self.machines.create(MachineSpec(**{"name": name, "provider": "place", **more}), caller)

    async def until(self, wanted, name="train"):
        """The record once that holds for it; None once there is none."""
        woken = asyncio.Event()
        self.service._parts.bus.wake_on_change(woken)

        async def wait():
            while True:
                woken.clear()
                record = self.get(name)
                if wanted(record):
                    return record
                await woken.wait()

        try:
            return await asyncio.wait_for(wait(), 30)
        finally:
            self.service._parts.bus.forget(woken)

    def get(self, name="train"):
        try:
            return self.machines.get(name, ME)
        except NotFound:
            return None

    async def until_state(self, state):
        return await self.until(lambda record: record.state.value == state)

    async def until_gone(self):
        await self.until(lambda record: record is None)


async def test_a_machine_is_made_and_runs(controller, home):
    async with controller() as it:
        made = await it.create(keys=(KEY,), resources={"gpu": "1"}, idle="2h")
        record = await it.until_state("RUNNING")
        assert (record.id, record.native_id, record.node, record.run) == (ID, NATIVE, "node-1", 1)
        assert (record.provider, record.door, record.keys) == ("place", {"path": NATIVE}, ("ada@laptop",))
        assert record.started_at >= record.created_at
        assert record.idle == 7200
        assert record.host_key == made.host_key
        assert record.host_key.startswith("ssh-ed25519 AAAA")
        key = home / "machines" / ID / "host_key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert it.machines.get(ID, ME) == record
        assert [each.name for each in it.machines.list(None, ME)] == ["train"]
        assert it.machines.list("ada", ME) == []
        assert (await it.machines.why("train", ME)).summary == "it runs on the node node-1"


@pytest.mark.parametrize(
    ("refusal", "error"), [("invalid", InvalidSpec), ("taken", Conflict), ("right", NotAuthorized)]
)
async def test_a_refusal_stores_nothing(controller, place, home, refusal, error):
    place.refusal = refusal
    async with controller() as it:
        with pytest.raises(error):
            await it.create()
        assert it.get() is None
        assert not (home / "machines" / ID).exists()
    async with controller() as it:
        assert it.get() is None
        place.refusal = None
        await it.create()


async def test_what_can_never_be_is_refused_before_it_is_recorded(controller, place):
    async with controller() as it:
        with pytest.raises(InvalidSpec, match="queue"):
            await it.create(queue="nowhere")
        with pytest.raises(NotFound, match="place"):
            await it.create(provider="plaice")
        assert (it.get(), place.asked) == (None, [])


async def test_a_name_is_taken(controller):
    async with controller() as it:
        both = await asyncio.gather(it.create(), it.create(), return_exceptions=True)
        assert [type(each) for each in both if isinstance(each, Exception)] == [Conflict]
        with pytest.raises(
            Conflict, match=r"already, (RUNNING. Log in: ssh qwex-train|[A-Z]+. See: qwex machine why train)"
        ):
            await it.create()
        assert (await it.create(caller=Caller("ada"))).id == machine_id("train", "ada")


async def test_its_host_key_stays(controller):
    async with controller() as it:
        key = (await it.create()).host_key
    async with controller() as it:
        await it.machines.stop("train", ME)
        await it.until_state("STOPPED")
        await it.machines.start("train", {}, ME)
        assert (await it.until_state("RUNNING")).host_key == key
        await it.machines.delete("train", ME, purge=False)
        await it.until_gone()
        assert (await it.create()).host_key != key


async def test_half_a_host_key_is_made_anew(controller, home):
    folder = home / "machines" / ID
    folder.mkdir(parents=True)
    (folder / ".host_key").touch()
    (folder / "host_key.pub").touch()
    async with controller() as it:
        assert (await it.create()).host_key.startswith("ssh-ed25519 AAAA")


async def test_whoever_asks_for_one_may_go_away(controller, place):
    place.go.clear()
    async with controller() as it:
        creating = asyncio.create_task(it.create())
        await place.until_asked("start", NATIVE)
        creating.cancel()
        place.refusal = "invalid"
        place.go.set()
        await it.until_gone()


async def test_a_controller_that_dies_before_the_hand_over(controller, place):
    place.go.clear()
    async with controller() as it:
        creating = asyncio.create_task(it.create())
        await place.until_asked("start", NATIVE)
        creating.cancel()
    place.go.set()
    async with controller() as it:
        record = await it.until_state("RUNNING")
        assert (record.native_id, record.run) == (NATIVE, 1)


async def test_a_refusal_after_it_was_recorded(controller, place):
    place.is_away = True
    async with controller() as it:
        record = await it.create()
        assert (record.state.value, record.reason) == ("PENDING", "BackendUnavailable")
        assert "away" in (await it.machines.why("train", ME)).summary
        place.is_away, place.refusal = False, "invalid"
        record = await it.until_state("FAILED")
        assert record.reason == "Refused"
        assert "no such image" in record.message
        place.refusal = None
        await it.machines.start("train", {}, ME)
        assert (await it.until_state("RUNNING")).reason == ""


async def test_a_right_that_is_missing_later_is_no_place_that_is_away(controller, place):
    async with controller() as it:
        await it.create()
        await it.machines.stop("train", ME)
        await it.until_state("STOPPED")
        place.refusal = "right"
        await it.machines.start("train", {}, ME)
        await it.until(lambda record: record.reason == "Forbidden")
        assert "may not do it: you may not create" in (await it.machines.why("train", ME)).summary
        place.refusal = None
        assert (await it.until_state("RUNNING")).reason == ""


async def test_one_that_runs_though_it_was_stopped_is_stopped_again(controller, place):
    async with controller() as it:
        await it.create()
        await it.machines.stop("train", ME)
        await it.until_state("STOPPED")
        place.say(NATIVE, "RUNNING")
        await it.until_state("RUNNING")
        await it.machines.stop("train", ME)
        await it.until_state("STOPPED")
        assert place.machines[NATIVE].state.value == "STOPPED"


async def test_a_stop_that_is_refused_is_tried_again(controller, place):
    async with controller() as it:
        await it.create()
        place.refusal = "stop"
        await it.machines.stop("train", ME)
        record = await it.until(lambda record: "refuses to stop" in record.message)
        assert (record.state.value, record.reason) == ("STOPPING", "StoppedByUser")
        place.refusal = None
        await it.until_state("STOPPED")


async def test_a_place_that_is_away_and_back(controller, place):
    async with controller() as it:
        await it.create()
        place.is_away = True
        await it.machines.stop("train", ME)
        await it.until(lambda record: "away" in record.message)
    async with controller() as it:
        place.is_away = False
        record = await it.until_state("STOPPED")
        assert record.reason == "StoppedByUser"
        assert record.stopped_at is not None
        assert ("stop", NATIVE, "StoppedByUser") in place.asked


async def test_stop_and_start_otherwise(controller, place):
    async with controller() as it:
        await it.create(resources={"cpu": "2", "gpu": "1"})
        await it.until_state("RUNNING")
        assert (await it.machines.stop("train", ME)).state.value in ("STOPPING", "STOPPED")
        await it.until_state("STOPPED")
        assert not it.service.is_working
        await it.machines.start("train", {"resources": {"gpu": "2"}}, ME)
        record = await it.until_state("RUNNING")
        assert (record.run, record.resources) == (2, {"cpu": "2", "memory": None, "gpu": "2"})
        assert place.requests[NATIVE]["gpu"] == "2"
        with pytest.raises(InvalidSpec, match="home"):
            await it.machines.start("train", {"home": "20Gi"}, ME)
        with pytest.raises(InvalidSpec, match="queue"):
            await it.machines.start("train", {"queue": "nowhere"}, ME)
        assert it.get().queue is None


async def test_one_that_ended_is_not_started_by_a_new_controller(controller, place):
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
        place.say(NATIVE, "FAILED", reason="OutOfMemory")
        await it.until_state("FAILED")
    starts = place.asked.count(("start", NATIVE))
    async with controller() as it:
        place.say(NATIVE, "FAILED", reason="OutOfMemory", message="told again")
        await it.until(lambda record: record.message == "told again")
        assert place.asked.count(("start", NATIVE)) == starts


async def test_a_new_controller_hears_what_happened_meanwhile(controller, place):
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
    place.machines.clear()
    async with controller() as it:
        assert (await it.until_state("FAILED")).reason == "Lost"


@pytest.mark.parametrize("purge", [False, True])
async def test_delete(controller, place, home, purge):
    async with controller() as it:
        await it.create()
        await it.machines.delete("train", ME, purge=purge)
        with pytest.raises((Conflict, NotFound)):
            await it.machines.start("train", {}, ME)
        await it.until_gone()
        assert ("delete", NATIVE, purge) in place.asked
    async with controller() as it:
        assert it.get() is None
        await it.create()


async def test_the_home_is_to_go_after_all(controller, place):
    async with controller() as it:
        await it.create()
        place.go.clear()
        await it.machines.delete("train", ME, purge=False)
        await place.until_asked("delete", NATIVE, False)
        await it.machines.delete("train", ME, purge=True)
        place.go.set()
        await it.until_gone()
        assert ("delete", NATIVE, True) in place.asked


async def test_a_delete_goes_on_after_a_restart(controller, place):
    async with controller() as it:
        await it.create()
        place.is_away = True
        await it.machines.delete("train", ME, purge=True)
        with pytest.raises(Conflict, match="being deleted"):
            await it.create()
    async with controller() as it:
        place.is_away = False
        await it.until_gone()
        assert ("delete", NATIVE, True) in place.asked


async def test_anothers_machine(controller):
    ada = Caller("ada")
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
        record = it.machines.get(ID, ada)
        assert (record.name, record.door) == ("train", {})
        with pytest.raises(NotFound):
            it.machines.get("train", ada)
        with pytest.raises(NotAuthorized, match="belongs to me"):
            it.machines.events(ID, ada)
        for change in (
            it.machines.start(ID, {}, ada),
            it.machines.stop(ID, ada),
            it.machines.delete(ID, ada, purge=True),
            it.machines.change(ID, {"idle": None}, ada),
        ):
            with pytest.raises(NotAuthorized, match="belongs to me"):
                await change


async def test_a_name_of_ones_own_is_not_taken_for_anothers_id(controller):
    async with controller() as it:
        theirs = await it.create(caller=Caller("ada"))
        own = await it.create(theirs.id)
        assert it.machines.get(theirs.id, ME).id == own.id
        assert it.machines.get(theirs.id, Caller("ada")).id == theirs.id


async def test_changes_while_it_runs(controller, place):
    async with controller() as it:
        await it.create()
        record = await it.machines.change("train", {"idle": "30m", "keys": [KEY]}, ME)
        assert (record.idle, record.keys) == (1800, ("ada@laptop",))
        assert place.requests[NATIVE]["keys"] == [KEY]
        assert it.service.is_working
        with pytest.raises(InvalidSpec, match="image"):
            await it.machines.change("train", {"image": "other"}, ME)
        place.is_away = True
        with pytest.raises(BackendUnavailable):
            await it.machines.change("train", {"idle": None}, ME)
    async with controller() as it:
        assert it.get().idle == 1800


async def test_two_changes_at_once_are_one_after_the_other(controller, place):
    async with controller() as it:
        await it.create(keys=(KEY,))
        await it.until_state("RUNNING")
        place.go.clear()
        bob = KEY.replace("ada", "bob")
        both = asyncio.gather(
            it.machines.change("train", {"add_keys": [bob.replace("GJ1", "GJ2")]}, ME),
            it.machines.change("train", {"remove_keys": ["ada@laptop"]}, ME),
        )
        await place.until_asked("update", ID)
        place.go.set()
        await both
        assert it.get().keys == ("bob@laptop",)
        assert place.requests[NATIVE]["keys"] == [bob.replace("GJ1", "GJ2")]


async def test_a_change_waits_for_a_start_that_was_asked_for_before(controller, place):
    place.go.clear()
    async with controller() as it:
        creating = asyncio.create_task(it.create())
        await place.until_asked("start", NATIVE)
        changing = asyncio.create_task(it.machines.change("train", {"keys": [KEY]}, ME))
        place.go.set()
        await asyncio.gather(creating, changing)
        assert place.requests[NATIVE]["keys"] == [KEY]


async def test_a_change_that_is_told_halfway_is_undone(controller, place):
    async with controller() as it:
        await it.create(keys=(KEY,))
        before = await it.until_state("RUNNING")
        place.refusal = "update"
        with pytest.raises(BackendUnavailable, match="in the middle"):
            await it.machines.change("train", {"keys": []}, ME)
        await place.until_asked("start", NATIVE, again=1)
        await it.until(lambda _: not it.machines.need_care)
        assert it.get().keys == before.keys
        assert place.requests[NATIVE]["keys"] == [KEY]


async def test_a_change_that_could_not_be_stored_is_undone(controller, place, monkeypatch):
    async with controller() as it:
        await it.create(keys=(KEY,))
        await it.until_state("RUNNING")
        with monkeypatch.context() as patched:
            patched.setattr(it.service._parts.store.writer, "execute", full)
            with pytest.raises(StoreUnavailable):
                await it.machines.change("train", {"keys": []}, ME)
        await place.until_asked("start", NATIVE, again=1)
        await it.until(lambda _: not it.machines.need_care)
        assert it.get().keys == ("ada@laptop",)
        assert place.requests[NATIVE]["keys"] == [KEY]


async def test_one_that_runs_is_not_started_anew_to_change_its_limits(controller, place):
    async with controller() as it:
        await it.create()
        before = await it.until_state("RUNNING")
        await it.machines.start("train", {"idle": "4h"}, ME)
        record = await it.until(lambda record: record.idle == 14400 and not it.machines._registry.by_id[ID].unsaved)
        await it.until_state("RUNNING")
        assert (record.started_at, record.run) == (before.started_at, before.run)
        assert story(it.machines.events("train", ME))[2:] == [("RUNNING", "", "start", "me")]


async def test_what_changed_while_nobody_watched_is_asked_for(controller, place):
    place.told, place.becomes = asyncio.Queue(), MachineState.STARTING
    async with controller() as it:
        await it.create()
        place.say(NATIVE, "RUNNING")  # of which no watch tells
        place.told.put_nowait(OSError("the connection was cut"))
        await it.until_state("RUNNING")
        assert (place.watches, place.watching) == (2, 1)


async def test_where_it_stands_is_heard_though_it_cannot_be_stored(controller, place, monkeypatch):
    place.told, place.becomes = asyncio.Queue(), MachineState.STARTING
    async with controller() as it:
        await it.create()
        writer, execute = it.service._parts.store.writer, it.service._parts.store.writer.execute
        stored = asyncio.Event()

        async def noted(*statements, **more):
            await execute(*statements, **more)
            stored.set()

        monkeypatch.setattr(writer, "execute", full)
        place.say(NATIVE, "RUNNING")
        place.told.put_nowait((NATIVE, place.machines[NATIVE]))
        await it.until_state("RUNNING")
        assert place.watches == 1
        monkeypatch.setattr(writer, "execute", noted)
        await asyncio.wait_for(stored.wait(), 30)
    place.is_away = True
    async with controller() as it:
        assert it.get().state.value == "RUNNING"


async def test_nobody_uses_it(controller, place):
    place.activity = (1000.0, 900.0)
    async with controller() as it:
        await it.create(idle=0.05)
        record = await it.until_state("STOPPED")
        assert (record.reason, record.active_at) == ("Idle", 900.0)
        assert ("stop", NATIVE, "Idle") in place.asked


@pytest.mark.parametrize("activity", [None, (1000.0, 900.0, ("python3",)), (1000.0, 1000.0)])
async def test_what_is_used_or_not_known_goes_on(controller, place, activity):
    place.activity = activity
    async with controller() as it:
        await it.create(idle=0.01)
        await it.until_state("RUNNING")
        while place.asked.count(("activity", NATIVE)) < 20:
            place.called.clear()
            await place.called.wait()
        assert it.get().state.value == "RUNNING"
        assert it.service.is_working


async def test_what_goes_on_is_said_only_while_it_is_measured(controller, place):
    def said(record):
        return record.active_at, record.doing

    async with controller() as it:
        await it.create()
        assert said(await it.until_state("RUNNING")) == (None, ())
        place.activity = (1000.0, 900.0, ("python3",))
        await it.machines.change("train", {"idle": "2h"}, ME)
        await it.until(lambda record: said(record) == (900.0, ("python3",)))
        assert said(await it.machines.change("train", {"idle": None}, ME)) == (None, ())


@pytest.mark.parametrize("is_away", [False, True])
async def test_what_is_not_known_any_more_is_not_said(controller, place, is_away):
    place.activity = (1000.0, 1000.0)
    async with controller() as it:
        await it.create(idle=0.05)
        await it.until(lambda record: record.active_at)
        place.activity, place.is_away = None, is_away
        assert (await it.until(lambda record: record.active_at is None)).state.value == "RUNNING"


async def test_one_that_does_not_answer_keeps_no_other_up(controller, place, monkeypatch):
    monkeypatch.setattr(idle, "_ANSWER", 3600.0)
    place.activity = (1000.0, 900.0)
    place.mute.add(NATIVE)
    async with controller() as it:
        await it.create(idle=0.05)
        await place.until_asked("activity", NATIVE)
        await it.create("other", idle=0.05)
        await it.until(lambda record: record.state.value == "STOPPED", "other")
        assert it.get().state.value == "RUNNING"


async def test_it_ran_for_long_enough(controller):
    async with controller() as it:
        await it.create(max_age=0.05)
        assert (await it.until_state("STOPPED")).reason == "TooOld"


@pytest.fixture
def with_queues(monkeypatch, place):
    """Has the place be that of the scripted backend, whose default queue is this; an exception is raised."""

    def make(default):
        async def default_queue(self, backend):
            assert backend.name == "scripted"
            if isinstance(default, Exception):
                raise default
            return default

        monkeypatch.setattr(Backends, "default_queue", default_queue)
        make_provider = place.provider
        monkeypatch.setattr(place, "provider", lambda: make_provider("scripted"))

    return make


async def test_the_queue_of_one_that_names_none_is_the_default(controller, with_queues):
    with_queues("line")
    async with controller() as it:
        await it.create(provider="scripted")
        assert (await it.until(lambda record: record.queue == "line")).state.value == "RUNNING"
        assert (await it.machines.change("train", {"idle": "2h"}, ME)).queue == "line"
        await it.create("other", provider="scripted", queue="team")
        assert (await it.until(lambda record: record.state.value == "RUNNING", "other")).queue == "team"
        await it.machines.stop("other", ME)
        await it.until(lambda record: record.state.value == "STOPPED", "other")
        await it.machines.start("other", {"queue": None}, ME)
        await it.until(lambda record: (record.state.value, record.queue) == ("RUNNING", "line"), "other")


@pytest.mark.parametrize("error", [BackendUnavailable("it is away"), NotAuthorized("no"), ValueError("odd")])
async def test_one_whose_queue_is_not_known_runs_all_the_same(controller, with_queues, error):
    with_queues(error)
    async with controller() as it:
        await it.create(provider="scripted")
        assert (await it.until_state("RUNNING")).queue is None


async def test_preflight(controller, place):
    async with controller() as it:
        expected, rendered = await it.machines.preflight(MachineSpec(name="train", provider="place"), ME)
        assert expected is None
        assert ID in rendered
        assert (it.get(), place.asked) == (None, [])
        with pytest.raises(InvalidSpec):
            await it.machines.preflight(MachineSpec(name="train", provider="place", queue="nowhere"), ME)


async def full(*_, **__):
    raise StoreUnavailable("the disk is full")


def story(events):
    return [(str(each.state), each.reason, each.asked, each.user) for each in events]


async def test_what_became_of_it_outlives_the_controller(controller, place):
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
        await it.machines.change("train", {"idle": "2h"}, ME)
        await it.machines.stop(ID, Caller("root", is_local=True))
        await it.until_state("STOPPED")
        before = it.machines.events("train", ME)
    assert story(before) == [
        ("PENDING", "", "create", "me"),
        ("RUNNING", "", "", ""),
        ("RUNNING", "", "change", "me"),
        ("STOPPING", "StoppedByUser", "stop", "root"),
        ("STOPPED", "StoppedByUser", "", ""),
    ]
    assert [(each.node, each.message) for each in before[1:3]] == [("node-1", ""), ("node-1", "idle")]
    assert [each.ts for each in before] == sorted(each.ts for each in before)
    async with controller() as it:
        assert it.machines.events(ID, ME) == before
        await it.machines.start("train", {"resources": {"gpu": "1"}}, ME)
        await it.until_state("RUNNING")
        assert story(it.machines.events("train", ME)[5:]) == [("PENDING", "", "start", "me"), ("RUNNING", "", "", "")]
        await it.machines.delete("train", ME, purge=False)
        await it.until_gone()
        await it.create()
        assert story(it.machines.events("train", ME))[0] == ("PENDING", "", "create", "me")


async def test_the_newest_events_are_kept(controller, monkeypatch):
    monkeypatch.setattr(store, "KEPT", 3)
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
        for idle in ("1h", "2h", "3h", "4h"):
            await it.machines.change("train", {"idle": idle}, ME)
        kept = it.machines.events("train", ME)
        assert [each.asked for each in kept] == ["change"] * 3
    async with controller() as it:
        assert it.machines.events("train", ME) == kept


async def test_a_policy_that_stops_it_says_why_and_names_nobody(controller, place):
    place.activity = (100.0, 40.0)
    async with controller() as it:
        await it.create(idle=0.05)
        await it.until_state("STOPPED")
        asked = [each for each in story(it.machines.events("train", ME)) if each[2]]
    assert asked == [("PENDING", "", "create", "me"), ("STOPPING", "Idle", "stop", "")]


async def test_a_wish_that_could_not_be_stored_is_no_event(controller, monkeypatch):
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
        before = it.machines.events("train", ME)
        with monkeypatch.context() as patched:
            patched.setattr(it.service._parts.store.writer, "execute", full)
            with pytest.raises(StoreUnavailable):
                await it.machines.stop("train", ME)
        assert it.machines.events("train", ME) == before
        await it.machines.stop("train", ME)
        await it.until_state("STOPPED")
        assert [each.asked for each in it.machines.events("train", ME)][len(before) :] == ["stop", ""]


async def test_one_of_another_place_is_not_taken_for_gone(controller, place):
    """Its controller was started with other settings, as after another namespace was chosen."""
    place.where = "the namespace research"
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
    there, place.machines, place.where = place.machines, {}, "the namespace default"
    said = "it is in the namespace research, and this controller looks at the namespace default"
    async with controller() as it:
        record = await it.until(lambda record: record.message.startswith(said))
        assert (record.state.value, record.reason) == ("RUNNING", "BackendUnavailable")
        with pytest.raises(BackendUnavailable, match=said):
            await it.machines.change("train", {"idle": "2h"}, ME)
        await it.machines.delete("train", ME, purge=True)
        await it.until(lambda record: record.message.startswith(said))
        assert ("delete", NATIVE, True) not in place.asked
    place.machines, place.where = there, "the namespace research"
    async with controller() as it:
        await it.until_gone()
    assert ("delete", NATIVE, True) in place.asked


async def test_a_place_that_has_another_name_now_is_the_same(controller, place):
    place.where = "the cluster 10.0.0.1"
    async with controller() as it:
        await it.create()
        await it.until_state("RUNNING")
        place.where = "the cluster at example.org"
        await it.machines.stop("train", ME)
        await it.until_state("STOPPED")
