"""What is known of every dev machine: a live one in memory, its row on disk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, insert, select, update

from qwex.controller.tables import machine_events, machines
from qwex.machines import MachineEvent, MachineRecord, MachineState
from qwex.machinespec import MachineSpec

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from qwex.controller.store import Store
    from qwex.errors import QwexError

__all__ = ["DELETED", "PURGED", "RUNNING", "STOPPED", "Asked", "LiveMachine", "MachineStore"]

log = logging.getLogger(__name__)

#: Where a machine may be wanted to be.
RUNNING, STOPPED, DELETED, PURGED = "running", "stopped", "deleted", "purged"

#: Events of a machine that are kept, the newest.
KEPT = 200
_SHOWN = tuple(each.name for each in fields(MachineRecord))


class Asked(NamedTuple):
    """What somebody asked of a machine, as its events say it."""

    what: str
    #: Empty where the machine's own policy did.
    user: str
    #: What they asked for more exactly.
    how: str = ""


@dataclass(eq=False)
class LiveMachine:
    """A machine of this controller, as far as it has heard."""

    record: MachineRecord
    spec: MachineSpec
    #: Where its user, or its policy, wants it to be.
    wanted: str = RUNNING
    #: Whether its provider was told so.
    fulfilled: bool = False
    #: Counts the wishes, so that one that comes while another is brought about is not taken for it.
    wishes: int = 0
    #: Its provider was never asked for it, so that it cannot have it.
    untried: bool = False
    #: Somebody waits for its first hand-over: a refusal is theirs, and nothing stays.
    is_new: bool = False
    refusal: QwexError | None = None
    #: What became of it, oldest first, the newest of all; and those that are not on disk yet.
    events: tuple[MachineEvent, ...] = ()
    unsaved: tuple[MachineEvent, ...] = ()
    #: Set once its provider has answered for the first time, or could not be asked.
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    #: Held while its provider is told something, so that what was asked for last is told last.
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def id(self) -> str:
        """The machine's."""
        return self.record.id

    @property
    def goes(self) -> bool:
        """Whether it is being deleted."""
        return self.wanted in (DELETED, PURGED)

    def change(self, asked: Asked | None = None, **values: Any) -> None:
        """Have another record with those values; it is an event where it stands otherwise, or somebody asked for it."""
        before, self.record = self.record, replace(self.record, **values)
        if asked:
            log.info("the machine %s: %s, asked by %s", self.id, asked.what, asked.user or "its policy")
        if asked or _standing(before) != _standing(self.record):
            event = _event(self.record, asked)
            self.events = (*self.events, event)[-KEPT:]
            self.unsaved = (*self.unsaved, event)


class MachineStore:
    """The rows of machines; every write is on disk when it returns."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> list[LiveMachine]:
        """Every machine. Blocks; for the start.

        Raises:
            ConfigError: the database is damaged.
        """
        events: defaultdict[str, list[MachineEvent]] = defaultdict(list)
        for row in self._store.machine_events():
            events[row["machine"]].append(MachineEvent.from_dict(row))
        return [_machine(row, tuple(events[row["id"]])) for row in self._store.machines()]

    async def insert(self, machine: LiveMachine) -> None:
        """Store a new one.

        Raises:
            Conflict: its user has one of that name.
            StoreUnavailable: nothing can be written now.
        """
        taken = f"{machine.record.user} has a machine {machine.record.name!r} already"
        await self._write(machine, insert(machines).values(_row(machine)), taken)

    async def save(self, machine: LiveMachine) -> None:
        """Write it as it is in memory.

        Raises:
            StoreUnavailable: nothing can be written now.
        """
        changed = update(machines).where(machines.c.id == machine.id).values(_row(machine))
        await self._write(machine, changed, f"the machine {machine.id} contradicts another")

    async def remove(self, machine: LiveMachine) -> None:
        """Forget it, and what became of it.

        Raises:
            StoreUnavailable: nothing can be written now.
        """
        gone = delete(machines).where(machines.c.id == machine.id)
        events = delete(machine_events).where(machine_events.c.machine == machine.id)
        await self._store.writer.execute(events, gone, taken=f"the machine {machine.id} is needed")

    async def _write(self, machine: LiveMachine, statement: Executable, taken: str) -> None:
        """The statement and what became of the machine since the last one, all or nothing."""
        events, machine.unsaved = machine.unsaved, ()
        try:
            await self._store.writer.execute(statement, *_kept(machine.id, events), taken=taken)
        except Exception:
            machine.unsaved = events + machine.unsaved
            raise


def _standing(record: MachineRecord) -> tuple[Any, ...]:
    """What is an event when it changes; a message alone may change with every look at a queue."""
    return record.state, record.reason, record.node, record.run


def _event(record: MachineRecord, asked: Asked | None) -> MachineEvent:
    what, user, how = asked or Asked("", "")
    where = (record.state, record.reason, how or record.message, record.node, record.run)
    return MachineEvent(time.time(), *where, asked=what, user=user)


def _kept(machine: str, events: tuple[MachineEvent, ...]) -> list[Executable]:
    """What stores the events, and forgets those that are too many."""
    if not events:
        return []
    rows = [{"machine": machine, **asdict(event), "state": event.state.value} for event in events]
    own = machine_events.c.machine == machine
    seq = machine_events.c.seq
    newest_too_many = select(seq).where(own).order_by(seq.desc()).offset(KEPT).limit(1).scalar_subquery()
    return [insert(machine_events).values(rows), delete(machine_events).where(own, seq <= newest_too_many)]


def _row(machine: LiveMachine) -> dict[str, Any]:
    shown = {name: getattr(machine.record, name) for name in _SHOWN}
    lists = {name: list(shown[name]) for name in ("doing", "keys")}
    kept = {"spec": machine.spec.model_dump_json(), "wanted": machine.wanted, "fulfilled": machine.fulfilled}
    return {**shown, **lists, **kept, "state": machine.record.state.value}


def _machine(row: dict[str, Any], events: tuple[MachineEvent, ...]) -> LiveMachine:
    record = MachineRecord.from_dict({**row, "state": MachineState(row["state"])})
    spec = MachineSpec.kept(row["spec"])
    return LiveMachine(record, spec, row["wanted"], row["fulfilled"], events=events)
