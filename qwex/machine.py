"""The contract of a place that has dev machines: a box with ssh and a home that stays, from the queue of the jobs.

Calls come from one event loop, in this order: ``open``, then any of the others, then ``close``. As a backend, a
provider may be dropped at any moment without ``close``, and a new instance over the same ``context.folder`` must find
every machine again. One that has the name of a backend is given that backend, started: queue, quotas and connections
are the same for both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from qwex.backend import BackendOptions
from qwex.errors import BackendUnavailable, InvalidSpec
from qwex.machines import Activity, MachineReason, MachineState, MachineStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from qwex.backend import Backend
    from qwex.machinespec import MachineSpec
    from qwex.state import Why

__all__ = [
    "Activity",
    "BackendUnavailable",
    "InvalidSpec",
    "MachineContext",
    "MachinePlan",
    "MachineProvider",
    "MachineReason",
    "MachineState",
    "MachineStatus",
]

_GONE = MachineStatus(MachineState.FAILED, MachineReason.LOST.value, "its place does not know it any more")


@dataclass(frozen=True)
class MachinePlan:
    """What the controller asks a provider for."""

    machine_id: str
    spec: MachineSpec
    user: str
    #: A 0600 file with the private half of the machine's host key, as OpenSSH writes it, and the public half's line.
    host_key: Path
    host_key_public: str


@dataclass(frozen=True)
class MachineContext:
    """What a provider is given when it is made."""

    #: Its own folder (0700), kept between instances.
    folder: Path
    #: The section of the configuration that has the provider's name, unchecked.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: The backend of the same name, started; None where there is none.
    backend: Backend[Any] | None = None


RequestT = TypeVar("RequestT")


class MachineProvider(ABC, Generic[RequestT]):
    """A place that has dev machines. ``RequestT`` is what it sends."""

    name: ClassVar[str]
    Options: ClassVar[type[BackendOptions]] = BackendOptions
    #: Seconds between two polls of the default ``watch``: first and longest.
    poll: ClassVar[tuple[float, float]] = (0.2, 30.0)

    def __init__(self, context: MachineContext) -> None:
        self.context = context
        self._known: set[str] = set()
        self._adopted = asyncio.Event()

    async def open(self) -> None:
        """Take up what an earlier instance left; called once, before any other call."""

    async def close(self) -> None:
        """Let go of resources. Machines go on."""

    @abstractmethod
    def render(self, plan: MachinePlan) -> RequestT:
        """What ``start`` would send. Pure but for the plan's files, which are only named in it.

        Raises:
            InvalidSpec: such a machine can never be here, as far as that is known without asking.
        """

    @abstractmethod
    async def start(self, request: RequestT) -> str:
        """Have the machine run, or wait for its turn, as the request says; its native id, the same for all its life.

        One that is not there is made, with its home; one that is there otherwise (another GPU, another image) is made
        anew with the same home, and its native id. Safe to repeat: a machine that is as the request says is left alone.

        Raises:
            InvalidSpec: refused for good; nothing new is there.
            Conflict: somebody else's machine has that name, or its home.
            NotAuthorized: a right is missing; nothing runs.
            BackendUnavailable: try again later.
        """

    @abstractmethod
    async def stop(self, native_id: str, reason: str = "") -> None:
        """Ask the machine to end: its shells are told why, its pre-stop command runs, its quota is given back.

        The home stays. Safe to repeat; no effect on one that is stopped.

        Raises:
            BackendUnavailable: try again later.
        """

    @abstractmethod
    async def delete(self, native_id: str, *, purge: bool) -> None:
        """Remove the machine, and with ``purge`` its home; returns when its quota is free. Safe to repeat.

        Raises:
            BackendUnavailable: try again later.
        """

    @abstractmethod
    async def update(self, request: RequestT) -> None:
        """Have a machine that is there let in the request's keys and go by its limits, without starting or stopping it.

        Raises:
            BackendUnavailable: try again later.
        """

    @abstractmethod
    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        """The machines' states now, many at once. Unknown ids are left out, never invented.

        Raises:
            BackendUnavailable: they cannot be told now.
        """

    async def watch(self) -> AsyncIterator[tuple[str, MachineStatus]]:
        """Every change of a machine's status, from now on, until ``close``. May repeat itself; never goes back.

        This default polls ``status`` for machines that were adopted, backing off while nothing changes.
        """
        seen: dict[str, MachineStatus] = {}
        missing: set[str] = set()
        pause = self.poll[0]
        while True:
            self._adopted.clear()
            asked = sorted(self._known)
            answers = await self.status(asked)
            # One look may come between a place's own two steps; a machine that two looks miss is gone.
            missing, before = set(asked) - answers.keys(), missing
            told = {**answers, **dict.fromkeys(missing & before, _GONE)}
            changed = {native_id: status for native_id, status in told.items() if seen.get(native_id) != status}
            seen.update(changed)
            for native_id, status in changed.items():
                yield native_id, status
            pause = self.poll[0] if changed else min(pause * 2, self.poll[1])
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._adopted.wait(), pause)
                pause = self.poll[0]

    def adopt(self, native_id: str) -> None:
        """Watch the machine from now on: one that ``start`` has just made, or that an earlier instance did."""
        self._known.add(native_id)
        self._adopted.set()

    def drop(self, native_id: str) -> None:
        """Watch it no more: it is deleted."""
        self._known.discard(native_id)

    @abstractmethod
    def door(self, native_id: str) -> dict[str, Any]:
        """How a client on another machine reaches this one: data for the function that the entry point of the group
        ``qwex.doors`` with the provider's name has there (see ``qwex.door``). Nothing secret.

        ``place`` in it says in words where that is, for a provider whose settings may name another place some day: what
        it does not know then is not taken for gone.
        """

    async def activity(self, native_id: str) -> Activity | None:
        """What goes on in a machine that runs; None where that is not known.

        Raises:
            BackendUnavailable: it cannot be told now.
        """
        return None

    async def explain(self, native_id: str) -> Why | None:
        """Why the machine does not run, or None where that is not known."""
        return None

    async def preflight(self, plan: MachinePlan) -> Why | None:
        """What would keep such a machine from running, without making it; None where nothing would."""
        return None

    def show(self, request: RequestT) -> str:
        """The request as ``--dry-run`` prints it, without what is secret."""
        raw = asdict(request) if is_dataclass(request) and not isinstance(request, type) else request
        return json.dumps(raw, indent=2, default=str) if isinstance(raw, (dict, list)) else str(raw)
