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
from typing import TYPE_CHECKING, Any, ClassVar

from qwex.errors import BackendUnavailable, ConfigError, Conflict, InvalidSpec
from qwex.machine import Activity, MachineProvider, MachineState, MachineStatus
from qwex.state import JobState, JobStatus, WaitReason, Why
from qwex_local.backend import LocalBackend
from qwex_local.machines import request as requests
from qwex_local.machines import sshd
from qwex_local.machines.box import Asked, Box
from qwex_local.machines.request import LocalMachineRequest, run_id
from qwex_local.machines.states import status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence

    from qwex.machine import MachineContext, MachinePlan

__all__ = ["LocalMachines"]

log = logging.getLogger(__name__)

#: Seconds between two looks whether a machine that has just begun takes connections.
_SOON = 0.02
#: Seconds beyond its grace until a machine that ends must be gone.
_GONE = 30.0
_ID = re.compile(r"[a-z0-9-]+")


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
                if (box := self._box(folder.name)) and (asked := box.asked()):
                    self._expect(folder.name, box, await self._job(box), asked)
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
            with _written():
                await self._start(request, Box(self._folder(request.machine_id)))
        return request.machine_id

    async def stop(self, native_id: str, reason: str = "") -> None:
        """Have its holder end."""
        async with self._starting[native_id]:
            with _written():
                if (box := self._box(native_id)) and (asked := box.asked()):
                    await self._end(native_id, box, asked, reason)

    async def delete(self, native_id: str, *, purge: bool) -> None:
        """Have its holder end, and remove the machine's files."""
        async with self._starting[native_id]:
            if not (box := self._box(native_id)):
                return
            with _written():
                if asked := box.asked():
                    await self._end(native_id, box, asked, "it is deleted")
                    await self._until_ended(box)
                    await self._queue.forget(asked.entry)
                await asyncio.to_thread(box.clear, purge=purge)

    async def update(self, request: LocalMachineRequest) -> None:
        """Have the next connections go by its keys, and the holder by its limits."""
        with _written():
            if (box := self._box(request.machine_id)) and box.asked():
                box.update(request)

    async def status(self, native_ids: Sequence[str]) -> dict[str, MachineStatus]:
        """From the machines' folders and the queue."""
        boxes = {native_id: box for native_id in native_ids if (box := self._box(native_id))}
        with _written():
            said = {native_id: self._status(box, await self._job(box)) for native_id, box in boxes.items()}
        return {native_id: status for native_id, status in said.items() if status}

    def watch(self) -> AsyncIterator[tuple[str, MachineStatus]]:
        """Every change, from this call on."""
        listener: asyncio.Queue[tuple[str, MachineStatus] | None] = asyncio.Queue()
        self._listeners.add(listener)
        return self._heard(listener)

    def door(self, native_id: str) -> dict[str, Any]:
        """The machine's folder, and who logs in."""
        box = Box(self._folder(native_id))
        asked = box.asked()
        return {
            "folder": str(box.folder),
            "home": str(box.home),
            "user": sshd.account(),
            "ssh": bool(asked and asked.ssh),
        }

    async def activity(self, native_id: str) -> Activity | None:
        """What its holder says, unless that is old."""
        box = self._box(native_id)
        job = await self._job(box) if box else None
        if not box or not job or job.state is not JobState.RUNNING:
            return None
        said = box.activity(job.attempt or 1)
        return said if said and time.time() - said.at < 3 * self.every else None

    async def explain(self, native_id: str) -> Why | None:
        """As of a job that waits in the same queue."""
        said = (await self.status([native_id])).get(native_id)
        if said is None or said.state not in (MachineState.QUEUED, MachineState.STARTING):
            return None
        if said.state is MachineState.STARTING:
            return Why("has its place; it begins to take connections", WaitReason.STARTING.value)
        box = self._box(native_id)
        asked = box.asked() if box else None
        return await self._queue.explain(asked.entry) if asked else None

    async def preflight(self, plan: MachinePlan) -> Why | None:
        """As of a job that would be the newest."""
        gpu = self.render(plan).job.gpu
        found = await self._queue.preflight(requests.entry(plan, self._folder(plan.machine_id), gpu))
        return None if found is None or found.reason == WaitReason.STARTING.value else found

    # What follows serves the above, in its order.

    async def _follow(self, changes: AsyncIterator[tuple[str, JobStatus]]) -> None:
        async for name, job in changes:
            machine_id = name.removeprefix(run_id("")).rpartition(".")[0]
            self._change.set()
            box = self._box(machine_id)
            # What is heard late of an earlier run is no news of this one.
            if box and (asked := box.asked()) and asked.entry == name and (job.attempt or 0) >= asked.run:
                self._tell(machine_id, box, job)
                self._expect(machine_id, box, job, asked)

    def _expect(self, machine_id: str, box: Box, job: JobStatus | None, asked: Asked) -> None:
        """Tell when a machine that has just begun takes connections."""
        if asked.up and job and job.state is JobState.RUNNING and not box.is_ready(job.attempt or 1):
            self._keep(self._until_ready(machine_id, box, job))

    async def _until_ready(self, machine_id: str, box: Box, job: JobStatus) -> None:
        while await self._job(box) == job:
            if box.is_ready(job.attempt or 1):
                self._tell(machine_id, box, job)
                return
            await asyncio.sleep(_SOON)

    def _tell(self, machine_id: str, box: Box, job: JobStatus) -> None:
        if status := self._status(box, job):
            for listener in self._listeners:
                listener.put_nowait((machine_id, status))

    async def _start(self, request: LocalMachineRequest, box: Box) -> None:
        machine_id, asked, job = request.machine_id, box.asked(), await self._job(box)
        if box.owner() not in (None, request.user):
            raise Conflict(f"{box.folder} is the machine of somebody else, or its home")
        if asked and job and not job.state.terminal:
            if asked.up and asked.shape == request.shape:
                box.update(request)
                return
            await self._end(machine_id, box, asked, "it is made anew")
            await self._until_ended(box)
        run = max(asked.run if asked else 0, (job and job.attempt) or 0) + 1
        has_ssh = await self._prepare(request, box)
        entry = asked.entry if asked else f"{run_id(machine_id)}.{secrets.token_hex(4)}"
        box.ask(Asked(entry, run, request.shape, up=True, ssh=has_ssh))
        await self._queue.submit(requests.entry_of(request, entry, run))
        await asyncio.to_thread(_tidy, self._queue.jobs / entry, str(run))

    async def _prepare(self, request: LocalMachineRequest, box: Box) -> bool:
        """Make what it needs; whether it has an ssh server.

        Raises:
            InvalidSpec: there is a server, which cannot be used.
        """
        program = self._sshd if sshd.account() else ""
        box.prepare(request, program)
        if program and (problem := await sshd.problem(program, box.folder)):
            if box.asked() is None:
                box.clear(purge=not any(box.home.iterdir()))
            raise InvalidSpec.of("provider", f"{problem}. For plain shells, without ssh, set sshd = '' in [local]")
        return bool(program)

    async def _end(self, machine_id: str, box: Box, asked: Asked, reason: str) -> None:
        box.say_stop(reason)
        box.ask(replace(asked, up=False))
        await self._queue.cancel(asked.entry)
        if job := await self._job(box):
            self._tell(machine_id, box, job)

    async def _until_ended(self, box: Box) -> None:
        """Return once it holds no quota.

        Raises:
            BackendUnavailable: it does not end in time.
        """

        async def ended() -> None:
            while (job := await self._job(box)) and not job.state.terminal:
                self._change.clear()
                await self._change.wait()

        limit = self._queue.settings.grace + _GONE
        try:
            await asyncio.wait_for(ended(), limit)
        except asyncio.TimeoutError:
            raise BackendUnavailable(f"the machine {box.folder.name} has not ended in {limit:g} s") from None

    async def _job(self, box: Box) -> JobStatus | None:
        """The status of its entry in the queue."""
        name = asked.entry if (asked := box.asked()) else ""
        return (await self._queue.status([name])).get(name)

    def _status(self, box: Box, job: JobStatus | None) -> MachineStatus | None:
        if (asked := box.asked()) is None:
            return None
        is_ready = box.is_ready((job and job.attempt) or asked.run)
        return status_of(asked, job, os.uname().nodename, is_ready=is_ready)

    def _folder(self, machine_id: str) -> Path:
        return self._root / machine_id

    def _box(self, native_id: str) -> Box | None:
        """The machine's folder, if there is one."""
        folder = self._folder(native_id)
        return Box(folder) if _ID.fullmatch(native_id) and folder.is_dir() else None

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


def _tidy(attempts: Path, present: str) -> None:
    """Remove what the queue kept of earlier runs."""
    with contextlib.suppress(FileNotFoundError):
        for attempt in attempts.iterdir():
            if attempt.name != present:
                shutil.rmtree(attempt, ignore_errors=True)


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """What cannot be read or written now may be later."""
    try:
        yield
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise BackendUnavailable(said) from error
