"""A scenario that fails says what was waited for and what was seen; nothing waits for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qwex.backend import Backend, BackendContext, JobState, JobStatus, Plan, Position
from qwex.testing import Driver, script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


class Stuck(Backend[str]):
    """Its jobs are queued for ever."""

    name = "stuck"

    def render(self, plan: Plan) -> str:
        return plan.run_id

    async def submit(self, request: str) -> str:
        return request

    async def cancel(self, native_id: str) -> None: ...

    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        return dict.fromkeys(native_ids, JobStatus(JobState.QUEUED))

    async def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        yield "kit-abc234", JobStatus(JobState.QUEUED)
        await asyncio.Event().wait()

    async def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        yield b'{"type":"stream"'


class Deaf(Stuck):
    async def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        raise ConnectionError("no watch today")
        yield


class ShortSighted(Stuck):
    async def watch(self) -> AsyncIterator[tuple[str, JobStatus]]:
        return
        yield


async def run(backend: type[Stuck], folder: Path) -> None:
    async with Driver(backend(BackendContext(folder)), 0.05, {}) as driver:
        await driver.ended(await driver.submit(driver.plan(script("print(1)"), run_id="kit-abc234")))


@pytest.mark.anyio
async def test_a_wait_that_runs_out_tells_what_was_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"(?s)not within 0.05 s: the watch says the end of kit-abc234.*QUEUED"):
        await run(Stuck, tmp_path)


@pytest.mark.anyio
@pytest.mark.parametrize(("backend", "told"), [(Deaf, "no watch today"), (ShortSighted, "watch.. ended by itself")])
async def test_a_watch_that_ends_is_told(tmp_path: Path, backend: type[Stuck], told: str) -> None:
    with pytest.raises((AssertionError, ConnectionError), match=told):
        await run(backend, tmp_path)


@pytest.mark.anyio
async def test_a_torn_line_is_told(tmp_path: Path) -> None:
    async with Driver(Stuck(BackendContext(tmp_path)), 0.05, {}) as driver:
        with pytest.raises(AssertionError, match="torn line"):
            await driver.records("kit-abc234")


@pytest.mark.anyio
async def test_fields_of_the_place_are_in_every_plan_and_the_scenario_s_own_win(tmp_path: Path) -> None:
    driver = Driver(Stuck(BackendContext(tmp_path)), 1, {"queue": "kit", "priority": 3})
    spec = driver.plan(script("print(1)", priority=5)).spec
    assert (spec.queue, spec.priority) == ("kit", 5)
