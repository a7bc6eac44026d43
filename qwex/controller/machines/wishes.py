"""Brings every machine where it is wanted, however long that takes, and hears from its provider where it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from qwex.controller.machines.store import PURGED, RUNNING, STOPPED, LiveMachine
from qwex.controller.machines.waiting import ended, woken
from qwex.controller.problems import StoreUnavailable
from qwex.errors import BackendUnavailable, Conflict, InvalidSpec, NotAuthorized, QwexError
from qwex.machine import MachinePlan
from qwex.machines import MachineReason, MachineState, MachineStatus
from qwex.state import WaitReason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwex.controller.machines.keys import HostKey, MachineKeys
    from qwex.controller.machines.providers import Providers
    from qwex.controller.machines.store import MachineStore
    from qwex.machine import MachineProvider

__all__ = ["Wishes", "plan_of"]

log = logging.getLogger(__name__)

#: Seconds between two tries for a provider that cannot be reached: first and longest.
_PAUSE = (0.5, 60.0)
_LOST = MachineStatus(MachineState.FAILED, MachineReason.LOST.value, "its provider does not know it any more")
_ENDED = (MachineState.STOPPED, MachineState.FAILED)


class Wishes:
    """One task for each machine whose provider was not yet told where it is wanted."""

    def __init__(self, providers: Providers, keys: MachineKeys, store: MachineStore) -> None:
        self._providers = providers
        self._keys = keys
        self._store = store
        self._tasks: dict[LiveMachine, asyncio.Task[None]] = {}
        self._woken: defaultdict[LiveMachine, asyncio.Event] = defaultdict(asyncio.Event)
        #: Of each provider: what it says is heard in its order, whether it was asked or tells by itself.
        self._hearing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: For each machine whose newest state could not be stored.
        self._storing: dict[LiveMachine, asyncio.Task[None]] = {}
        #: Something about that machine has changed.
        self.on_change: Callable[[LiveMachine], None] = lambda machine: None
        #: That machine is no more.
        self.on_gone: Callable[[LiveMachine], None] = lambda machine: None

    def begin(self, machine: LiveMachine) -> None:
        """Go about the machine's newest wish, which is stored."""
        self._woken[machine].set()
        task = self._tasks.get(machine)
        if task is None or task.done():
            self._tasks[machine] = task = asyncio.create_task(self._bring(machine), name=f"machine {machine.id}")
            task.add_done_callback(lambda task: self._ended(machine, task))

    async def adopt(self, name: str, machines: Sequence[LiveMachine]) -> None:
        """Watch machines, and hear where they are now, as soon as their provider can be reached."""
        pause = _PAUSE[0]
        while True:
            try:
                await self._adopt(await self._providers.get(name), [each for each in machines if not each.goes])
                return
            except Exception as error:
                log.warning("machines of %s wait to be taken up again: %s", name, str(error) or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE[1])

    async def check_place(self, machine: LiveMachine, provider: MachineProvider[Any]) -> None:
        """Return unless the machine is where its provider, by its settings of now, does not look.

        Raises:
            BackendUnavailable: it is; says where.
        """
        native_id, there = machine.record.native_id, machine.record.door.get("place")
        here = provider.door(native_id).get("place") if native_id and there else there
        # The same place may have come to have another name.
        if native_id and here != there and native_id not in await provider.status([native_id]):
            raise BackendUnavailable(
                f"it is in {there}, and this controller looks at {here}: start that anew with the settings of then "
                "(qwex controller stop)"
            )

    async def close(self) -> None:
        """Stop trying; the next start goes on."""
        await ended([*self._tasks.values(), *self._storing.values()])

    async def heard(self, machine: LiveMachine, status: MachineStatus) -> None:
        """Where its provider says that it is; what belongs to the time before an unfulfilled wish is passed over."""
        async with self._hearing[machine.record.provider]:
            await self._hear(machine, status)

    async def _hear(self, machine: LiveMachine, status: MachineStatus) -> None:
        if not machine.fulfilled and status.state.is_up != (machine.wanted == RUNNING):
            return
        before = machine.record
        machine.change(**_told(machine, status))
        if machine.record == before:
            return
        self.on_change(machine)
        try:
            await self._store.save(machine)
        except StoreUnavailable as error:
            log.warning("where the machine %s stands will be stored later: %s", machine.id, error)
            task = self._storing.get(machine)
            if task is None or task.done():
                self._storing[machine] = asyncio.create_task(self._store_later(machine))

    async def _store_later(self, machine: LiveMachine) -> None:
        pause, stored = _PAUSE[0], None
        while machine.record is not stored:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSE[1])
            now = machine.record
            with contextlib.suppress(StoreUnavailable):
                await self._store.save(machine)
                stored = now

    def _ended(self, machine: LiveMachine, task: asyncio.Task[None]) -> None:
        if self._tasks.get(machine) is task:
            del self._tasks[machine]
            self._woken.pop(machine, None)

    async def _adopt(self, provider: MachineProvider[Any], machines: list[LiveMachine]) -> None:
        ours = {each.record.native_id: each for each in machines if each.record.native_id}
        ids = [native_id for native_id in ours if native_id]
        for native_id in ids:
            provider.adopt(native_id)
        async with self._hearing[provider.name]:
            said = await provider.status(ids)
            # One look may come between a place's own two steps; a machine that two looks miss is gone.
            missing = [each for each in ids if each not in said]
            said = {**said, **(await provider.status(missing) if missing else {})}
            for native_id in ids:
                machine = ours[native_id]
                if native_id in said:
                    await self._hear(machine, said[native_id])
                elif machine.record.state not in _ENDED:
                    await self._missed(machine, provider)

    async def _missed(self, machine: LiveMachine, provider: MachineProvider[Any]) -> None:
        try:
            await self.check_place(machine, provider)
        except BackendUnavailable as error:
            machine.change(reason=WaitReason.BACKEND_UNAVAILABLE.value, message=error.message)
            self.on_change(machine)
        else:
            await self._hear(machine, _LOST)

    async def _bring(self, machine: LiveMachine) -> None:
        pause = _PAUSE[0]
        while not machine.fulfilled:
            self._woken[machine].clear()
            try:
                await self._attempt(machine)
                pause = _PAUSE[0]
            except Exception as error:
                self._waits(machine, error)
                await woken(self._woken[machine], pause)
                pause = min(pause * 2, _PAUSE[1])
            finally:
                machine.answered.set()

    def _waits(self, machine: LiveMachine, error: Exception) -> None:
        if not isinstance(error, BackendUnavailable):
            trace = None if isinstance(error, QwexError) else error
            log.error("the machine %s is not %s yet: %s", machine.id, machine.wanted, error, exc_info=trace)
        message = str(error) or type(error).__name__
        reason = MachineReason.FORBIDDEN if isinstance(error, NotAuthorized) else WaitReason.BACKEND_UNAVAILABLE
        # The reason of a wish to stop is what its provider is told.
        reasons = {"reason": reason.value} if machine.wanted == RUNNING else {}
        machine.change(**reasons, message=message)
        machine.answered.set()
        self.on_change(machine)

    async def _attempt(self, machine: LiveMachine) -> None:
        async with machine.telling:
            wish = machine.wishes
            try:
                await self._step(machine, wish)
            except NotAuthorized as error:
                if not machine.is_new or machine.wanted != RUNNING:
                    raise
                await self._refused(machine, error, wish)

    async def _step(self, machine: LiveMachine, wish: int) -> None:
        """Tell the provider; the machine's wish is fulfilled unless there is a newer one by now."""
        provider = await self._providers.get(machine.record.provider)
        await self.check_place(machine, provider)
        if machine.goes:
            await self._delete(machine, provider, wish)
            return
        if machine.wanted == RUNNING:
            try:
                await self._start(machine, provider)
            except (InvalidSpec, Conflict) as error:
                await self._refused(machine, error, wish)
                return
        elif native_id := await self._native_id(machine, provider):
            await provider.stop(native_id, machine.record.reason)
        await self._fulfilled(machine, provider, wish)
        if machine.wanted == RUNNING and machine.record.queue is None:
            await self._name_queue(machine)

    async def _name_queue(self, machine: LiveMachine) -> None:
        """Which queue it waits in that names none; it runs whether that can be told or not."""
        try:
            queue = await self._providers.default_queue(machine.record.provider)
            if queue and machine.record.queue is None:
                machine.change(queue=queue)
                self.on_change(machine)
                await self._store.save(machine)
        except Exception as error:
            log.info("the queue of the machine %s is not known: %s", machine.id, str(error) or type(error).__name__)

    async def _start(self, machine: LiveMachine, provider: MachineProvider[Any]) -> None:
        request = provider.render(await self._plan(machine))
        machine.untried = False
        native_id = await provider.start(request)
        if machine.record.reason in (WaitReason.BACKEND_UNAVAILABLE.value, MachineReason.FORBIDDEN.value):
            machine.change(reason="", message="")
        machine.change(native_id=native_id, door=provider.door(native_id))
        provider.adopt(native_id)

    async def _native_id(self, machine: LiveMachine, provider: MachineProvider[Any]) -> str | None:
        """The provider's name of the machine: one whose start may have arrived is started again to learn it."""
        if machine.record.native_id is None and not machine.untried:
            with contextlib.suppress(InvalidSpec, Conflict):
                await self._start(machine, provider)
        return machine.record.native_id

    async def _delete(self, machine: LiveMachine, provider: MachineProvider[Any], wish: int) -> None:
        if native_id := await self._native_id(machine, provider):
            await provider.delete(native_id, purge=machine.wanted == PURGED)
            if machine.wishes != wish:
                return  # its home is to go, too
            provider.drop(native_id)
        await self._forget(machine)

    async def _fulfilled(self, machine: LiveMachine, provider: MachineProvider[Any], wish: int) -> None:
        native_id = machine.record.native_id
        said = (await provider.status([native_id])).get(native_id) if native_id else MachineStatus(MachineState.STOPPED)
        if said is None and machine.wanted == STOPPED:
            said = MachineStatus(MachineState.STOPPED)  # what its place does not know does not run
        await self._settle(machine, said, wish)

    async def _refused(self, machine: LiveMachine, error: QwexError, wish: int) -> None:
        machine.refusal = error
        if machine.is_new:
            await self._forget(machine)
            return
        said = MachineStatus(MachineState.FAILED, MachineReason.REFUSED.value, error.message)
        await self._settle(machine, said, wish)

    async def _settle(self, machine: LiveMachine, said: MachineStatus | None, wish: int) -> None:
        """The wish is fulfilled, or refused; what a newer one wants is still to be done."""
        if machine.wishes == wish:
            machine.fulfilled = True
            if said:
                machine.change(**_told(machine, said))
            self.on_change(machine)
        try:
            await self._store.save(machine)
        except Exception:
            machine.fulfilled = machine.fulfilled and machine.wishes != wish
            raise

    async def _forget(self, machine: LiveMachine) -> None:
        if storing := self._storing.pop(machine, None):
            storing.cancel()
        await self._store.remove(machine)
        await self._keys.drop(machine.id)  # before there can be a new one of that name
        machine.fulfilled = True
        self.on_gone(machine)

    async def _plan(self, machine: LiveMachine) -> MachinePlan:
        """What its provider is asked for."""
        key = await self._keys.made(machine.id)
        machine.change(host_key=key.public)
        return plan_of(machine.id, machine, key)


def plan_of(machine_id: str, machine: LiveMachine, key: HostKey) -> MachinePlan:
    """What a provider is asked for."""
    return MachinePlan(machine_id, machine.spec, machine.record.user, key.private, key.public)


def _told(machine: LiveMachine, status: MachineStatus) -> dict[str, Any]:
    """The fields of a record that a status changes."""
    record, now = machine.record, time.time()
    said: dict[str, Any] = {"state": status.state, "reason": status.reason, "message": status.message}
    said["node"] = status.node
    if status.run is not None:
        said["run"] = status.run
    runs = status.state is MachineState.RUNNING
    if runs and (record.state is not MachineState.RUNNING or said.get("run", record.run) != record.run):
        said |= {"started_at": now, "active_at": None, "doing": ()}
    if status.state in _ENDED and record.state not in _ENDED:
        said |= {"stopped_at": now, "doing": ()}
    if not status.reason and status.state in (MachineState.STOPPING, MachineState.STOPPED):
        said["reason"] = record.reason  # of the wish that stopped it
    return said
