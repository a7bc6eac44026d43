"""Kubernetes with Kueue: a job is a pod that waits for its quota, says why, and gives back all it printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.hookspecs import hookimpl

if TYPE_CHECKING:
    from qwex.backend import Backend
    from qwex.hookspecs import Register
    from qwex.machine import MachineProvider

__all__ = ["qwex_register_backends", "qwex_register_machine_providers"]


@hookimpl
def qwex_register_backends(register: Register[Backend]) -> None:  # type: ignore[type-arg]
    """Bring the backend ``kueue``."""
    from qwex_kueue.backend import KueueBackend

    register(KueueBackend)


@hookimpl
def qwex_register_machine_providers(register: Register[MachineProvider]) -> None:  # type: ignore[type-arg]
    """Bring the machines of ``kueue``."""
    from qwex_kueue.machines.provider import KueueMachines

    register(KueueMachines)
