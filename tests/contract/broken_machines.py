"""Providers that break the contract, each by one thing changed in those of this computer. The kit must catch each."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qwex_local.door import connect
from qwex_local.machines.box import Box
from qwex_local.machines.provider import LocalMachines

from qwex.door import DoorError
from qwex.machine import Activity, BackendUnavailable, MachinePlan, MachineState, MachineStatus
from qwex.machinespec import MachineResources, machine_id
from qwex.runner.processes import descendants

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from qwex_local.machines.request import LocalMachineRequest

    from qwex.relay import SocketTunnel
    from qwex.state import Why


class Machines(LocalMachines):
    every = 0.2
    opener = "qwex_local.door:connect"

    async def until_ended(self, native_id: str) -> None:
        await self._until_ended(Box(self.context.folder / native_id))


class NeverTheSame(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        request = super().render(plan)
        return replace(request, holder={**request.holder, "nonce": secrets.token_hex()})


class LosesTheId(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        return super().render(replace(plan, machine_id="kit-somebody"))


class LeaksTheHostKey(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        request = super().render(plan)
        return replace(request, holder={**request.holder, "key": plan.host_key.read_text().splitlines()[1]})


class WritesInRender(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        (self.context.folder / plan.machine_id).mkdir(exist_ok=True)
        return super().render(plan)


class GivesLess(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        less = MachineResources(cpu="1")
        return super().render(replace(plan, spec=plan.spec.model_copy(update={"resources": less})))

    async def preflight(self, plan: MachinePlan) -> Why | None:
        return None


class IgnoresOptions(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        return super().render(replace(plan, spec=plan.spec.model_copy(update={"provider_options": {}})))


class StartsAnew(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        await self.stop(request.machine_id)
        return await super().start(request)


class StartsTwo(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        another = f"{request.machine_id}-{secrets.token_hex(2)}"
        return await super().start(
            replace(request, machine_id=another, job=replace(request.job, run_id=f"machine.{another}"))
        )


class StopsAsIfDeleted(Machines):
    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        found = await super().status(native_ids)
        return {each: status for each, status in found.items() if status.state is not MachineState.STOPPED}


class IgnoresAnEarlyStop(Machines):
    async def stop(self, native_id: str, reason: str = "") -> None:
        if (await self.status([native_id]))[native_id].state is MachineState.RUNNING:
            await super().stop(native_id, reason)


class IgnoresAnEarlyStart(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        known = (await self.status([request.machine_id])).get(request.machine_id)
        return request.machine_id if known and known.state is MachineState.STOPPING else await super().start(request)


class IgnoresTheShape(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        known = (await self.status([request.machine_id])).get(request.machine_id)
        return request.machine_id if known and known.state.is_up else await super().start(request)


class IsAnybodys(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        return await super().start(replace(request, user="kit"))


class DeleteStops(Machines):
    async def delete(self, native_id: str, *, purge: bool) -> None:
        await (super().delete(native_id, purge=purge) if purge else self.stop(native_id))


class KnowsOneUser(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        return super().render(replace(plan, machine_id=machine_id(plan.spec.name, "kit"), user="kit"))


class GivesHomesAway(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        if (box := self._box(request.machine_id)) and box.asked() is None:
            (box.folder / "owner").unlink(missing_ok=True)
        return await super().start(request)


class StopTakesTheHome(Machines):
    async def stop(self, native_id: str, reason: str = "") -> None:
        await super().stop(native_id, reason)
        await self.until_ended(native_id)
        shutil.rmtree(self.context.folder / native_id / "home")


class ShapeTakesTheHome(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        box = self._box(request.machine_id)
        if box and (asked := box.asked()) and asked.shape != request.shape:
            await self.delete(request.machine_id, purge=True)
        return await super().start(request)


class NeverPurges(Machines):
    async def delete(self, native_id: str, *, purge: bool) -> None:
        await super().delete(native_id, purge=False)


class SkipsTheLastCommand(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        return super().render(replace(plan, spec=plan.spec.model_copy(update={"pre_stop": ""})))


class InventsMachines(Machines):
    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        return dict.fromkeys(native_ids, MachineStatus(MachineState.STOPPED)) | await super().status(native_ids)


class GoesBack(Machines):
    async def watch(self) -> AsyncIterator[tuple[str, MachineStatus]]:
        async for native_id, status in super().watch():
            yield native_id, status
            if status.state is MachineState.RUNNING:
                yield native_id, replace(status, state=MachineState.QUEUED)
                yield native_id, status


class WatchKnowsLess(Machines):
    async def watch(self) -> AsyncIterator[tuple[str, MachineStatus]]:
        async for native_id, status in super().watch():
            yield native_id, replace(status, node="")


class KnowsItsOwn(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        self._known.add(request.machine_id)
        return await super().start(request)

    def adopt(self, native_id: str) -> None:
        pass

    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        return await super().status([each for each in native_ids if each in self._known])


class StartsWhatItFinds(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        if request.machine_id not in self._known:
            await self.stop(request.machine_id)
        return await super().start(request)


class StopsInMemory(Machines):
    async def stop(self, native_id: str, reason: str = "") -> None:
        self.__dict__.setdefault("pretended", set()).add(native_id)

    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        found, pretended = await super().status(native_ids), self.__dict__.get("pretended", ())
        return {
            each: MachineStatus(MachineState.STOPPED) if each in pretended else status for each, status in found.items()
        }


class DropsVariables(Machines):
    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        return super().render(replace(plan, spec=plan.spec.model_copy(update={"env": {}})))


class MakesItsOwnHostKey(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        return await super().start(replace(request, host_key=request.host_key.with_name("user")))


class UpdateStartsAnew(Machines):
    async def update(self, request: LocalMachineRequest) -> None:
        await self.stop(request.machine_id)
        await self.start(request)


class DoorIsVague(Machines):
    opener = "broken_machines:vague"


def vague(door: Mapping[str, Any], port: int) -> SocketTunnel:
    try:
        return connect(door, port)
    except DoorError as error:
        raise DoorError(str(error)) from None


class DoorIsSecret(Machines):
    def door(self, native_id: str) -> dict[str, Any]:
        return {**super().door(native_id), "key": (self.context.folder / native_id / "host_key").read_text()}


class OneAtATime(Machines):
    opener = "broken_machines:one"


def one(door: Mapping[str, Any], port: int) -> SocketTunnel:
    lock = os.open(f"{door['folder']}/lock", os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DoorError("somebody is in") from None
    return connect(door, port)


class TellsNobody(Machines):
    async def stop(self, native_id: str, reason: str = "") -> None:
        holder = json.loads((self.context.folder / native_id / "ready.json").read_text())["pid"]
        for pid in descendants(holder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await super().stop(native_id, reason)


class NeverExplains(Machines):
    async def explain(self, native_id: str) -> Why | None:
        return None


class KeepsItsQuota(StopsInMemory):
    pass


class RunsAsItWaits(Machines):
    async def watch(self) -> AsyncIterator[tuple[str, MachineStatus]]:
        async for native_id, status in super().watch():
            waits = status.state is MachineState.QUEUED
            yield native_id, replace(status, state=MachineState.RUNNING) if waits else status


class SeesNobody(Machines):
    async def activity(self, native_id: str) -> Activity | None:
        await asyncio.sleep(0)
        return Activity(1.0, 1.0)


class LetsErrorsOut(Machines):
    async def start(self, request: LocalMachineRequest) -> str:
        try:
            return await super().start(request)
        except BackendUnavailable as error:
            raise (error.__cause__ or error) from None


class StopsOnTheQuiet(Machines):
    async def stop(self, native_id: str, reason: str = "") -> None:
        with contextlib.suppress(BackendUnavailable):
            await super().stop(native_id, reason)


class ForgetsWhatIsAway(Machines):
    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        try:
            return await super().status(native_ids)
        except BackendUnavailable:
            return {}


#: Each with the scenario that must catch it, and one that it still passes: the fault is found, not a general ruin.
CAUGHT_BY = {
    NeverTheSame: ("test_m1a", "test_m1b"),
    LosesTheId: ("test_m1b", "test_m1a"),
    LeaksTheHostKey: ("test_m1c", "test_m1b"),
    WritesInRender: ("test_m1d", "test_m1a"),
    GivesLess: ("test_m1e", "test_m1f"),
    IgnoresOptions: ("test_m1f", "test_m1e"),
    StartsAnew: ("test_m2a", "test_m1a"),
    StartsTwo: ("test_m2b", "test_m1a"),
    StopsAsIfDeleted: ("test_m2c", "test_m2a"),
    IgnoresAnEarlyStop: ("test_m2d", "test_m1a"),
    IgnoresAnEarlyStart: ("test_m2e", "test_m1a"),
    IgnoresTheShape: ("test_m2f", "test_m2a"),
    IsAnybodys: ("test_m2g", "test_m2a"),
    DeleteStops: ("test_m2h", "test_m1a"),
    KnowsOneUser: ("test_m2i", "test_m2a"),
    StopTakesTheHome: ("test_m3a", "test_m2d"),
    ShapeTakesTheHome: ("test_m3b", "test_m1a"),
    NeverPurges: ("test_m3c", "test_m1a"),
    SkipsTheLastCommand: ("test_m3d", "test_m1a"),
    GivesHomesAway: ("test_m3e", "test_m2g"),
    InventsMachines: ("test_m4a", "test_m1a"),
    GoesBack: ("test_m4b", "test_m2a"),
    WatchKnowsLess: ("test_m4c", "test_m2a"),
    KnowsItsOwn: ("test_m4d", "test_m2a"),
    StartsWhatItFinds: ("test_m4e", "test_m2a"),
    StopsInMemory: ("test_m4f", "test_m1a"),
    DropsVariables: ("test_m5a", "test_m1a"),
    MakesItsOwnHostKey: ("test_m5b", "test_m5e"),
    UpdateStartsAnew: ("test_m5c", "test_m5e"),
    DoorIsVague: ("test_m5d", "test_m5e"),
    DoorIsSecret: ("test_m5e", "test_m1a"),
    OneAtATime: ("test_m5f", "test_m5e"),
    TellsNobody: ("test_m5g", "test_m5e"),
    NeverExplains: ("test_m6a", "test_m1a"),
    KeepsItsQuota: ("test_m6b", "test_m6a"),
    RunsAsItWaits: ("test_m6c", "test_m6a"),
    SeesNobody: ("test_m6d", "test_m5e"),
    LetsErrorsOut: ("test_m7a", "test_m1a"),
    StopsOnTheQuiet: ("test_m7b", "test_m7a"),
    ForgetsWhatIsAway: ("test_m7c", "test_m7b"),
}
