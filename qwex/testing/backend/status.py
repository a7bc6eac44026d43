"""4 · Status: asked or watched, now or by a new instance, the backend tells one story."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qwex.backend import JobState, JobStatus
from qwex.state import TRANSITIONS
from qwex.testing.backend.fixtures import BackendFixtures
from qwex.testing.driver import text
from qwex.testing.jobs import script, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwex.testing.driver import Driver

__all__ = ["StatusScenarios"]


@pytest.mark.anyio
class StatusScenarios(BackendFixtures):
    """``status`` answers for many, ``watch`` tells every change, and nothing is kept in memory alone."""

    async def test_4a_many(self, driver: Driver) -> None:
        """One call answers for many jobs, each with its own state."""
        jobs = [script(f"raise SystemExit({code})") for code in (0, 3, 0, 4)]
        ids = [await driver.submit(job) for job in jobs]
        await asyncio.gather(*(driver.ended(native_id) for native_id in ids))
        answer = await driver.backend.status(ids)
        assert [answer[native_id].exit_code for native_id in ids] == [0, 3, 0, 4]

    async def test_4b_unknown(self, driver: Driver) -> None:
        """Unknown ids are left out, never invented; the known ones beside them are answered."""
        native_id = await driver.submit(script("print(1)"))
        await driver.ended(native_id)
        assert set(await driver.backend.status(["no-such-job", native_id, "kit-nowhere"])) == {native_id}
        assert await driver.backend.status([]) == {}

    async def test_4c_legal_moves(self, driver: Driver) -> None:
        """The watch makes only the moves of ``TRANSITIONS``, and says nothing more after the end."""
        ids = [await driver.submit(job) for job in (script("print(1)"), script("1/0"), waiting(self.limit))]
        await driver.until(ids[2], JobState.RUNNING)
        await driver.backend.cancel(ids[2])
        for native_id in ids:
            await driver.ended(native_id)
        for native_id in ids:
            assert not (wrong := _illegal(driver.moves(native_id))), wrong

    async def test_4d_agree(self, driver: Driver) -> None:
        """What the watch said last is what ``status`` says."""
        for job in (script("print(1)"), script("raise SystemExit(2)")):
            native_id = await driver.submit(job)
            assert await driver.ended(native_id) == await driver.status(native_id)

    async def test_4e_running_is_seen(self, driver: Driver) -> None:
        """A job that runs is RUNNING, with its attempt, to those who ask and to those who watch."""
        native_id = await driver.submit(waiting(self.limit))
        await driver.until_printed(native_id, "ready\n")
        watched = await driver.until(native_id, JobState.RUNNING)
        assert watched == await driver.status(native_id)
        assert watched.attempt == 1

    async def test_4f_new_instance(self, driver: Driver, driver_factory: Callable[[], Driver]) -> None:
        """A new instance over the same folder finds the jobs that run and those that have ended."""
        ended = await driver.submit(script("print('before')"))
        before = await driver.ended(ended)
        running = await driver.submit(script("import time\nprint('ready', flush=True)\ntime.sleep(1)\nprint('after')"))
        await driver.until_printed(running, "ready\n")
        await driver.drop()
        async with driver_factory() as later:
            later.adopt(running)
            assert await later.status(ended) == before
            assert (await later.ended(running)).state is JobState.SUCCEEDED
            assert text(await later.records(running)) == "ready\nafter\n"
            assert text(await later.records(ended)) == "before\n"

    async def test_4g_found_again_is_cancelled(self, driver: Driver, driver_factory: Callable[[], Driver]) -> None:
        """A new instance can cancel a job that an earlier one started."""
        native_id = await driver.submit(waiting(self.limit))
        await driver.until_printed(native_id, "ready\n")
        await driver.drop()
        async with driver_factory() as later:
            later.adopt(native_id)
            await later.backend.cancel(native_id)
            assert (await later.ended(native_id)).state is JobState.CANCELLED

    async def test_4h_submitted_again(self, driver: Driver, driver_factory: Callable[[], Driver]) -> None:
        """Submitting to a new instance what an earlier one has is still one job."""
        native_id = await driver.submit(plan := driver.plan(waiting(1)))
        await driver.until_printed(native_id, "ready\n")
        await driver.drop()
        async with driver_factory() as later:
            assert await later.submit(plan) == native_id
            assert (await later.ended(native_id)).state is JobState.SUCCEEDED
            assert text(await later.records(native_id)) == "ready\n"

    async def test_4i_forgotten(self, driver: Driver) -> None:
        """A job that is forgotten once it has ended is unknown; forgetting is safe to repeat."""
        native_id = await driver.submit(script("print(1)"))
        await driver.ended(native_id)
        await driver.backend.forget(native_id)
        await driver.backend.forget(native_id)
        assert await driver.status(native_id) is None

    async def test_4j_renewed(self, driver: Driver) -> None:
        """A job that is given its request anew, as it waits and as it runs, goes on as it was."""
        plan = driver.plan(script("import time\nprint('ready', flush=True)\ntime.sleep(0.5)\nprint('after')"))
        native_id = await driver.submit(plan)
        await driver.backend.renew(native_id, driver.backend.render(plan))
        await driver.until_printed(native_id, "ready\n")
        await driver.backend.renew(native_id, driver.backend.render(plan))
        assert (await driver.ended(native_id)).state is JobState.SUCCEEDED
        assert text(await driver.records(native_id)) == "ready\nafter\n"


def _illegal(moves: list[JobStatus]) -> str:
    """The first move that TRANSITIONS does not have, or that goes back to the queue without a reason."""
    for before, now in zip([JobStatus(JobState.PENDING), *moves], moves, strict=False):
        same = before.state is now.state
        back = now.state is JobState.QUEUED and before.state is not JobState.PENDING and not now.reason
        if (back and not same) or not (same or now.state in TRANSITIONS[before.state]):
            return f"{before.state} -> {now.state} ({now.reason or 'no reason'}) in {moves}"
    return ""
