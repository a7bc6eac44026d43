"""Drives a provider of machines as the controller does: render, start, watch, open doors. Every wait is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from qwex.door import SSH_PORT
from qwex.machine import MachinePlan, MachineProvider, MachineState, MachineStatus
from qwex.machinespec import MachineSpec, machine_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from qwex.backend import Backend

__all__ = ["Keys", "MachineDriver", "Ran", "keypair"]

T = TypeVar("T")

#: What ssh starts for a connection: as qwex's own, without the folder of the user's machines.
_PROXY = (
    "import importlib,json,os,sys;"
    "m,f=sys.argv[1].split(':');"
    "getattr(importlib.import_module(m),f)(json.loads(sys.argv[2]),int(sys.argv[3])).relay(0,1);"
    "os._exit(0)"
)


class Ran(NamedTuple):
    """A command that ran in a machine, or ssh's own failure (255)."""

    code: int
    out: str
    err: str


class Keys(NamedTuple):
    """The files of the private halves and the lines of the public ones: the machine's own key, and its user's."""

    host: Path
    host_public: str
    user: Path
    user_public: str

    @classmethod
    def made(cls, folder: Path) -> Keys:
        """New ones."""
        return cls(folder / "host", keypair(folder / "host"), folder / "user", keypair(folder / "user"))


