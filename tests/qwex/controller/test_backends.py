"""A backend that cannot be used concerns what needs it, and nothing else."""

from __future__ import annotations

import asyncio

import pytest
from scripted import FleetingBackend, ScriptedBackend

from qwex import config
from qwex.controller import daemon as daemon_module
from qwex.controller.store import Filter
from qwex.errors import BackendUnavailable, ConfigError
from qwex.state import QueueInfo


def test_a_backend_that_cannot_be_started_leaves_what_is_stored(daemon):
    for run_id in ("ended", "runs", "waits"):
        daemon.call("POST", "/jobs", daemon.job(run_id))
    script = daemon.script("ended")
    script.say("RUNNING")
    script.finish("printed\n")
    daemon.wait("ended", "SUCCEEDED")
    daemon.script("runs").say("RUNNING")
    daemon.wait("runs", "RUNNING")
    daemon.stop()
    key = daemon.home / "scripted" / "unstartable"
    key.touch()
    assert daemon.start() == "ready"

    refusal = daemon.call("POST", "/jobs", daemon.job("new"))
    assert (refusal[0], refusal[2]["detail"]) == (503, "its key is away")
    told = {job["id"]: (job["state"], job["reason"], job["message"]) for job in daemon.call("GET", "/jobs")[2]["jobs"]}
    away = ("BackendUnavailable", "its key is away")
    assert told == {"ended": ("SUCCEEDED", "", ""), "runs": ("RUNNING", *away), "waits": ("QUEUED", *away)}
    assert daemon.call("GET", "/elsewhere")[2]["jobs"] == []
    assert daemon.call("GET", "/jobs/ended/logs")[2] == b"printed\n"
    assert daemon.call("GET", "/jobs/runs/logs")[0] == 200
    for run_id in ("runs", "waits"):
        assert daemon.call("GET", f"/jobs/{run_id}/why")[2]["reason"] == "BackendUnavailable"

    key.unlink()
    daemon.script("runs").finish()
    assert daemon.wait("runs", "SUCCEEDED")["message"] == ""
    assert daemon.call("GET", "/jobs/waits")[2]["reason"] == ""


@pytest.mark.anyio
async def test_a_backend_that_does_not_come_holds_up_no_other(stage, monkeypatch):
    """Nor those who ask what others run."""
    begun = asyncio.Event()

    async def hangs(self):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(FleetingBackend, "start", hangs)
    monkeypatch.setattr("qwex.controller.elsewhere._PATIENCE", 0.01)
    async with stage() as it:
        monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "scripted")
        waiting = asyncio.create_task(it.service._parts.backends.get("fleeting"))
        await begun.wait()
        await it.submit("one")
        await it.run("one")
        await it.until("one", "SUCCEEDED")
        waiting.cancel()


@pytest.mark.anyio
async def test_who_asks_what_others_run_does_not_wait_for_a_place_that_does_not_answer(stage, monkeypatch):
    async def hangs(self):
        await asyncio.Event().wait()

    monkeypatch.setattr(FleetingBackend, "elsewhere", hangs)
    monkeypatch.setattr("qwex.controller.elsewhere._PATIENCE", 0.01)
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    async with stage() as it:
        assert await asyncio.wait_for(it.service.elsewhere(Filter()), 10) == []


@pytest.mark.anyio
async def test_queues_of_those_that_answer_are_told_and_why_others_do_not(stage, monkeypatch):
    async def away(self):
        raise BackendUnavailable("nobody answers")

    async def told(self):
        return [QueueInfo("day", "fleeting", 0, 0)]

    monkeypatch.setattr(ScriptedBackend, "queues", away)
    monkeypatch.setattr(FleetingBackend, "queues", told)
    async with stage() as it:
        queues, away = await it.service.queues()
        assert ([queue.name for queue in queues], away) == (["day"], {"scripted": "nobody answers"})


@pytest.mark.anyio
async def test_a_default_backend_without_its_library_is_no_end_of_the_controller(home, plugin, monkeypatch):
    async def start(self):
        raise ConfigError("pip install it") from ImportError("no it")

    monkeypatch.setattr(ScriptedBackend, "start", start)
    backends = await daemon_module._backends(config.load(home=str(home)))
    assert backends.unavailable == {"scripted": "pip install it"}
