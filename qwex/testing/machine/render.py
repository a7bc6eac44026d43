"""m1 · Render: what would be sent, without sending it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwex.machine import InvalidSpec, MachineState
from qwex.testing.machine.fixtures import MachineFixtures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from qwex.testing.machine.driver import MachineDriver

__all__ = ["RenderScenarios"]


@pytest.mark.anyio
class RenderScenarios(MachineFixtures):
    """``render`` is pure, and refuses what can never be."""

    async def test_m1a_same_answer(self, driver: MachineDriver, driver_factory: Callable[[], MachineDriver]) -> None:
        """The same plan gives the same request, every time and from every instance."""
        plan = driver.plan()
        first, again = driver.provider.render(plan), driver.provider.render(plan)
        async with driver_factory() as other:
            assert first == again == other.provider.render(plan)

    async def test_m1b_machine_id(self, driver: MachineDriver) -> None:
        """The request carries the machine's id, so that one found in the place can be traced back."""
        plan = driver.plan()
        assert plan.machine_id in repr(driver.provider.render(plan))

    async def test_m1c_no_secrets(self, driver: MachineDriver) -> None:
        """The host key's private half is named by its path; nothing of it is in the request, or in what is shown."""
        request = driver.provider.render(driver.plan())
        secret = driver.keys.host.read_text().splitlines()[1]
        assert secret not in repr(request)
        assert secret not in driver.provider.show(request)

    async def test_m1d_leaves_nothing(self, driver: MachineDriver, folder: Path) -> None:
        """Rendering, and asking what would happen, writes nothing and starts nothing."""
        plan = driver.plan()
        before = _files(folder)
        driver.provider.show(driver.provider.render(plan))
        why = await driver.bounded(driver.provider.preflight(plan), "preflight() returns")
        assert why is None or why.summary
        assert _files(folder) == before
        assert await driver.status(plan.machine_id) is None

    async def test_m1e_too_much(self, driver: MachineDriver) -> None:
        """More than the place can ever have is refused, or said before it is made, or at the latest as it waits."""
        plan = driver.plan(resources=self.impossible)
        problems: Sequence[tuple[str, str]] = ()
        why = None
        try:
            why = await driver.bounded(driver.provider.preflight(plan), "preflight() returns")
            if why is None:
                native_id = await driver.start(plan)
                await driver.until_is(native_id, MachineState.QUEUED)
                why = await driver.bounded(driver.provider.explain(native_id), "explain() returns")
        except InvalidSpec as error:
            problems = error.problems
        assert (why and why.summary) or any(field.startswith("resources") for field, _ in problems), problems

    async def test_m1f_unknown_option(self, driver: MachineDriver) -> None:
        """An option that the provider does not have is refused by its name."""
        with pytest.raises(InvalidSpec, match="no_such_option"):
            driver.provider.render(driver.plan(provider_options={"no_such_option": "1"}))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))
