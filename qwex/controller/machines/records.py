"""A machine's record made from its spec, and as it is shown to those who ask."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qwex.controller.machines.guests import with_guests
from qwex.controller.machines.store import LiveMachine
from qwex.controller.merging import merged
from qwex.errors import InvalidSpec
from qwex.machines import MachineRecord, MachineState
from qwex.machinespec import MachineSpec, machine_id
from qwex.spec import validated
from qwex.sshkeys import key_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex.controller.auth import Caller

__all__ = ["ALWAYS", "AT_START", "recorded", "shown_of", "shown_to", "with_changes"]

#: What may be otherwise at a machine's next start, and what while it runs.
AT_START = ("resources", "image", "queue", "idle", "max_age", "env", "pre_stop", "keys")
ALWAYS = ("idle", "max_age", "keys", "add_keys", "remove_keys")


def recorded(spec: MachineSpec, caller: Caller, provider: str) -> LiveMachine:
    """A machine that nobody was asked for yet."""
    id = machine_id(spec.name, caller.user)
    record = MachineRecord(id, spec.name, caller.user, provider, MachineState.PENDING, time.time(), **shown_of(spec))
    return LiveMachine(record, spec, untried=True)


def shown_of(spec: MachineSpec) -> dict[str, Any]:
    """What a record shows of a spec; the queue of one that names none is the provider's."""
    same = {name: getattr(spec, name) for name in ("image", "idle", "max_age")}
    same |= {"queue": spec.queue} if spec.queue else {}
    keys = tuple(map(key_name, spec.keys))
    # Without a limit nobody looks any more what goes on.
    unknown = {"active_at": None, "doing": ()} if spec.idle is None and spec.max_age is None else {}
    return {**same, **unknown, "resources": spec.resources.model_dump(), "home_size": spec.home, "keys": keys}


def shown_to(record: MachineRecord, caller: Caller) -> MachineRecord:
    """The record; the way in is its owner's."""
    return record if caller.may_read(record) else replace(record, door={}, doing=())


def with_changes(spec: MachineSpec, changes: Mapping[str, Any], allowed: Sequence[str]) -> MachineSpec:
    """The spec with changes.

    Raises:
        InvalidSpec: one of them is none that may be made, or they do not make a spec.
    """
    for name in changes:
        if name not in allowed:
            raise InvalidSpec.of(name, f"cannot be changed here; what can: {', '.join(allowed)}")
    raw = spec.model_dump(mode="json", exclude_defaults=True)
    changed: MachineSpec = validated(MachineSpec.model_validate, merged(raw, with_guests(spec.keys, changes)))
    return changed
