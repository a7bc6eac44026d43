"""What the base class gives: a watch by polling that is woken by new jobs and lets go of ended ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qwex.backend import Backend, BackendContext, BackendOptions, GpuReport, JobState, JobStatus, Plan, Position
from qwex.errors import NotFound
from qwex.testing import script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

LIMIT = 10


class Scripted(Backend[str]):
    """Answers each call of ``status`` with the next of a job's states, ``?`` is none; the last one stays."""

    name = "scripted"
    poll = (0.001, 0.002)

    def __init__(self, context: BackendContext, **states: str) -> None:
        super().__init__(context)
        self.states = {
            job: [JobState(word) if word != "?" else None for word in words.split()] for job, words in states.items()
        }
        self.asked: list[list[str]] = []

    def render(self, plan: Plan) -> str:
        return plan.run_id

    async def submit(self, request: str) -> str:
        self.adopt(request)
        return request

    async def cancel(self, native_id: str) -> None: ...

    async def status(self, native_ids: Sequence[str]) -> dict[str, JobStatus]:
        self.asked.append(list(native_ids))
        known = {job: self.states[job] for job in native_ids}
        told = {job: states.pop(0) if len(states) > 1 else states[0] for job, states in known.items()}
        return {job: JobStatus(state) for job, state in told.items() if state}

    async def output(self, native_id: str, after: Position) -> AsyncIterator[bytes]:
        yield b""


@pytest.fixture
def context(tmp_path: Path) -> BackendContext:
    return BackendContext(tmp_path)


async def seen(backend: Backend[str], number: int) -> list[tuple[str, str]]:
    async def read() -> list[tuple[str, str]]:
        found = []
        async for native_id, status in backend.watch():
            found.append((native_id, str(status.state)))
            if len(found) == number:
                break
        return found

    return await asyncio.wait_for(read(), LIMIT)


@pytest.mark.anyio
async def test_watch_tells_changes_and_no_repetitions(context: BackendContext) -> None:
    backend = Scripted(context, a="QUEUED QUEUED RUNNING RUNNING SUCCEEDED")
    backend.adopt("a")
    assert await seen(backend, 3) == [("a", "QUEUED"), ("a", "RUNNING"), ("a", "SUCCEEDED")]


@pytest.mark.anyio
async def test_ended_jobs_are_asked_for_no_more(context: BackendContext) -> None:
    backend = Scripted(context, a="SUCCEEDED", b="RUNNING RUNNING RUNNING FAILED")
    backend.adopt("a")
    backend.adopt("b")
    assert (await seen(backend, 3))[-1] == ("b", "FAILED")
    assert backend.asked[0] == ["a", "b"]
    assert all(asked == ["b"] for asked in backend.asked[1:])


@pytest.mark.anyio
async def test_a_job_that_is_missing_twice_is_lost(context: BackendContext) -> None:
    backend = Scripted(context, a="RUNNING ? RUNNING ? ?")
    backend.adopt("a")
    assert await seen(backend, 2) == [("a", "RUNNING"), ("a", "FAILED")]
    assert len(backend.asked) == 5


@pytest.mark.anyio
async def test_a_new_job_wakes_a_watch_that_has_slowed_down(context: BackendContext) -> None:
    backend = Scripted(context, a="RUNNING")
    backend.poll = (3600, 3600)  # type: ignore[misc]
    watching = asyncio.create_task(seen(backend, 1))
    while not backend.asked:
        await asyncio.sleep(0)
    await backend.submit(backend.render(Plan("a", script("print(1)"), "ada")))
    assert await watching == [("a", "RUNNING")]


@pytest.mark.anyio
async def test_what_is_not_overridden_is_not_known(context: BackendContext) -> None:
    backend = Scripted(context)
    await backend.start()
    assert await backend.queues() == []
    assert await backend.gpus() == GpuReport()
    assert await backend.explain("a") is None
    assert await backend.preflight(Plan("a", script("print(1)"), "ada")) is None
    with pytest.raises(NotFound, match="scripted keeps no values"):
        _ = [chunk async for chunk in backend.value("a", 1, "model")]
    await backend.forget("a")
    await backend.close()


def test_options_refuse_what_they_do_not_have() -> None:
    with pytest.raises(ValueError, match="colour"):
        BackendOptions(colour="red")  # type: ignore[call-arg]
