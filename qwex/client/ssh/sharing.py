"""A machine for somebody else: a file with what their ssh needs, and nothing that is secret.

It lets nobody in. Whoever has it needs a key that the machine lets in, and the provider's own right to its door.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.client.ssh import doors, proxy
from qwex.door import DoorError
from qwex.errors import ConfigError, Conflict
from qwex.machines import MachineRecord, MachineState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["NAME", "Invitation", "accept", "invite", "read"]

#: What tells the file from others, and the version of what is in it.
_KIND, _VERSION = "qwex-machine", 1
#: As ``qwex.machinespec`` has it, which is not cheap to import.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")
_PATTERNS = {
    "name": NAME,
    "user": re.compile(r"[^\x00-\x1f\x7f]{1,253}"),
    "id": re.compile(r"[a-z0-9-]{1,63}"),
    "provider": re.compile(r"[A-Za-z0-9_.-]{1,63}"),
    "host_key": re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}"),
}


class Invitation(NamedTuple):
    """A machine as somebody else knows it, and the right that its door takes, in words."""

    machine: MachineRecord
    needs: str

    def text(self) -> str:
        """The file."""
        said = {name: getattr(self.machine, name) for name in (*_PATTERNS, "door")}
        return json.dumps({"kind": _KIND, "version": _VERSION, **said, "needs": self.needs}, indent=2) + "\n"


def invite(record: MachineRecord) -> Invitation:
    """The invitation to a machine.

    Raises:
        Conflict: nobody else can reach it.
    """
    door, needs = _shared(record.provider, record.door, record.name)
    return Invitation(replace(record, door=door), needs)


def read(text: str) -> Invitation:
    """The invitation that somebody sent.

    Raises:
        ConfigError: it is none.
        Conflict: what reaches the machine is not installed here.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError("this is no invitation; one is made with: qwex machine share NAME > FILE") from None
    if not isinstance(raw, dict) or raw.get("kind") != _KIND:
        raise ConfigError("this is no invitation; one is made with: qwex machine share NAME > FILE")
    if raw.get("version") != _VERSION:
        raise ConfigError(
            f"the invitation is of another version of qwex ({raw.get('version')}); this one reads {_VERSION}"
        )
    for name, pattern in _PATTERNS.items():
        if not isinstance(raw.get(name), str) or not pattern.fullmatch(raw[name]):
            raise ConfigError(f"the invitation is damaged: its {name} is not what one can be")
    if not isinstance(raw.get("door"), dict):
        raise ConfigError("the invitation is damaged: it has no door")
    # What somebody has written is never taken as it is: their provider's own function says what it means here.
    door, needs = _shared(raw["provider"], raw["door"], raw["name"])
    fields = {name: raw[name] for name in _PATTERNS}
    return Invitation(MachineRecord(state=MachineState.PENDING, created_at=0.0, door=door, **fields), needs)


def accept(folder: Path, invitation: Invitation, name: str) -> None:
    """Ssh knows the machine by that name.

    Raises:
        Conflict: it knows another one by it, or this one by another host key.
        ConfigError: the folder cannot be written.
    """
    machine = invitation.machine
    theirs = doors.joined(folder)
    if name in doors.names(folder) and theirs.get(name) != machine.user:
        whose = f"{theirs[name]}'s" if name in theirs else "your own"
        raise Conflict(f"there is a machine {name} of {whose}. Choose another name with: --as {name}-{machine.user}")
    known = proxy.kept(str(folder), name)
    if known and known.get("host_key") != machine.host_key:
        raise Conflict(
            f"this is another host key than the one you joined {known['user']}'s machine {name} with. It was made "
            f"anew, or somebody may be in between: ask {known['user']}. If it is theirs: qwex machine leave {name}, "
            "and join again"
        )
    doors.take(folder, machine, name)


def _shared(provider: str, door: Mapping[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The door for another person, and what they need."""
    import importlib.metadata

    points = importlib.metadata.entry_points(group=doors.GROUP, name=provider)
    for point in points:
        share = getattr(importlib.import_module(point.module), "shared", None)
        if share is None:
            raise Conflict(f"the machine {name} cannot be shared: only its own user reaches machines of {provider}")
        if not door:
            raise Conflict(f"nobody can reach the machine {name} yet. See: qwex machine why {name}")
        try:
            found: tuple[dict[str, Any], str] = share(door)
        except DoorError as error:
            raise Conflict(f"the machine {name} cannot be shared: {error}") from None
        return found
    raise Conflict(f"what reaches machines of {provider} is not installed here. Try: pip install 'qwex[{provider}]'")
