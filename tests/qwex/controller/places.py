"""A provider of machines that does what a test says; its place outlives every controller."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from qwex import hookimpl
from qwex.errors import BackendUnavailable, Conflict, InvalidSpec, NotAuthorized
from qwex.machine import Activity, MachineProvider, MachineState, MachineStatus
from qwex.state import Why

__all__ = ["Place"]


class Place:
    """Where the machines are, and what was asked of it."""

    def __init__(self):
        self.machines = {}
        self.requests = {}
        self.asked = []
        self.is_away = False
        #: Where its provider says that machines are, if it does.
        self.where = ""
        #: A start, an update or a delete is not answered until ``go``.
        self.go = asyncio.Event()
        self.go.set()
        #: What a machine becomes when it is started.
        self.becomes = MachineState.RUNNING
        self.activity = None
        self.refusal = None
        #: Machines that do not say what goes on in them.
        self.mute = set()
        #: What its watches tell, in place of polls; an exception breaks the one that there is.
        self.told = None
        self.watches = self.watching = 0
        #: Set with every call.
        self.called = asyncio.Event()

    def provider(self, name="place"):
        """The class of a provider over it."""
        return type("PlaceProvider", (_Provider,), {"name": name, "place": self})

    def say(self, native_id, state, **more):
        """The machine's status."""
        self.machines[native_id] = replace(self.machines[native_id], state=MachineState(state), **more)

    def note(self, *call):
        self.asked.append(call)
        self.called.set()
        if self.is_away:
            raise BackendUnavailable("the place is away")

    async def until_asked(self, *call, again=0):
        """Return once it was asked for that, so many times more than once."""
        while self.asked.count(call) <= again:
            self.called.clear()
            await asyncio.wait_for(self.called.wait(), 30)


class _Provider(MachineProvider[dict]):
    place: Place
    poll = (0.002, 0.01)

    def render(self, plan):
        if plan.spec.queue == "nowhere":
            raise InvalidSpec.of("queue", "there is no such queue")
        keys = list(plan.spec.keys)
        return {"id": plan.machine_id, "gpu": plan.spec.resources.gpu, "host_key": plan.host_key_public, "keys": keys}

    async def start(self, request):
        place, native_id = self.place, f"native-{request['id']}"
        place.note("start", native_id)
        await place.go.wait()
        if place.refusal == "invalid":
            raise InvalidSpec.of("image", "there is no such image")
        if place.refusal == "taken":
            raise Conflict("somebody else's machine has that name")
        if place.refusal == "right":
            raise NotAuthorized("you may not create machines there")
        known = place.machines.get(native_id, MachineStatus(MachineState.STOPPED, run=0))
        if not known.state.is_up or place.requests.get(native_id) != request:
            place.machines[native_id] = MachineStatus(place.becomes, node="node-1", run=known.run + 1)
        place.requests[native_id] = request
        return native_id

    async def stop(self, native_id, reason=""):
        self.place.note("stop", native_id, reason)
        if self.place.refusal == "stop":
            raise InvalidSpec("the place refuses to stop it")
        self.place.say(native_id, "STOPPED", node="")

    async def delete(self, native_id, *, purge):
        self.place.note("delete", native_id, purge)
        await self.place.go.wait()
        self.place.machines.pop(native_id, None)

    async def update(self, request):
        self.place.note("update", request["id"])
        await self.place.go.wait()
        if self.place.refusal == "update":
            self.place.requests[f"native-{request['id']}"] = None
            raise BackendUnavailable("the place went away in the middle of it")
        self.place.requests[f"native-{request['id']}"] = request

    async def status(self, native_ids):
        if self.place.is_away:
            raise BackendUnavailable("the place is away")
        return {each: self.place.machines[each] for each in native_ids if each in self.place.machines}

    async def watch(self):
        place = self.place
        place.watches, place.watching = place.watches + 1, place.watching + 1
        try:
            while place.told:
                said = await place.told.get()
                if isinstance(said, Exception):
                    raise said
                yield said
            async for said in super().watch():
                yield said
        finally:
            place.watching -= 1

    def door(self, native_id):
        return {"path": native_id, **({"place": self.place.where} if self.place.where else {})}

    async def activity(self, native_id):
        self.place.note("activity", native_id)
        if native_id in self.place.mute:
            await asyncio.Event().wait()
        return Activity(*self.place.activity) if self.place.activity else None

    async def explain(self, native_id):
        return Why("it waits for a GPU")


@hookimpl
def qwex_register_machine_providers(register):
    register(Place().provider())
