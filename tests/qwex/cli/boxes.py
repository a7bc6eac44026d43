"""Machines on this computer for tests of the command line: a file says that one runs, and its door is the loopback."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from qwex import hookimpl
from qwex.door import SSH_PORT, DoorError
from qwex.machine import MachineProvider, MachineState, MachineStatus
from qwex.relay import SocketTunnel


class Boxes(MachineProvider[dict]):
    """A machine is a folder; it runs while that has a file ``up``."""

    name = "box"
    poll = (0.01, 0.05)

    def render(self, plan):
        return {"id": plan.machine_id, "keys": plan.spec.keys, "host_key": str(plan.host_key)}

    async def start(self, request):
        folder = self._folder(request["id"])
        folder.mkdir(exist_ok=True)
        await self.update(request)
        (folder / "sshd_config").write_text(
            f"HostKey {request['host_key']}\nAuthorizedKeysFile {folder}/keys\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n"
        )
        (folder / "up").touch()
        return request["id"]

    async def stop(self, native_id, reason=""):
        (self._folder(native_id) / "up").unlink(missing_ok=True)

    async def delete(self, native_id, *, purge):
        await self.stop(native_id)

    async def update(self, request):
        (self._folder(request["id"]) / "keys").write_text("".join(f"{key}\n" for key in request["keys"]))

    async def status(self, native_ids):
        return {each: MachineStatus(self._state(each)) for each in native_ids if self._folder(each).exists()}

    def _state(self, native_id):
        return MachineState.RUNNING if (self._folder(native_id) / "up").exists() else MachineState.STOPPED

    def _folder(self, native_id):
        return Path(self.context.folder) / native_id

    def door(self, native_id):
        return {"box": str(self._folder(native_id)), "home": "/home/dev", "mine": "here alone"}


def connect(door, port):
    """A server of its own for ssh, the loopback's own port for any other."""
    box = Path(door["box"])
    if not (box / "up").exists():
        raise DoorError("the machine does not run", absent=True)
    if port == SSH_PORT:
        ours, theirs = socket.socketpair()
        with theirs:
            command = ["/usr/sbin/sshd", "-i", "-f", str(box / "sshd_config")]
            subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        return SocketTunnel(ours)
    try:
        return SocketTunnel(socket.create_connection(("127.0.0.1", port)))
    except OSError as error:
        raise DoorError(f"the machine does not answer: {error.strerror}", absent=True, nobody_listens=True) from None


def shared(door):
    """Without what holds here alone."""
    if not Path(door.get("box") or "").is_absolute():
        raise DoorError("it does not say which box")
    return {"box": door["box"], "home": "/home/dev"}, f"read {door['box']}"


@hookimpl
def qwex_register_machine_providers(register):
    register(Boxes)
