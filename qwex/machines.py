"""Dev machines as the API shows them: states and records, plain frozen data. No I/O, nothing heavy imported."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any

__all__ = [
    "Activity",
    "MachineEvent",
    "MachineGone",
    "MachineReason",
    "MachineRecord",
    "MachineState",
    "MachineStatus",
    "host_alias",
]


class MachineState(str, Enum):
    """Where a machine stands; the waits are those of jobs."""

    PENDING = "PENDING"  #: recorded, not yet accepted by its provider
    QUEUED = "QUEUED"  #: accepted, waits for quota
    STARTING = "STARTING"  #: quota held, nobody can log in yet
    RUNNING = "RUNNING"  #: takes ssh
    STOPPING = "STOPPING"  #: was told to end and has not yet; it still holds its quota
    STOPPED = "STOPPED"  #: holds nothing; its home is kept
    FAILED = "FAILED"  #: cannot run as it is; holds nothing that qwex can give back

    def __str__(self) -> str:
        return self.value

    @property
    def is_up(self) -> bool:
        """Whether it runs, or will without anybody's doing."""
        return self in (MachineState.PENDING, MachineState.QUEUED, MachineState.STARTING, MachineState.RUNNING)


class MachineReason(str, Enum):
    """Why a machine is in its state. Providers may use others of their own; these have meaning everywhere."""

    NONE = ""
    STOPPED_BY_USER = "StoppedByUser"
    IDLE = "Idle"  #: nobody used it for as long as its idle policy allows
    TOO_OLD = "TooOld"  #: it ran for as long as it may in one go
    PREEMPTED = "Preempted"  #: made way for others, and waits again
    OUT_OF_MEMORY = "OutOfMemory"
    NODE_LOST = "NodeLost"
    REFUSED = "Refused"  #: the provider refused it after it was recorded
    FORBIDDEN = "Forbidden"  #: a right is missing; it is tried again
    LOST = "Lost"  #: its place does not know it any more

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class MachineStatus:
    """What a provider says of a machine now: a state, a reason and one plain sentence."""

    state: MachineState
    reason: str = ""
    message: str = ""
    #: Where it runs; empty when it does not, or that is not known.
    node: str = ""
    #: Rises with every start of its system; None where the provider does not know it.
    run: int | None = None


@dataclass(frozen=True)
class Activity:
    """What goes on in a machine, as the machine itself says. Times are seconds since the epoch."""

    #: When it said so.
    at: float
    #: When something last went on; ``at`` while something does.
    active_at: float
    #: What goes on, in words for people: ``2 ssh connections``, ``python3 (pid 812) at 97 % of a core``.
    doing: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachineRecord:
    """A machine. Times are seconds since the epoch (UTC)."""

    id: str
    name: str
    user: str
    provider: str
    state: MachineState
    created_at: float
    native_id: str | None = None
    queue: str | None = None
    reason: str = ""
    message: str = ""
    node: str = ""
    #: Counts its starts, from 1; those after it made way for others only where its provider counts them.
    run: int = 1
    resources: dict[str, str | None] = field(default_factory=dict)
    image: str = ""
    #: The provider's name of what holds the home, and its size as it was asked for.
    home: str = ""
    home_size: str = ""
    #: Start of the present run, once it took ssh.
    started_at: float | None = None
    #: End of the last run.
    stopped_at: float | None = None
    #: Seconds without activity after which it is stopped, and seconds that it may run in one go.
    idle: float | None = None
    max_age: float | None = None
    #: When something last went on in it, and what goes on now; None while nobody looks, or that is not known.
    active_at: float | None = None
    doing: tuple[str, ...] = ()
    #: The public half of its host key: ``ssh-ed25519 AAAA…``.
    host_key: str = ""
    #: The comments, or fingerprints, of the keys that it lets in.
    keys: tuple[str, ...] = ()
    #: How a client reaches it, for the provider's own door (see ``qwex.machine.MachineProvider.door``).
    door: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """What ssh calls it."""
        return host_alias(self.name)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> MachineRecord:
        """The record in an API answer; unknown keys are left out."""
        known = {name: raw[name] for name in _NAMES if name in raw}
        tuples = {name: tuple(known.get(name) or ()) for name in ("doing", "keys")}
        return cls(**{**known, **tuples, "state": MachineState(known["state"])})

    def as_dict(self) -> dict[str, Any]:
        """The record as the API shows it."""
        return asdict(self)


@dataclass(frozen=True)
class MachineEvent:
    """Where a machine stood from then on, and who asked for that, where somebody did."""

    #: Seconds since the epoch.
    ts: float
    state: MachineState
    reason: str = ""
    message: str = ""
    node: str = ""
    #: Which of its starts it was in.
    run: int = 1
    #: ``create``, ``start``, ``stop``, ``delete``, ``purge`` or ``change``; empty for what came about by itself.
    asked: str = ""
    #: Who asked; empty where the machine's own policy did, which is the reason then.
    user: str = ""

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> MachineEvent:
        """The event in an API answer; unknown keys are left out."""
        known = {each.name: raw[each.name] for each in fields(cls) if each.name in raw}
        return cls(**{**known, "state": MachineState(known["state"])})


@dataclass(frozen=True)
class MachineGone:
    """That machine is no more."""

    id: str
    name: str
    user: str


def host_alias(name: str) -> str:
    """What ssh calls the machine of that name."""
    return f"qwex-{name}"


_NAMES = tuple(f.name for f in fields(MachineRecord))
