"""The use cases of dev machines: what is asked for is durable first, then brought about."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from qwex.controller.machines.answers import MachineAnswers
from qwex.controller.machines.idle import Policies
from qwex.controller.machines.keys import MachineKeys
from qwex.controller.machines.providers import Providers
from qwex.controller.machines.records import ALWAYS, AT_START, recorded, shown_of, with_changes
from qwex.controller.machines.registry import MachineRegistry
from qwex.controller.machines.store import DELETED, PURGED, RUNNING, STOPPED, Asked, LiveMachine, MachineStore
from qwex.controller.machines.waiting import ended, woken
from qwex.controller.machines.wishes import Wishes, plan_of
from qwex.controller.problems import StoreUnavailable
from qwex.errors import BackendUnavailable
from qwex.machines import MachineGone, MachineReason, MachineState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from qwex.config import Settings
    from qwex.controller.auth import Caller
    from qwex.controller.backends import Backends
    from qwex.controller.bus import Bus
    from qwex.controller.store import Store
    from qwex.machines import MachineRecord, MachineStatus
    from qwex.machinespec import MachineSpec

__all__ = ["Machines"]

T = TypeVar("T")

#: Seconds for which the creation of a machine waits for its provider's word.
_HAND_OVER = 10.0


class Machines(MachineAnswers):
    """What is asked of the machines of this controller."""

    def __init__(self, settings: Settings, backends: Backends, store: Store, bus: Bus) -> None:
        super().__init__(MachineRegistry(), Providers(settings, backends), MachineKeys(settings.folder / "machines"))
        self._providers.on_status, self._providers.on_again = self._heard, self._heard_again
        self._store = MachineStore(store)
        self._bus = bus
        self._wishes = Wishes(self._providers, self._keys, self._store)
        self._wishes.on_change, self._wishes.on_gone = self._changed, self._gone
        self._policies = Policies(self._registry.by_id, self._providers, self._store, self._end)
        self._policies.on_note = self._told
        self._tasks: set[asyncio.Task[Any]] = set()

    def start_up(self) -> None:
        """Take up every machine; their providers are asked in the background. Blocks."""
        for machine in self._store.load():
            self._registry.add(machine)
            if not machine.fulfilled:
                self._wishes.begin(machine)
        for name, machines in self._registry.by_provider().items():
            self._keep(self._wishes.adopt(name, machines))
        self._policies.start()

    async def close(self) -> None:
        """Let go. Machines go on."""
        await ended(self._tasks)
        await self._policies.close()
        await self._providers.watch_no_more()
        await self._wishes.close()
        await self._providers.close()

    @property
    def need_care(self) -> bool:
        """Whether one is to be brought somewhere, or up with a policy that only a controller keeps."""
        return any(not each.fulfilled or self._policies.watches(each) for each in self._registry.by_id.values())

    async def create(self, spec: MachineSpec, caller: Caller) -> MachineRecord:
        """Record a machine and have it run; it is durable when this returns.

        Raises:
            InvalidSpec: refused; nothing was stored.
            Conflict: the caller has a machine of that name, or somebody else's is in its place.
        """
        machine = recorded(spec, caller, spec.provider or self._providers.default)
        machine.change(Asked("create", caller.user))
        await self._rehearse(machine.record, spec)
        self._registry.add(machine)
        return await asyncio.shield(self._keep(self._create(machine)))

    async def start(self, name: str, changes: Mapping[str, Any], caller: Caller) -> MachineRecord:
        """Have it run, otherwise than before where there are changes; the wish is durable when this returns.

        Raises:
            InvalidSpec: the changes do not make a machine that can run; it stays as it is.
        """
        machine = self._registry.own(name, caller)
        spec = with_changes(machine.spec, changes, AT_START)
        if spec == machine.spec and _goes_on(machine):
            return machine.record
        await self._rehearse(machine.record, spec)
        spec = with_changes(machine.spec, changes, AT_START)  # another change may have come meanwhile
        run = machine.record.run + (0 if machine.record.state.is_up or machine.record.started_at is None else 1)
        values = {"state": MachineState.PENDING, "reason": "", "message": "", "run": run}
        if _goes_on(machine) and set(changes) <= set(ALWAYS):
            values = {}  # it is not started anew
        if machine.spec.queue and not spec.queue:
            values["queue"] = None  # the default one, once its provider has said that
        asked = Asked("start", caller.user, ", ".join(changes))
        return await self._wish(machine, RUNNING, spec, asked, **values, **shown_of(spec))

    async def stop(self, name: str, caller: Caller) -> MachineRecord:
        """Ask it to end; its home stays. The wish is durable when this returns."""
        machine = self._registry.own(name, caller)
        return await self._end(machine, MachineReason.STOPPED_BY_USER, caller.user)

    async def delete(self, name: str, caller: Caller, *, purge: bool) -> MachineRecord:
        """Remove it, and with ``purge`` its home. The wish is durable when this returns."""
        machine = self._registry.own(name, caller, going=True)
        if machine.wanted == PURGED:
            return machine.record
        state = MachineState.STOPPING if machine.record.state.is_up else machine.record.state
        asked = Asked("purge" if purge else "delete", caller.user)
        return await self._wish(machine, PURGED if purge else DELETED, machine.spec, asked, state=state)

    async def change(self, name: str, changes: Mapping[str, Any], caller: Caller) -> MachineRecord:
        """Change its limits and whom it lets in, without starting or stopping it.

        Raises:
            InvalidSpec: those are no such changes; it stays as it is.
            BackendUnavailable: it cannot be told now. Where that left it halfway, it is brought back to what it was.
        """
        async with self._registry.own(name, caller).telling:
            machine = self._registry.own(name, caller)  # what was waited for may have removed it
            spec = with_changes(machine.spec, changes, ALWAYS)
            if machine.record.native_id is None:
                return await self._change(machine, changes, caller)
            provider = await self._providers.get(machine.record.provider)
            await self._wishes.check_place(machine, provider)
            key = await self._keys.made(machine.id)
            request = provider.render(plan_of(machine.id, LiveMachine(machine.record, spec), key))
            try:
                await provider.update(request)
                return await self._change(machine, changes, caller)
            except Exception:
                await self._anew(machine)
                raise

    async def _change(self, machine: LiveMachine, changes: Mapping[str, Any], caller: Caller) -> MachineRecord:
        """Record what its provider was told; or all is as before."""
        before = machine.record, machine.spec, machine.events, machine.unsaved
        machine.spec = spec = with_changes(machine.spec, changes, ALWAYS)
        machine.change(Asked("change", caller.user, ", ".join(changes)), **shown_of(spec))
        try:
            await self._store.save(machine)
        except Exception:
            if machine.spec is spec:
                machine.record, machine.spec, machine.events, machine.unsaved = before
            raise
        self._changed(machine)
        return machine.record

    async def _anew(self, machine: LiveMachine) -> None:
        """Have its provider told once more what it is to be; one that is not to run is told at its next start."""
        if not _goes_on(machine):
            return
        machine.fulfilled = False
        machine.wishes += 1
        self._wishes.begin(machine)
        with contextlib.suppress(StoreUnavailable):  # it is written once it was told
            await self._store.save(machine)

    async def _rehearse(self, record: MachineRecord, spec: MachineSpec) -> None:
        """Refuse what the provider is known to refuse; one that is away is asked later.

        Raises:
            InvalidSpec: such a machine can never be.
        """
        try:
            provider = await self._providers.get(record.provider)
        except BackendUnavailable:
            return
        provider.render(plan_of(record.id, LiveMachine(record, spec), self._keys.rehearsed(record.id)))

    def _keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do it though whoever asked goes away meanwhile; until it is done, or this controller ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._kept)
        return task

    def _kept(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left to hear of it

    async def _create(self, machine: LiveMachine) -> MachineRecord:
        try:
            machine.change(host_key=(await self._keys.made(machine.id)).public)
            await self._store.insert(machine)
        except Exception:
            await self._keys.drop(machine.id)
            self._registry.remove(machine)
            raise
        return await self._handed_over(machine)

    async def _handed_over(self, machine: LiveMachine) -> MachineRecord:
        """The record once the provider has answered, or could not be asked.

        Raises:
            InvalidSpec: it refuses the machine; nothing stays stored.
            Conflict: somebody else's machine is in its place; nothing stays stored.
        """
        machine.is_new = True
        try:
            self._wishes.begin(machine)
            await woken(machine.answered, _HAND_OVER)
        finally:
            machine.is_new = False
        if machine.refusal:
            raise machine.refusal
        return machine.record

    async def _end(self, machine: LiveMachine, reason: MachineReason, user: str = "") -> MachineRecord:
        # One that failed may still have a place that holds something.
        has_failed = machine.record.state is MachineState.FAILED and machine.record.native_id is None
        has_ended = machine.fulfilled and (machine.record.state is MachineState.STOPPED or has_failed)
        # One that was stopped may run all the same: whoever may can start it in its place.
        is_stopping = machine.wanted == STOPPED and not machine.fulfilled
        if is_stopping or has_ended:
            return machine.record
        values = {"state": MachineState.STOPPING, "reason": reason.value, "message": ""}
        return await self._wish(machine, STOPPED, machine.spec, Asked("stop", user), **values)

    async def _wish(
        self, machine: LiveMachine, wanted: str, spec: MachineSpec, asked: Asked, **values: Any
    ) -> MachineRecord:
        before = machine.record, machine.spec, machine.wanted, machine.fulfilled
        told = machine.events, machine.unsaved
        machine.change(asked, **values)
        machine.spec, machine.wanted, machine.fulfilled = spec, wanted, False
        machine.wishes += 1
        wish = machine.wishes
        try:
            await self._store.save(machine)
        except Exception:
            if machine.wishes == wish:
                machine.record, machine.spec, machine.wanted, machine.fulfilled = before
                machine.events, machine.unsaved = told
            raise
        self._changed(machine)
        self._wishes.begin(machine)
        return machine.record

    async def _heard(self, provider: str, native_id: str, status: MachineStatus) -> None:
        if machine := self._registry.by_native(provider, native_id):
            await self._wishes.heard(machine, status)

    async def _heard_again(self, provider: str) -> None:
        await self._wishes.adopt(provider, self._registry.by_provider().get(provider, ()))

    def _changed(self, machine: LiveMachine) -> None:
        self._policies.look()
        self._told(machine)

    def _told(self, machine: LiveMachine) -> None:
        self._bus.publish(machine.record)

    def _gone(self, machine: LiveMachine) -> None:
        self._registry.remove(machine)
        self._bus.publish(MachineGone(machine.id, machine.record.name, machine.record.user))


def _goes_on(machine: LiveMachine) -> bool:
    """Whether it runs, or will, and is to."""
    return machine.wanted == RUNNING and machine.record.state.is_up
