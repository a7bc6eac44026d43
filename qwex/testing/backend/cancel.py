"""3 · Cancel: ends the job, whatever it does, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from qwex.backend import Capability, JobState
from qwex.testing.backend.fixtures import BackendFixtures
from qwex.testing.driver import text
from qwex.testing.jobs import script, stubborn, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwex.testing.driver import Driver

__all__ = ["CancelScenarios"]

SAVES = """
    import signal, sys, time

    def save(*_):
        print("saved", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, save)
    print("ready", flush=True)
    time.sleep(SECONDS)
"""


@pytest.mark.anyio
class CancelScenarios(BackendFixtures):
    """``cancel`` is a request that is kept: SIGTERM, the job's grace, then force."""

    async def test_3a_running(self, driver: Driver) -> None:
        """A running job ends as CANCELLED, reason CancelledByUser, long before its own end."""
        native_id = await driver.submit(waiting(self.limit))
        await driver.until_printed(native_id, "ready\n")
        await driver.backend.cancel(native_id)
        status = await driver.ended(native_id)
        assert (status.state, status.reason) == (JobState.CANCELLED, "CancelledByUser")

    async def test_3b_repeated(self, driver: Driver) -> None:
        """Cancelling again, at once or later, is safe and changes nothing."""
        native_id = await driver.submit(waiting(self.limit))
        await driver.until_printed(native_id, "ready\n")
        await asyncio.gather(*(driver.backend.cancel(native_id) for _ in range(3)))
        ended = await driver.ended(native_id)
        await driver.backend.cancel(native_id)
        assert ended.state is JobState.CANCELLED
        assert await driver.status(native_id) == ended

    async def test_3c_after_the_end(self, driver: Driver, driver_factory: Callable[[], Driver]) -> None:
        """Cancelling a job that has ended has no effect, now or for a new instance."""
        native_id = await driver.submit(script("print('done')"))
        ended = await driver.ended(native_id)
        await driver.backend.cancel(native_id)
        assert await driver.status(native_id) == ended
        await driver.drop()
        async with driver_factory() as later:
            later.adopt(native_id)
            assert await later.status(native_id) == ended

    async def test_3d_at_once(self, driver: Driver) -> None:
        """A job that is cancelled right after submit, however far it got, ends as CANCELLED."""
        native_id = await driver.submit(waiting(self.limit))
        await driver.backend.cancel(native_id)
        assert (await driver.ended(native_id)).state is JobState.CANCELLED

    async def test_3e_waiting(self, driver: Driver, filling: dict[str, Any]) -> None:
        """A job that waits in its queue is cancelled without ever running."""
        self.needs(Capability.QUEUES)
        first = await driver.submit(waiting(self.limit, **filling))
        await driver.until(first, JobState.RUNNING)
        second = await driver.submit(script("print('ran')", **filling))
        await driver.until(second, JobState.QUEUED)
        await driver.backend.cancel(second)
        assert (await driver.ended(second)).state is JobState.CANCELLED
        assert JobState.RUNNING not in {status.state for status in driver.moves(second)}

    async def test_3f_grace(self, driver: Driver) -> None:
        """The job hears SIGTERM first and has its grace to save what it has."""
        native_id = await driver.submit(script(SAVES.replace("SECONDS", str(self.limit))))
        await driver.until_printed(native_id, "ready\n")
        await driver.backend.cancel(native_id)
        assert (await driver.ended(native_id)).state is JobState.CANCELLED
        assert "saved" in text(await driver.records(native_id))

    async def test_3g_by_force(self, driver: Driver) -> None:
        """A job that ignores SIGTERM is ended by force when its grace is over."""
        native_id = await driver.submit(stubborn(self.limit, grace=0.5))
        await driver.until_printed(native_id, "ready\n")
        await driver.backend.cancel(native_id)
        assert (await driver.ended(native_id)).state is JobState.CANCELLED
        assert "saving" in text(await driver.records(native_id))
