"""What the kit needs to run on the machines of this computer."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from qwex_local.backend import LocalBackend
from qwex_local.machines import sshd

from qwex.backend import BackendContext
from qwex.machine import MachineContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwex_local.machines.provider import LocalMachines

    from qwex.testing.machine.driver import MachineDriver

needs_sshd = pytest.mark.skipif(
    not sshd.find() or (os.getuid() == 0 and not os.path.isdir("/run/sshd")),
    reason="needs OpenSSH's server, and where root runs the tests the folder /run/sshd",
)


class LocalFixtures:
    """A small computer with one queue."""

    provider_class: ClassVar[type[LocalMachines]]

    @pytest.fixture
    def opener(self) -> str:
        return "qwex_local.door:connect"

    @pytest.fixture
    def backend_factory(self, folder: Path) -> Callable[[], LocalBackend]:
        context = BackendContext(folder / "local", {"cpu": 2, "memory": "4Gi", "gpus": 1, "linger": 1})
        return lambda: LocalBackend(context)

    @pytest.fixture
    def filling(self) -> dict[str, Any]:
        return {"resources": {"cpu": "2"}}

    @pytest.fixture
    async def unreachable(self, driver: MachineDriver, folder: Path) -> LocalMachines:
        """Once it is open nothing can be read or written: as many files are open as may be."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)

        class Away(self.provider_class):  # type: ignore[misc]
            async def open(self) -> None:
                await super().open()
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))

            async def close(self) -> None:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                await super().close()

        (folder / "away").mkdir()
        return Away(MachineContext(folder / "away", {}, driver.provider.context.backend))
