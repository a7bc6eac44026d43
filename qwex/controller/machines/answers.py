"""What is told of dev machines, without changing any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.controller.machines.records import recorded, shown_to
from qwex.controller.machines.why import why
from qwex.controller.machines.wishes import plan_of
from qwex.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.controller.auth import Caller
    from qwex.controller.machines.keys import MachineKeys
    from qwex.controller.machines.providers import Providers
    from qwex.controller.machines.registry import MachineRegistry
    from qwex.machines import MachineEvent, MachineRecord
    from qwex.machinespec import MachineSpec
    from qwex.state import Why

__all__ = ["MachineAnswers"]


class MachineAnswers:
    """The machines of a registry, and what their providers and keys add to them."""

    def __init__(self, registry: MachineRegistry, providers: Providers, keys: MachineKeys) -> None:
        self._registry = registry
        self._providers = providers
        self._keys = keys

    def list(self, user: str | None, caller: Caller) -> Sequence[MachineRecord]:
        """Every machine (of ``user``), oldest first."""
        return self._registry.records(user, caller)

    def get(self, name: str, caller: Caller) -> MachineRecord:
        """The machine with that id, or the caller's of that name.

        Raises:
            NotFound: there is none.
        """
        return shown_to(self._registry.find(name, caller).record, caller)

    def events(self, name: str, caller: Caller) -> Sequence[MachineEvent]:
        """What became of it, and who asked for what, oldest first; the newest of all.

        Raises:
            NotFound: there is none.
            NotAuthorized: it is another user's.
        """
        return self._registry.own(name, caller, going=True).events

    def places(self) -> tuple[Sequence[str], str]:
        """The names of all providers, and that of machines that name none; empty where they have to."""
        return self._providers.names, self._providers.known_default

    async def why(self, name: str, caller: Caller) -> Why:
        """Why it does not run, or that it does."""
        return await why(self._registry.find(name, caller).record, self._providers)

    async def preflight(self, spec: MachineSpec, caller: Caller) -> tuple[Why | None, str]:
        """What would keep such a machine from running, and what would be sent. Nothing is stored.

        Raises:
            InvalidSpec: it can never run, and its provider has no other words for it.
        """
        provider = await self._providers.get(spec.provider)
        machine = recorded(spec, caller, provider.name)
        plan = plan_of(machine.id, machine, self._keys.rehearsed(machine.id))
        expected = await provider.preflight(plan)
        try:
            return expected, provider.show(provider.render(plan))
        except InvalidSpec:
            if expected is None:
                raise
            return expected, ""
