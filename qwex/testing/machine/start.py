"""m2 · Start, stop, delete: each is safe to repeat, and there is one machine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from qwex.errors import Conflict
from qwex.machine import MachineState
from qwex.testing.machine.fixtures import MachineFixtures

if TYPE_CHECKING:
    from qwex.testing.machine.driver import MachineDriver

__all__ = ["StartScenarios"]


@pytest.mark.anyio
class StartScenarios(MachineFixtures):
    """``start``, ``stop`` and ``delete`` do what they say once, however often they are called."""

    async def test_m2a_again(self, driver: MachineDriver) -> None:
        """A machine that is started runs; started again as it is, it is left alone and has the same native id."""
        native_id = await driver.running(plan := driver.plan())
        before = await driver.status(native_id)
        assert await driver.start(plan) == native_id
        assert await driver.status(native_id) == before

    async def test_m2b_two_at_once(self, driver: MachineDriver) -> None:
        """Two starts at once make one machine, which starts once."""
        plan = driver.plan()
        first, second = await asyncio.gather(driver.start(plan), driver.start(plan))
        assert first == second
        status = await driver.until_is(first, MachineState.RUNNING)
        assert status.run in (None, 1)
        assert MachineState.STOPPING not in {each.state for each in driver.moves(first)}

    async def test_m2c_stop(self, driver: MachineDriver) -> None:
        """A machine that is stopped ends, once, and stays known; stopping it again changes nothing."""
        native_id = await driver.running(driver.plan())
        await asyncio.gather(*(driver.provider.stop(native_id, "the kit says so") for _ in range(3)))
        ended = await driver.until_is(native_id, MachineState.STOPPED)
        await driver.provider.stop(native_id, "again")
        assert await driver.status(native_id) == ended

    async def test_m2d_stopped_as_it_starts(self, driver: MachineDriver) -> None:
        """A machine that is stopped right after its start, however far it got, ends as STOPPED."""
        native_id = await driver.start(driver.plan())
        await driver.stopped(native_id)

    async def test_m2e_started_again(self, driver: MachineDriver) -> None:
        """A machine that was stopped runs again when it is started, at once too, under the same native id."""
        native_id = await driver.running(plan := driver.plan())
        await driver.provider.stop(native_id, "the kit says so")
        assert await driver.start(plan) == native_id
        await driver.until_is(native_id, MachineState.RUNNING)

    async def test_m2f_another_shape(self, driver: MachineDriver) -> None:
        """A machine that is started with other resources is made anew, and keeps its native id."""
        native_id = await driver.running(plan := driver.plan())
        before = len(driver.moves(native_id))
        other = replace(plan, spec=driver.plan(plan.spec.name, resources=self.other_resources).spec)
        assert await driver.start(other) == native_id
        await driver.until(native_id, MachineState.RUNNING, before)
        assert await driver.start(other) == native_id
        assert (await driver.until_is(native_id, MachineState.RUNNING)).state is MachineState.RUNNING

    async def test_m2g_somebody_elses(self, driver: MachineDriver, stranger: MachineDriver) -> None:
        """A machine of that name that is somebody else's is a Conflict, and goes on."""
        native_id = await driver.running(plan := driver.plan())
        before = await driver.status(native_id)
        request = stranger.provider.render(replace(plan, user="stranger"))
        with pytest.raises(Conflict):
            await stranger.bounded(stranger.provider.start(request), "start() returns")
        assert await driver.status(native_id) == before

    async def test_m2h_delete(self, driver: MachineDriver) -> None:
        """A machine that is deleted is unknown, as it starts or as it runs; deleting it again is safe."""
        running, starting = await driver.running(driver.plan()), await driver.start(driver.plan())
        for native_id in (running, starting):
            await driver.delete(native_id, purge=False)
            assert await driver.status(native_id) is None
            await driver.delete(native_id, purge=True)
            await driver.delete(native_id, purge=True)
            assert await driver.status(native_id) is None

    async def test_m2i_two_users(self, driver: MachineDriver) -> None:
        """Machines of one name of two users are two: whatever is asked of one, the other goes on."""
        native_id = await driver.running(plan := driver.plan())
        before = await driver.status(native_id)
        other = await driver.running(driver.plan(plan.spec.name, user="another"))
        assert other != native_id
        await driver.stopped(other)
        await driver.delete(other, purge=True)
        assert await driver.status(native_id) == before
