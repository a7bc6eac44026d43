"""m3 · Home: it stays for as long as nobody says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from qwex.errors import Conflict
from qwex.machine import MachineState
from qwex.testing.machine.fixtures import MachineFixtures

if TYPE_CHECKING:
    from qwex.testing.machine.driver import MachineDriver

__all__ = ["HomeScenarios"]


@pytest.mark.anyio
class HomeScenarios(MachineFixtures):
    """What was written into the home is there later, in whatever way the machine ended."""

    async def test_m3a_stop(self, driver: MachineDriver, opener: str) -> None:
        """The home that a machine has when it is started again is the one it had."""
        native_id = await driver.running(plan := driver.plan())
        assert (await driver.ssh(native_id, "echo kept > note", opener)).code == 0
        await driver.stopped(native_id)
        await driver.running(plan)
        assert (await driver.ssh(native_id, "cat note", opener)).out == "kept\n"

    async def test_m3b_another_shape(self, driver: MachineDriver, opener: str) -> None:
        """A machine that is made anew with other resources has the same home."""
        native_id = await driver.running(plan := driver.plan())
        assert (await driver.ssh(native_id, "echo kept > note", opener)).code == 0
        before = len(driver.moves(native_id))
        await driver.start(replace(plan, spec=driver.plan(plan.spec.name, resources=self.other_resources).spec))
        await driver.until(native_id, MachineState.RUNNING, before)
        assert (await driver.ssh(native_id, "cat note", opener)).out == "kept\n"

    async def test_m3c_delete(self, driver: MachineDriver, opener: str) -> None:
        """A machine of the name of a deleted one has its home; after a purge it has an empty one."""
        native_id = await driver.running(plan := driver.plan())
        assert (await driver.ssh(native_id, "echo kept > note", opener)).code == 0
        await driver.delete(native_id, purge=False)
        await driver.running(plan)
        assert (await driver.ssh(native_id, "cat note", opener)).out == "kept\n"
        await driver.delete(native_id, purge=True)
        await driver.running(plan)
        assert (await driver.ssh(native_id, "cat note", opener)).code == 1

    async def test_m3d_pre_stop(self, driver: MachineDriver, opener: str) -> None:
        """The command for its end runs in the home before a machine stops."""
        native_id = await driver.running(plan := driver.plan(pre_stop="sleep 0.2; echo saved > note"))
        await driver.stopped(native_id)
        await driver.running(plan)
        assert (await driver.ssh(native_id, "cat note", opener)).out == "saved\n"

    async def test_m3e_somebody_elses(self, driver: MachineDriver, stranger: MachineDriver) -> None:
        """The home that somebody else's deleted machine of that name has left is a Conflict, and never given."""
        native_id = await driver.running(plan := driver.plan())
        await driver.delete(native_id, purge=False)
        request = stranger.provider.render(replace(plan, user="stranger"))
        with pytest.raises(Conflict):
            await stranger.bounded(stranger.provider.start(request), "start() returns")
        assert await driver.running(plan) == native_id
