"""m7 · Unreachable: a place that does not answer is told apart from a machine that cannot be."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from qwex.machine import BackendUnavailable, MachinePlan, MachineProvider
from qwex.machinespec import MachineSpec, machine_id
from qwex.testing.machine.fixtures import MachineFixtures

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qwex.testing.machine.driver import Keys

__all__ = ["UnreachableScenarios"]

_NAME = "kit-away"


@pytest.mark.anyio
class UnreachableScenarios(MachineFixtures):
    """``BackendUnavailable`` is transient: the controller keeps the wish and tries again."""

    async def test_m7a_start(self, unreachable: MachineProvider[Any], spec_fields: dict[str, Any], keys: Keys) -> None:
        """Starting a machine in a place that cannot be reached raises BackendUnavailable."""
        request = unreachable.render(_plan(spec_fields, keys))
        await self._is_unavailable(unreachable, lambda: unreachable.start(request))

    async def test_m7b_others(self, unreachable: MachineProvider[Any], spec_fields: dict[str, Any], keys: Keys) -> None:
        """So does stopping, changing and deleting one: what did not arrive is asked for again."""
        plan = _plan(spec_fields, keys)
        request, native_id = unreachable.render(plan), plan.machine_id
        await self._is_unavailable(
            unreachable,
            lambda: unreachable.stop(native_id, "the kit says so"),
            lambda: unreachable.update(request),
            lambda: unreachable.delete(native_id, purge=False),
        )

    async def test_m7c_status(self, unreachable: MachineProvider[Any]) -> None:
        """So does asking where machines stand: what cannot be asked is not unknown."""
        native_id = machine_id(_NAME, "kit")
        await self._is_unavailable(unreachable, lambda: unreachable.status([native_id]))

    async def _is_unavailable(self, provider: MachineProvider[Any], *calls: Callable[[], Awaitable[Any]]) -> None:
        try:
            with contextlib.suppress(BackendUnavailable):  # it may say so as early as that
                await asyncio.wait_for(provider.open(), self.limit)
                for call in calls:
                    with pytest.raises(BackendUnavailable):
                        await asyncio.wait_for(call(), self.limit)
        finally:
            await provider.close()


def _plan(fields: dict[str, Any], keys: Keys) -> MachinePlan:
    spec = MachineSpec(name=_NAME, **{"keys": (keys.user_public,), **fields})
    return MachinePlan(machine_id(_NAME, "kit"), spec, "kit", keys.host, keys.host_public)
