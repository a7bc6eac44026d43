"""When a controller of one's own ends by itself."""

from __future__ import annotations

import asyncio

import pytest

from qwex.controller.idle import Idle

pytestmark = pytest.mark.anyio


async def test_it_ends_when_nobody_asks_and_nothing_runs():
    ended = asyncio.Event()
    Idle(0.01, lambda: False, ended.set).start()
    await asyncio.wait_for(ended.wait(), 10)


async def test_not_while_jobs_run_or_requests_are_open():
    ended, looked, working = asyncio.Event(), asyncio.Event(), True

    def is_working():
        looked.set()
        return working

    idle = Idle(0.01, is_working, ended.set)
    idle.start()
    await asyncio.wait_for(looked.wait(), 10)
    assert not ended.is_set()
    with idle.request():
        working = False
        assert idle.requests == 1
        looked.clear()
    await asyncio.wait_for(ended.wait(), 10)
    assert idle.requests == 0


async def test_whoever_only_looks_on_does_not_keep_it():
    ended = asyncio.Event()
    idle = Idle(0.01, lambda: False, ended.set)
    with idle.request() as asked:
        asked.keeps = False
        idle.start()
        await asyncio.wait_for(ended.wait(), 10)
        assert idle.requests == 1


async def test_the_end_of_one_who_only_looked_on_is_nothing_that_happened(monkeypatch):
    touched = []
    idle = Idle(60, lambda: False, lambda: None)
    monkeypatch.setattr(idle, "touch", lambda: touched.append(True))
    with idle.request() as asked:
        asked.keeps = False
    assert not touched
    with idle.request():
        pass
    assert touched


async def test_never_without_a_limit():
    idle = Idle(0, lambda: False, lambda: pytest.fail("it ended"))
    idle.start()
    await asyncio.sleep(0)
    idle.stop()