def keypair(file: Path) -> str:
    """Make a key; the line of its public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)], check=True)
    return file.with_name(f"{file.name}.pub").read_text().strip()


class MachineDriver:
    """One instance of a provider; remembers what its watch said, and deletes what a test leaves."""

    def __init__(
        self,
        provider: Callable[[Backend[Any] | None], MachineProvider[Any]],
        backend: Backend[Any] | None,
        limit: float,
        fields: dict[str, Any],
        keys: Keys,
    ) -> None:
        self.limit = limit
        self.keys = keys
        self._make = provider
        self._backend = backend
        self._fields = fields
        self._moves: dict[str, list[MachineStatus]] = {}
        self._machines: set[str] = set()
        self._changed = asyncio.Condition()
        self._watching: asyncio.Task[None] | None = None
        self.provider: MachineProvider[Any]

    async def __aenter__(self) -> MachineDriver:
        if self._backend:
            await self.bounded(self._backend.start(), "the backend's start() returns")
        self.provider = self._make(self._backend)
        await self.bounded(self.provider.open(), "open() returns")
        self._watching = asyncio.create_task(self._watch())
        await asyncio.sleep(0)  # it watches from now on
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            for native_id in list(self._machines):
                await self.bounded(self.provider.delete(native_id, purge=True), "delete() returns")
        finally:
            await self.drop()
            await self.bounded(self.provider.close(), "close() returns")
            if self._backend:
                await self.bounded(self._backend.close(), "the backend's close() returns")

    async def drop(self) -> None:
        """Stop listening without a word to the provider, as a killed controller does."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
            self._machines.clear()

    def plan(self, name: str = "", *, user: str = "kit", **fields: Any) -> MachinePlan:
        """A machine with the fields that every one of this place gets; without a name with one of its own."""
        name = name or f"kit-{secrets.token_hex(3)}"
        given = {"keys": (self.keys.user_public,), "grace": 5, **self._fields, **fields}
        spec = MachineSpec(name=name, **given)
        return MachinePlan(machine_id(name, user), spec, user, self.keys.host, self.keys.host_public)

    async def start(self, plan: MachinePlan) -> str:
        """Render and have it run; the provider's own id of the machine."""
        native_id = await self.bounded(self.provider.start(self.provider.render(plan)), "start() returns")
        self.adopt(native_id)
        return native_id

    def adopt(self, native_id: str) -> None:
        """Watch a machine, also one that an earlier instance made."""
        self.provider.adopt(native_id)
        self._machines.add(native_id)

    async def running(self, plan: MachinePlan) -> str:
        """Have it run, and wait until it does."""
        native_id = await self.start(plan)
        await self.until_is(native_id, MachineState.RUNNING)
        return native_id

    async def stopped(self, native_id: str) -> None:
        """Have it end, and wait until it has."""
        await self.bounded(self.provider.stop(native_id, "the kit says so"), "stop() returns")
        await self.until_is(native_id, MachineState.STOPPED)

    async def delete(self, native_id: str, *, purge: bool) -> None:
        """Have it removed."""
        await self.bounded(self.provider.delete(native_id, purge=purge), "delete() returns")
        self.provider.drop(native_id)
        if purge:
            self._machines.discard(native_id)

    def moves(self, native_id: str) -> list[MachineStatus]:
        """Every status the watch gave of the machine, in order."""
        return list(self._moves.get(native_id, ()))

    async def until(self, native_id: str, state: MachineState, after: int = 0) -> MachineStatus:
        """The first status in that state that the watch gives, passing over the first ``after`` that it gave."""

        async def wait() -> MachineStatus:
            async with self._changed:
                while not (found := [each for each in self.moves(native_id)[after:] if each.state is state]):
                    if self._watching and self._watching.done():
                        self._watching.result()
                        raise AssertionError("watch() ended by itself")
                    await self._changed.wait()
            return found[0]

        return await self.bounded(wait(), f"the watch says {state} of {native_id}")

    async def until_is(self, native_id: str, state: MachineState) -> MachineStatus:
        """The first answer of ``status`` in that state; looks again with every change that the watch tells."""

        async def wait() -> MachineStatus:
            while (status := await self.status(native_id)) is None or status.state is not state:
                with contextlib.suppress(asyncio.TimeoutError):
                    async with self._changed:
                        await asyncio.wait_for(self._changed.wait(), 0.2)
            return status

        return await self.bounded(wait(), f"{native_id} is {state}")

    async def status(self, native_id: str) -> MachineStatus | None:
        """What the provider says of the one machine when asked."""
        return (await self.bounded(self.provider.status([native_id]), "status() returns")).get(native_id)

    async def ssh(self, native_id: str, command: str, opener: str, **how: Any) -> Ran:
        """Run a command through the machine's door with the user's own ssh."""
        process = await self.begin_ssh(native_id, command, opener, **how)
        out, err = await self.bounded(process.communicate(), f"ssh ends that runs: {command}")
        return Ran(process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace"))

    async def begin_ssh(
        self,
        native_id: str,
        command: str,
        opener: str,
        *,
        key: Path | None = None,
        host_key: str | None = None,
        options: tuple[str, ...] = (),
    ) -> asyncio.subprocess.Process:
        """Begin to; with another key than the user's, or as one who takes another key for the machine's."""
        door = self.provider.door(native_id)
        proxy = shlex.join([sys.executable, "-c", _PROXY, opener, json.dumps(door), str(SSH_PORT)])
        hosts = self.keys.user.with_name(f"known-{secrets.token_hex(4)}")
        hosts.write_text(f"machine {host_key or self.keys.host_public}\n")
        settings = {
            "ProxyCommand": proxy.replace("%", "%%"),
            "User": door.get("user") or "dev",
            "IdentityFile": str(key or self.keys.user),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": str(hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        given = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            "ssh", "-F", "none", *given, *options, "machine", command, stdin=pipe, stdout=pipe, stderr=pipe
        )

    async def bounded(self, step: Awaitable[T], what: str) -> T:
        """``step``'s result, or a failure that says what did not happen in time."""
        try:
            return await asyncio.wait_for(step, self.limit)
        except asyncio.TimeoutError:
            seen = "".join(f"\n  {native_id}: {moves}" for native_id, moves in self._moves.items())
            raise AssertionError(f"not within {self.limit:g} s: {what}. The watch said:{seen or ' nothing'}") from None

    async def _watch(self) -> None:
        try:
            async for native_id, status in self.provider.watch():
                self._moves.setdefault(native_id, []).append(status)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self._changed.notify_all()
