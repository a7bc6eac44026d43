"""m4 · Status: asked or watched, now or by a new instance, the provider tells one story."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwex.machine import MachineState, MachineStatus
from qwex.testing.machine.fixtures import MachineFixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from qwex.testing.machine.driver import MachineDriver

__all__ = ["StatusScenarios"]

_ORDER = tuple(
    MachineState(name) for name in ("PENDING", "QUEUED", "STARTING", "RUNNING", "STOPPING", "STOPPED", "FAILED")
)


@pytest.mark.anyio
class StatusScenarios(MachineFixtures):
    """``status`` answers for many, ``watch`` tells every change, and nothing is kept in memory alone."""

    async def test_m4a_unknown(self, driver: MachineDriver) -> None:
        """Unknown ids are left out, never invented; the known ones beside them are answered."""
        native_id = await driver.start(driver.plan())
        assert set(await driver.provider.status(["no-such-machine", native_id, "../kit", ""])) == {native_id}
        assert await driver.provider.status([]) == {}

    async def test_m4b_never_back(self, driver: MachineDriver) -> None:
        """The watch tells where a machine is on its way from its start to its end, and never goes back."""
        native_id = await driver.running(driver.plan())
        await driver.until(native_id, MachineState.RUNNING)
        await driver.stopped(native_id)
        await driver.until(native_id, MachineState.STOPPED)
        places = [_ORDER.index(status.state) for status in driver.moves(native_id)]
        assert places == sorted(places), driver.moves(native_id)

    async def test_m4c_agree(self, driver: MachineDriver) -> None:
        """What the watch said last is what ``status`` says, when it runs and when it has stopped."""
        native_id = await driver.running(driver.plan())
        assert await driver.until(native_id, MachineState.RUNNING) == await driver.status(native_id)
        await driver.stopped(native_id)
        assert await driver.until(native_id, MachineState.STOPPED) == await driver.status(native_id)

    async def test_m4d_new_instance(self, driver: MachineDriver, driver_factory: Callable[[], MachineDriver]) -> None:
        """A new instance over the same folder finds a machine as it is, and can stop and start it."""
        native_id = await driver.running(plan := driver.plan())
        before = await driver.status(native_id)
        await driver.drop()
        async with driver_factory() as later:
            later.adopt(native_id)
            assert await later.status(native_id) == before
            await later.stopped(native_id)
            assert await later.running(plan) == native_id

    async def test_m4e_started_by_both(
        self, driver: MachineDriver, driver_factory: Callable[[], MachineDriver]
    ) -> None:
        """A start that a new instance repeats leaves the machine alone, which is still one."""
        native_id = await driver.running(plan := driver.plan())
        before = await driver.status(native_id)
        await driver.drop()
        async with driver_factory() as later:
            assert await later.start(plan) == native_id
            assert await later.status(native_id) == before

    async def test_m4f_stopped_meanwhile(
        self, driver: MachineDriver, driver_factory: Callable[[], MachineDriver]
    ) -> None:
        """A new instance finds a machine stopped that was told to stop before, and one that is deleted unknown."""
        stopped, gone = await driver.running(driver.plan()), await driver.start(driver.plan())
        await driver.provider.stop(stopped, "the kit says so")
        await driver.delete(gone, purge=True)
        await driver.drop()
        async with driver_factory() as later:
            later.adopt(stopped)
            found: MachineStatus = await later.until_is(stopped, MachineState.STOPPED)
            assert not found.state.is_up
            assert await later.status(gone) is None
