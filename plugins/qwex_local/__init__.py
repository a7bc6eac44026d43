"""The embedded queue: jobs on this machine, with quotas, priorities and reasons, and no service to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.hookspecs import hookimpl

if TYPE_CHECKING:
    from qwex.artifacts import ArtifactStore
    from qwex.backend import Backend
    from qwex.hookspecs import Register
    from qwex.machine import MachineProvider

__all__ = ["qwex_register_artifact_stores", "qwex_register_backends", "qwex_register_machine_providers"]


@hookimpl
def qwex_register_backends(register: Register[Backend]) -> None:  # type: ignore[type-arg]
    """Bring the backend ``local``."""
    from qwex_local.backend import LocalBackend

    register(LocalBackend)


@hookimpl
def qwex_register_artifact_stores(register: Register[ArtifactStore]) -> None:
    """Bring the store ``file``."""
    from qwex_local.filestore import FileStore

    register(FileStore)


@hookimpl
def qwex_register_machine_providers(register: Register[MachineProvider]) -> None:  # type: ignore[type-arg]
    """Bring the machines of this computer."""
    from qwex_local.machines.provider import LocalMachines

    register(LocalMachines)
