"""A machine's own files: its host key, made once and kept for as long as the machine is."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, NamedTuple

from qwex.sshkeys import make_key

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HostKey", "MachineKeys"]

#: Shown in place of a key that a rehearsal does not make.
_NOT_MADE = "ssh-ed25519 (made with the machine)"


class HostKey(NamedTuple):
    """The file of the private half, and the line of the public one."""

    private: Path
    public: str


class MachineKeys:
    """The host keys of the machines, each in a folder (0700) of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, machine_id: str) -> Path:
        """Where the private half is."""
        return self._folder / machine_id / "host_key"

    def rehearsed(self, machine_id: str) -> HostKey:
        """What ``made`` would give, as far as that is known without making it."""
        return HostKey(self.path(machine_id), _NOT_MADE)

    async def made(self, machine_id: str) -> HostKey:
        """The machine's key, made when it is first asked for.

        Raises:
            ConfigError: there is no ssh-keygen, or it cannot write.
        """
        private = self.path(machine_id)
        private.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        await asyncio.to_thread(make_key, private)
        kind, key, *_ = private.with_suffix(".pub").read_text("ascii").split()
        return HostKey(private, f"{kind} {key}")

    async def drop(self, machine_id: str) -> None:
        """Forget the machine's files."""
        await asyncio.to_thread(shutil.rmtree, self._folder / machine_id, ignore_errors=True)
