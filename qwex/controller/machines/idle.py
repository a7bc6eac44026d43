"""Stops machines that nobody uses, or that ran for long enough: what their own policies say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from qwex.controller.machines.store import RUNNING
from qwex.controller.machines.waiting import ended, woken
from qwex.controller.problems import StoreUnavailable
from qwex.machines import MachineReason, MachineState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from qwex.controller.machines.providers import Providers
    from qwex.controller.machines.store import LiveMachine, MachineStore
    from qwex.machines import Activity

__all__ = ["Policies"]

log = logging.getLogger(__name__)

#: Seconds between two looks at a machine, at most; and for which one may take to answer.
_PAUSE = 60.0
_ANSWER = 30.0


class Policies:
    """Looks at every machine that runs and has an idle time or a largest age."""

    def __init__(
        self,
        machines: Mapping[str, LiveMachine],
        providers: Providers,
        store: MachineStore,
        stop: Callable[[LiveMachine, MachineReason], Awaitable[Any]],
    ) -> None:
        self._machines = machines
        self._providers = providers
        self._store = store
        self._stop = stop
        #: What goes on in that machine has changed.
        self.on_note: Callable[[LiveMachine], None] = lambda machine: None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._due: dict[str, float] = {}
        self._looks: dict[LiveMachine, asyncio.Task[None]] = {}

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    def look(self) -> None:
        """A machine has changed: perhaps another one is to be looked at."""
        self._wake.set()

    async def close(self) -> None:
        """Look no more."""
        if self._task:
            await ended([self._task, *self._looks.values()])

    @staticmethod
    def watches(machine: LiveMachine) -> bool:
        """Whether the machine is up, or will be, and has a policy."""
        has_policy = machine.record.idle is not None or machine.record.max_age is not None
        return machine.record.state.is_up and has_policy

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            now = time.time()
            running = [each for each in self._machines.values() if _runs(each) and self.watches(each)]
            self._due = {each.id: self._due.get(each.id, now) for each in running if each not in self._looks}
            for machine in running:
                # Each by itself: one whose provider does not answer keeps no other waiting.
                if self._due.get(machine.id, now + 1) <= now:
                    del self._due[machine.id]
                    self._looks[machine] = asyncio.create_task(self._look(machine))
            pause = min(self._due.values(), default=now + _PAUSE) - time.time()
            await woken(self._wake, max(pause, 0))

    async def _look(self, machine: LiveMachine) -> None:
        try:
            reason = await self._reason(machine)
            if reason and _runs(machine):
                log.info("stopping the machine %s: %s", machine.id, reason)
                await self._stop(machine, reason)
        except Exception as error:
            log.warning("the machine %s does not say what goes on: %s", machine.id, str(error) or type(error).__name__)
            with contextlib.suppress(StoreUnavailable):
                await self._note(machine, None)
        del self._looks[machine]
        self._due[machine.id] = time.time() + _interval(machine)
        self._wake.set()

    async def _reason(self, machine: LiveMachine) -> MachineReason | None:
        """Why it has to stop, if it has to."""
        if _age(machine) >= (machine.record.max_age or float("inf")):
            return MachineReason.TOO_OLD
        provider = await self._providers.get(machine.record.provider)
        found = await asyncio.wait_for(provider.activity(machine.record.native_id or ""), _ANSWER)
        if not (_runs(machine) and self.watches(machine)):
            return None
        await self._note(machine, found)
        # What is not known stops nothing.
        if found is None:
            return None
        # Both times are the machine's own, so that its clock may be wrong.
        quiet = min(found.at - found.active_at, _age(machine))
        limit = machine.record.idle if machine.record.idle is not None else float("inf")
        return MachineReason.IDLE if not found.doing and quiet >= limit else None

    async def _note(self, machine: LiveMachine, found: Activity | None) -> None:
        before = machine.record
        machine.change(active_at=found and found.active_at, doing=tuple(found.doing) if found else ())
        if machine.record != before:
            self.on_note(machine)
            await self._store.save(machine)


def _runs(machine: LiveMachine) -> bool:
    return machine.record.state is MachineState.RUNNING and machine.wanted == RUNNING


def _age(machine: LiveMachine) -> float:
    return time.time() - (machine.record.started_at or time.time())


def _interval(machine: LiveMachine) -> float:
    limits = [limit for limit in (machine.record.idle, machine.record.max_age) if limit]
    return min([_PAUSE, *(limit / 10 for limit in limits)])
