"""The machines of this computer: the contract of ``qwex.machine`` over entries in the queue of the jobs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from qwex.errors import BackendUnavailable, ConfigError, Conflict, InvalidSpec
from qwex.machine import Activity, MachineProvider, MachineState, MachineStatus
from qwex.state import JobState, JobStatus, WaitReason, Why
from qwex_local.backend import LocalBackend
from qwex_local.machines import request as requests
from qwex_local.machines import sshd
from qwex_local.machines.box import Asked, Box, Damaged
from qwex_local.machines.refusals import refusals
from qwex_local.machines.request import LocalMachineRequest, run_id
from qwex_local.machines.states import status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from qwex.machine import MachineContext, MachinePlan

__all__ = ["LocalMachines"]

log = logging.getLogger(__name__)

#: Seconds between two looks whether a machine that has just begun takes connections.
_SOON = 0.02
#: Seconds until what could not be read is looked at again.
_LATER = 1.0
#: Seconds beyond its grace until a machine that ends must be gone.
_GONE = 30.0
_ID = re.compile(r"[a-z0-9-]+")


class _Known(NamedTuple):
    """A machine as its folder and the queue know it."""

    asked: Asked
    #: The status of its entry, None where the queue does not know that.
    job: JobStatus | None
    #: What is lost of it or damaged, in words.
    damage: str = ""


class LocalMachines(MachineProvider[LocalMachineRequest]):
    """A machine is a process that holds quota in the queue, and a folder with a home. Its native id is its id."""

    name: ClassVar[str] = "local"
    #: Seconds between two looks at what goes on in a machine.
    every: ClassVar[float] = 20.0

    def __init__(self, context: MachineContext) -> None:
        super().__init__(context)
        if not isinstance(context.backend, LocalBackend):
            raise ConfigError("machines on this computer need the backend local")
        self._queue = context.backend
        self._root = Path(os.path.abspath(context.folder))
        self._sshd = sshd.find(self._queue.settings.sshd)
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._listeners: set[asyncio.Queue[tuple[str, MachineStatus] | None]] = set()
        #: Set with every change, for those who wait for one.
        self._change = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to hear of the queue's changes."""
        changes = self._queue.watch()
        self._keep(self._follow(changes))
        for folder in self._root.iterdir():
            try:
                if (box := self._box(folder.name)) and (known := await self._found(box)):
                    if known.damage:
                        log.warning("%s", known.damage)
                    self._expect(folder.name, box, known)
            except OSError as error:
                log.warning("the machine %s cannot be taken up: %s", folder.name, error)

    async def close(self) -> None:
        """Hear no more. Machines go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.put_nowait(None)

    def render(self, plan: MachinePlan) -> LocalMachineRequest:
        """The plan as an entry in the queue."""
        # Where the queue leaves word why it ends a job, and how often to look what goes on.
        own = {"jobs": str(self._queue.jobs), "every": self.every}
        return requests.render(plan, self._folder(plan.machine_id), self._queue.render, own)

    def show(self, request: LocalMachineRequest) -> str:
        """What it would hold, and how it would be reached."""
        job = request.job
        held = {name: getattr(job, name) for name in ("queue", "priority", "cpu", "memory", "gpu")}
        own = {name: request.holder[name] for name in ("env", "pre_stop", "grace")}
        home, door = str(self._folder(request.machine_id) / "home"), self._sshd or "none, so plain shells"
        shown = {"machine": request.machine_id, **held, "home": home, "ssh server": door, **own, "keys": request.keys}
        return json.dumps(shown, indent=2, ensure_ascii=False)

    async def start(self, request: LocalMachineRequest) -> str:
        """Queue what is not there or has ended; have what has another shape end first."""
        async with self._starting[request.machine_id]:
            with refusals():
                await self._start(request, Box(self._folder(request.machine_id)))
        return request.machine_id

    async def stop(self, native_id: str, reason: str = "") -> None:
        """Have its holder end."""
        async with self._starting[native_id]:
            with refusals():
                if (box := self._box(native_id)) and (known := await self._found(box)):
                    await self._end(native_id, box, known, reason)

    async def delete(self, native_id: str, *, purge: bool) -> None:
        """Have its holder end, and remove the machine's files."""
        async with self._starting[native_id]:
            if not (box := self._box(native_id)):
                return
            with refusals():
                if known := await self._found(box):
                    await self._end(native_id, box, known, "it is deleted")
                    await self._until_ended(native_id)
                    await self._forget(native_id)
                await asyncio.to_thread(box.clear, purge=purge)

    async def update(self, request: LocalMachineRequest) -> None:
        """Have the next connections go by its keys, and the holder by its limits."""
        with refusals():
            if (box := self._box(request.machine_id)) and await self._found(box):
                box.update(request)

    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        """From the machines' folders and the queue."""
        boxes = {native_id: box for native_id in native_ids if (box := self._box(native_id))}
        with refusals():
            found = {native_id: (box, await self._found(box)) for native_id, box in boxes.items()}
            return {native_id: self._status(box, known) for native_id, (box, known) in found.items() if known}

    def watch(self) -> AsyncIterator[tuple[str, MachineStatus]]:
        """Every change, from this call on."""
        listener: asyncio.Queue[tuple[str, MachineStatus] | None] = asyncio.Queue()
        self._listeners.add(listener)
        return self._heard(listener)

    def door(self, native_id: str) -> dict[str, Any]:
        """The machine's folder, and who logs in."""
        box = Box(self._folder(native_id))
        try:
            asked = box.asked()
        except Damaged:
            asked = None
        has_ssh = asked.ssh if asked else box.listens()
        return {"folder": str(box.folder), "home": str(box.home), "user": sshd.account(), "ssh": has_ssh}

    async def activity(self, native_id: str) -> Activity | None:
        """What its holder says, unless that is old."""
        box = self._box(native_id)
        with refusals():
            known = await self._found(box) if box else None
        if not box or not known or not known.job or known.job.state is not JobState.RUNNING:
            return None
        said = box.activity(known.job.attempt or 1)
        return said if said and time.time() - said.at < 3 * self.every else None

    async def explain(self, native_id: str) -> Why | None:
        """As of a job that waits in the same queue."""
        said = (await self.status([native_id])).get(native_id)
        if said is None or said.state not in (MachineState.QUEUED, MachineState.STARTING):
            return None
        if said.state is MachineState.STARTING:
            return Why(said.message or "has its place; it begins to take connections", WaitReason.STARTING.value)
        box = self._box(native_id)
        with refusals():
            known = await self._found(box) if box else None
        return await self._queue.explain(known.asked.entry) if known else None

    async def preflight(self, plan: MachinePlan) -> Why | None:
        """As of a job that would be the newest."""
        gpu = self.render(plan).job.gpu
        found = await self._queue.preflight(requests.entry(plan, self._folder(plan.machine_id), gpu))
        return None if found is None or found.reason == WaitReason.STARTING.value else found

    # What follows serves the above, in its order.

    async def _follow(self, changes: AsyncIterator[tuple[str, JobStatus]]) -> None:
        try:
            async for name, job in changes:
                self._change.set()
                machine_id = name.removeprefix(run_id("")).rpartition(".")[0]
                if box := self._box(machine_id):
                    async with self._looking(machine_id, box):
                        await self._hear(machine_id, box, name, job)
        finally:  # whoever listens begins again
            for listener in self._listeners:
                listener.put_nowait(None)

    async def _hear(self, machine_id: str, box: Box, name: str, job: JobStatus) -> None:
        known = await self._found(box)
        # What is heard late of an earlier run is no news of this one.
        if known and known.asked.entry == name and (job.attempt or 0) >= known.asked.run:
            known = known._replace(job=job)
            self._tell(machine_id, box, known)
            self._expect(machine_id, box, known)

    def _expect(self, machine_id: str, box: Box, known: _Known) -> None:
        """Tell when a machine that has just begun takes connections."""
        asked, job, _ = known
        if asked.up and job and job.state is JobState.RUNNING and not any(_readiness(box, job)):
            self._keep(self._until_ready(machine_id, box, job))

    async def _until_ready(self, machine_id: str, box: Box, job: JobStatus) -> None:
        async with self._looking(machine_id, box):
            while (known := await self._found(box)) and known.job == job:
                if any(_readiness(box, job)):
                    self._tell(machine_id, box, known)
                    return
                await asyncio.sleep(_SOON)

    @contextlib.asynccontextmanager
    async def _looking(self, machine_id: str, box: Box) -> AsyncIterator[None]:
        """What cannot be read now, because this process or the disk has too much on it, is looked at again later."""
        try:
            yield
        except Exception as error:
            log.warning(
                "where the machine %s is will be told later: %s", machine_id, str(error) or type(error).__name__
            )
            self._keep(self._look_again(machine_id, box))

    async def _look_again(self, machine_id: str, box: Box) -> None:
        await asyncio.sleep(_LATER)
        async with self._looking(machine_id, box):
            if known := await self._found(box):
                self._tell(machine_id, box, known)
                self._expect(machine_id, box, known)

    def _tell(self, machine_id: str, box: Box, known: _Known) -> None:
        for listener in self._listeners:
            listener.put_nowait((machine_id, self._status(box, known)))

    async def _start(self, request: LocalMachineRequest, box: Box) -> None:
        machine_id, known = request.machine_id, await self._found(box)
        asked, job, _ = known or (None, None, "")
        if box.owner() not in (None, request.user):
            raise Conflict(f"{box.folder} is the machine of somebody else, or its home")
        if known and (live := await self._live(machine_id)):
            if live == [known.asked.entry] and known.asked.up and known.asked.shape == request.shape:
                box.update(request)
                return
            await self._end(machine_id, box, known, "it is made anew")
            await self._until_ended(machine_id)
        run = max(asked.run if asked else 0, (job and job.attempt) or 0) + 1
        has_ssh = await self._prepare(request, box, is_new=asked is None)
        entry = asked.entry if asked else _entry(machine_id)
        box.ask(Asked(entry, run, request.shape, up=True, ssh=has_ssh))
        await self._forget(machine_id, but=entry)
        await self._queue.submit(requests.entry_of(request, entry, run))
        await asyncio.to_thread(_tidy, self._queue.jobs / entry, str(run))

    async def _prepare(self, request: LocalMachineRequest, box: Box, *, is_new: bool) -> bool:
        """Make what it needs; whether it has an ssh server.

        Raises:
            InvalidSpec: there is a server, which cannot be used.
        """
        program = self._sshd if sshd.account() else ""
        box.prepare(request, program)
        if program and (problem := await sshd.problem(program, box.folder)):
            if is_new:
                box.clear(purge=not any(box.home.iterdir()))
            raise InvalidSpec(f"{problem}. For plain shells, without ssh, set sshd = '' in [local]")
        return bool(program)

    async def _end(self, machine_id: str, box: Box, known: _Known, reason: str) -> None:
        """Have all end that the queue has of it: one whose file was lost may have been started twice."""
        box.say_stop(reason)
        with contextlib.suppress(OSError):  # its entry's end says the same, so it ends all the same
            box.ask(replace(known.asked, up=False))
        for entry in await self._live(machine_id):
            await self._queue.cancel(entry)
        if (now := await self._found(box)) and now.job:
            self._tell(machine_id, box, now)

    async def _until_ended(self, machine_id: str) -> None:
        """Return once it holds no quota.

        Raises:
            BackendUnavailable: it does not end in time.
        """

        async def ended() -> None:
            while await self._live(machine_id):
                self._change.clear()
                await self._change.wait()

        limit = self._queue.settings.grace + _GONE
        try:
            await asyncio.wait_for(ended(), limit)
        except asyncio.TimeoutError:
            raise BackendUnavailable(f"the machine {machine_id} has not ended in {limit:g} s") from None

    async def _live(self, machine_id: str) -> list[str]:
        """Its entries that have not ended."""
        entries = await self._queue.named(f"{run_id(machine_id)}.")
        return [entry for entry, job in entries.items() if not job.state.terminal]

    async def _forget(self, machine_id: str, but: str = "") -> None:
        """Have the queue forget its entries, which have ended."""
        for entry in await self._queue.named(f"{run_id(machine_id)}."):
            if entry != but:
                await self._queue.forget(entry)

    async def _found(self, box: Box) -> _Known | None:
        """What is known of it: what was asked of it, or where that is lost what the queue has of it."""
        damage = ""
        try:
            if asked := box.asked():
                return _Known(asked, (await self._queue.status([asked.entry])).get(asked.entry))
        except Damaged as error:
            damage = str(error)
        entries = await self._queue.named(f"{run_id(box.folder.name)}.")
        if not entries and not damage:
            return None
        entry, job = list(entries.items())[-1] if entries else (_entry(box.folder.name), None)
        # The shape is no machine's, so that the next start makes it anew.
        asked = Asked(entry, (job and job.attempt) or 1, "", up=True, ssh=box.listens())
        return _Known(asked, job, damage or box.loss())

    def _status(self, box: Box, known: _Known) -> MachineStatus:
        asked, job, damage = known
        is_ready, unreadable = _readiness(box, job) if asked.up and job else (False, "")
        status = status_of(asked, job, os.uname().nodename, is_ready=is_ready)
        return replace(status, message=". ".join(filter(None, (status.message, damage, unreadable))))

    def _folder(self, machine_id: str) -> Path:
        return self._root / machine_id

    def _box(self, native_id: str) -> Box | None:
        """The machine's folder, whether it is there or not; None for what can be no machine."""
        return Box(self._folder(native_id)) if _ID.fullmatch(native_id) else None

    async def _heard(
        self, listener: asyncio.Queue[tuple[str, MachineStatus] | None]
    ) -> AsyncIterator[tuple[str, MachineStatus]]:
        try:
            while change := await listener.get():
                yield change
        finally:
            self._listeners.discard(listener)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _entry(machine_id: str) -> str:
    """The name of a new entry of the machine's."""
    return f"{run_id(machine_id)}.{secrets.token_hex(4)}"


def _readiness(box: Box, job: JobStatus) -> tuple[bool, str]:
    """Whether it takes connections, or why that is not known; neither while it does not run."""
    if job.state is not JobState.RUNNING:
        return False, ""
    try:
        return box.is_ready(job.attempt or 1), ""
    except Damaged as error:
        return False, str(error)


def _tidy(attempts: Path, present: str) -> None:
    """Remove what the queue kept of earlier runs."""
    with contextlib.suppress(FileNotFoundError):
        for attempt in attempts.iterdir():
            if attempt.name != present:
                shutil.rmtree(attempt, ignore_errors=True)
