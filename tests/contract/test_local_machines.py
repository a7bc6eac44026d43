"""The machines of this computer keep the whole contract, with a real ssh server; so do those of a scripted place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from local_machines import LocalFixtures, needs_sshd
from places import Place
from qwex_local.machines.provider import LocalMachines

from qwex.errors import Conflict, InvalidSpec
from qwex.machine import MachineContext
from qwex.quantities import parse_cpu
from qwex.spec import validated
from qwex.testing import MachineContract

if TYPE_CHECKING:
    from pathlib import Path

    from qwex.machine import MachinePlan

PLACE = Place()


class QuickMachines(LocalMachines):
    """Looks more often than anybody needs to."""

    every = 0.2


@needs_sshd
class TestLocalMachines(LocalFixtures, MachineContract):
    provider_class = QuickMachines


class ScriptedMachines(PLACE.provider()):  # type: ignore[misc]
    """Refuses, and tells whose a machine is, as a place of its own would."""

    name = "scripted"

    def render(self, plan: MachinePlan) -> dict[str, Any]:
        validated(self.Options, **plan.spec.provider_options)
        if parse_cpu(plan.spec.resources.cpu) > 64:
            raise InvalidSpec.of("resources.cpu", "64 cores are all there are")
        return {**super().render(plan), "cpu": plan.spec.resources.cpu, "user": plan.user}

    async def preflight(self, plan: MachinePlan) -> None:
        self.render(plan)

    async def start(self, request: dict[str, Any]) -> str:
        known = PLACE.requests.get(f"native-{request['id']}", request)
        if known["user"] != request["user"]:
            raise Conflict("it is somebody else's")
        return str(await super().start(request))


class TestScriptedMachines(MachineContract):
    """Over the default ``watch``. Nobody can log in there."""

    provider_class = ScriptedMachines
    limit = 5.0

    @pytest.fixture
    def unreachable(self, folder: Path) -> Any:
        away = Place()
        away.is_away = True
        return away.provider()(MachineContext(folder))
