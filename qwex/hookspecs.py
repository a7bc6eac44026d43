"""The hooks a plugin may implement: four that register nouns, a policy and a guarded notice.

A plugin is a module with ``@qwex.hookimpl`` functions, found by the entry-point group ``qwex``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

if TYPE_CHECKING:
    from qwex.artifacts import ArtifactStore
    from qwex.backend import Backend
    from qwex.events import Event
    from qwex.machine import MachineProvider
    from qwex.spec import JobSpec
    from qwex.tracker import Tracker

__all__ = ["Register", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("qwex")
hookimpl = pluggy.HookimplMarker("qwex")

T_contra = TypeVar("T_contra", contravariant=True)


class Register(Protocol[T_contra]):
    """Called once with each class a plugin brings; a name that is taken is a ``PluginError``."""

    def __call__(self, noun: type[T_contra], /) -> None:
        """Take the class."""


@hookspec
def qwex_register_backends(register: Register[Backend[Any]]) -> None:
    """Register subclasses of ``qwex.backend.Backend``."""


@hookspec
def qwex_register_trackers(register: Register[Tracker]) -> None:
    """Register subclasses of ``qwex.tracker.Tracker``."""


@hookspec
def qwex_register_artifact_stores(register: Register[ArtifactStore]) -> None:
    """Register subclasses of ``qwex.artifacts.ArtifactStore``."""


@hookspec
def qwex_register_machine_providers(register: Register[MachineProvider[Any]]) -> None:
    """Register subclasses of ``qwex.machine.MachineProvider``."""


@hookspec
def qwex_prepare_job(spec: JobSpec, user: str) -> JobSpec | None:
    """A site's policy, before anything is stored: return a changed spec, None to leave it, or raise InvalidSpec."""


@hookspec
def qwex_job_changed(run_id: str, event: Event) -> None:
    """A notice after a job's state changed. Guarded and off the hot path: what it raises is logged, nothing else."""
