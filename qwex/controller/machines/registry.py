"""Every machine of this controller, in memory: there are few, and all of them are looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.controller.machines.records import shown_to
from qwex.errors import Conflict, NotFound, nearest
from qwex.machines import MachineState
from qwex.machinespec import machine_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.controller.auth import Caller
    from qwex.controller.machines.store import LiveMachine
    from qwex.machines import MachineRecord

__all__ = ["MachineRegistry"]


class MachineRegistry:
    """Machines by id, and who may have what of them."""

    def __init__(self) -> None:
        self.by_id: dict[str, LiveMachine] = {}

    def add(self, machine: LiveMachine) -> None:
        """One more.

        Raises:
            Conflict: its user has one of that name.
        """
        if known := self.by_id.get(machine.id):
            raise Conflict(_taken(known))
        self.by_id[machine.id] = machine

    def remove(self, machine: LiveMachine) -> None:
        """It is no more."""
        if self.by_id.get(machine.id) is machine:
            del self.by_id[machine.id]

    def by_native(self, provider: str, native_id: str) -> LiveMachine | None:
        """The machine that its provider calls so."""
        for machine in self.by_id.values():
            if (machine.record.provider, machine.record.native_id) == (provider, native_id):
                return machine
        return None

    def by_provider(self) -> dict[str, list[LiveMachine]]:
        """The machines of each provider that has some."""
        found: dict[str, list[LiveMachine]] = {}
        for machine in self.by_id.values():
            found.setdefault(machine.record.provider, []).append(machine)
        return found

    def records(self, user: str | None, caller: Caller) -> Sequence[MachineRecord]:
        """Every machine (of ``user``), oldest first."""
        found = [each for each in self.by_id.values() if user in (None, each.record.user)]
        return [shown_to(each.record, caller) for each in sorted(found, key=lambda each: each.record.created_at)]

    def find(self, name: str, caller: Caller) -> LiveMachine:
        """The caller's machine of that name, or else the one with that id.

        Raises:
            NotFound: there is none.
        """
        if found := self.by_id.get(machine_id(name, caller.user)) or self.by_id.get(name):
            return found
        known = [each.record.name for each in self.by_id.values() if each.record.user == caller.user]
        raise NotFound(f"{caller.user} has no machine {name!r}.{nearest(name, known)} To see all: qwex machine list")

    def own(self, name: str, caller: Caller, *, going: bool = False) -> LiveMachine:
        """The same, where it is the caller's to change; one that is being deleted only with ``going``.

        Raises:
            NotFound: there is none.
            NotAuthorized: it is another user's.
            Conflict: it is being deleted.
        """
        machine = self.find(name, caller)
        caller.require(machine.record, "machine")
        if machine.goes and not going:
            raise Conflict(f"the machine {machine.record.name} is being deleted; create it again when it is gone")
        return machine


def _taken(machine: LiveMachine) -> str:
    name = machine.record.name
    if machine.goes:
        return f"your machine {name!r} is being deleted; try again when it is gone"
    state = machine.record.state
    do = f"Start it: qwex machine start {name}"
    if state.is_up:
        do = f"Log in: ssh {machine.record.host}" if state is MachineState.RUNNING else f"See: qwex machine why {name}"
    return f"you have a machine {name!r} already, {state.value}. {do}"
