"""m6 · Queue: a machine holds quota as a job does, waits for it, says why, and gives it back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from qwex.machine import MachineState
from qwex.state import Why
from qwex.testing.machine.fixtures import MachineFixtures

if TYPE_CHECKING:
    from qwex.testing.machine.driver import MachineDriver

__all__ = ["QueueScenarios"]


@pytest.mark.anyio
class QueueScenarios(MachineFixtures):
    """Who waits is told why; who ends lets the next one in; who works is seen to."""

    async def test_m6a_why(self, driver: MachineDriver, filling: dict[str, Any]) -> None:
        """A machine that waits for quota is QUEUED, and ``explain()`` has a sentence and a reason."""
        await driver.running(driver.plan(**filling))
        waits = await driver.start(driver.plan(**filling))
        await driver.until_is(waits, MachineState.QUEUED)
        why = await driver.bounded(driver.provider.explain(waits), "explain() returns")
        assert isinstance(why, Why)
        assert why.summary
        assert why.reason

    async def test_m6b_given_back(self, driver: MachineDriver, filling: dict[str, Any]) -> None:
        """A machine that stops, or is deleted, gives its quota back: the one that waits for it runs."""
        first = await driver.running(driver.plan(**filling))
        second = await driver.start(driver.plan(**filling))
        await driver.until_is(second, MachineState.QUEUED)
        await driver.provider.stop(first, "the kit says so")
        await driver.until_is(second, MachineState.RUNNING)
        third = await driver.start(driver.plan(**filling))
        await driver.until_is(third, MachineState.QUEUED)
        await driver.delete(second, purge=True)
        await driver.until_is(third, MachineState.RUNNING)

    async def test_m6c_stopped_as_it_waits(self, driver: MachineDriver, filling: dict[str, Any]) -> None:
        """A machine that is stopped as it waits never runs, and its turn is the next one's."""
        first = await driver.running(driver.plan(**filling))
        waits = await driver.start(driver.plan(**filling))
        await driver.until_is(waits, MachineState.QUEUED)
        await driver.stopped(waits)
        following = await driver.start(driver.plan(**filling))
        await driver.delete(first, purge=True)
        await driver.until_is(following, MachineState.RUNNING)
        assert MachineState.RUNNING not in {status.state for status in driver.moves(waits)}

    async def test_m6d_activity(self, driver: MachineDriver, opener: str) -> None:
        """What goes on in a machine is told, or None; while somebody is logged in, something does."""
        native_id = await driver.running(driver.plan())
        found = await driver.bounded(driver.provider.activity(native_id), "activity() returns")
        shell = await driver.begin_ssh(native_id, "echo begun; exec cat", opener)
        assert shell.stdout
        assert b"begun" in await driver.bounded(shell.stdout.readline(), "the shell begins")

        async def seen() -> bool:
            while (found := await driver.provider.activity(native_id)) is None or not found.doing:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.1)
            return found.active_at == found.at

        try:
            if found is not None:
                assert await driver.bounded(seen(), "activity() tells of the connection")
        finally:
            shell.terminate()
            await shell.wait()
