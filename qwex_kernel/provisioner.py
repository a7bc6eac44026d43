"""What tells Jupyter why a kernel in a machine does not start, and lets it end in order."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from qwex.errors import BackendUnavailable
from qwex_kernel.launcher import SAYS

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

__all__ = ["MachineProvisioner"]

#: Longer than the process here takes to give up, shorter than Jupyter waits.
_SECONDS = 4.8


class MachineProvisioner(LocalProvisioner):
    """Starts the kernelspec's command, a ``launcher``, as any local kernel, and hears what it says of the start."""

    machine = Unicode(help="name of the machine")

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Return when the kernel runs.

        Raises:
            BackendUnavailable: it does not; the sentence says why, and what to do.
        """
        read, write = os.pipe()
        try:
            env = {**kwargs.pop("env"), SAYS: str(write)}
            info = await super().launch_kernel(cmd, **kwargs, env=env, pass_fds=(write,))
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        said = await asyncio.to_thread(_all, read)
        if said:
            await self.wait()
            raise BackendUnavailable(said.decode())
        return info

    async def kill(self, restart: bool = False) -> None:
        """End the kernel in the machine, and the process here in any case."""
        await self.terminate(restart)
        try:
            await asyncio.wait_for(self.wait(), _SECONDS)
        except asyncio.TimeoutError:
            await super().kill(restart)

    async def terminate(self, restart: bool = False) -> None:
        """Have the kernel in the machine end, by force if need be; the process here ends then."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)

    def resolve_path(self, path_str: str) -> str | None:
        """No file here: the kernel's are in the machine."""
        return None


def _all(read: int) -> bytes:
    """What is said there until its end."""
    with open(read, "rb") as pipe:
        return pipe.read()
