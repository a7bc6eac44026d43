"""A machine as this computer's queue takes it: an entry like a job's, whose program holds the machine. Pure."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qwex.backend import Plan
from qwex.errors import InvalidSpec
from qwex.spec import JobSpec, Resources, Source
from qwex_local.machines.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwex.machine import MachinePlan
    from qwex.machinespec import MachineSpec
    from qwex_local.request import LocalRequest

__all__ = ["LocalMachineRequest", "entry", "entry_of", "render", "run_id"]

#: Seconds beyond the machine's own grace until the queue ends it by force.
_MARGIN = 5.0


@dataclass(frozen=True)
class LocalMachineRequest:
    """What ``start`` sends. The host key is read only then."""

    machine_id: str
    user: str
    #: Its entry in the queue.
    job: LocalRequest
    #: What its holder goes by.
    holder: dict[str, Any]
    keys: tuple[str, ...]
    host_key: Path
    limits: Limits
    #: A digest of what is not changed while it runs.
    shape: str


def run_id(machine_id: str) -> str:
    """How its entries in the queue are called, as no job can be; each has a word of its own behind it."""
    return f"machine.{machine_id}"


def entry_of(request: LocalMachineRequest, name: str, run: int) -> LocalRequest:
    """Its entry under that name, for that run."""
    return replace(request.job, run_id=name, attempt=run, job={**request.job.job, "run_id": name})


def render(
    plan: MachinePlan, folder: Path, choose: Callable[[Plan], LocalRequest], own: dict[str, Any]
) -> LocalMachineRequest:
    """The request; ``choose`` makes the entry of a plan for a job, ``own`` is the provider's for the holder.

    Raises:
        InvalidSpec: it asks for what this computer cannot give.
    """
    spec = plan.spec
    _check(spec)
    holder = {
        "name": spec.name,
        "env": dict(spec.env),
        "pre_stop": spec.pre_stop,
        "grace": spec.grace,
        **own,
    }
    limits = Limits(spec.idle, spec.max_age)
    job = _first(plan, folder, choose)
    return LocalMachineRequest(plan.machine_id, plan.user, job, holder, spec.keys, plan.host_key, limits, spec.fixed)


def entry(plan: MachinePlan, folder: Path, gpu: str | None) -> Plan:
    """The machine as a plan for a job; ``gpu`` is one of the choices."""
    spec = plan.spec
    job = JobSpec(
        source=Source(kind="command"),
        args=(sys.executable, "-m", "qwex_local.machines.holder"),
        # The holder's, not the sessions': nothing that lies in a home is taken for a module.
        cwd=str(folder),
        resources=Resources(cpu=spec.resources.cpu, memory=spec.resources.memory, gpu=gpu),
        queue=spec.queue,
        priority=spec.priority,
        grace=spec.grace + _MARGIN,
        backend_options=spec.provider_options,
    )
    return Plan(run_id(plan.machine_id), job, plan.user)


def _first(plan: MachinePlan, folder: Path, choose: Callable[[Plan], LocalRequest]) -> LocalRequest:
    """The first choice of GPUs that can be had here."""
    refused: InvalidSpec | None = None
    for gpu in plan.spec.resources.gpu_choices or (None,):
        try:
            return choose(entry(plan, folder, gpu))
        except InvalidSpec as error:
            refused = refused or error
    assert refused
    raise refused


def _check(spec: MachineSpec) -> None:
    problems = [
        (field, message)
        for field, given, message in (
            ("image", spec.image, "a machine on this computer has no image: it is this computer"),
            ("storage_class", spec.storage_class, "the home of a machine on this computer is a folder"),
            ("password", spec.password, "a password needs an ssh server that runs as root; use a key"),
            ("keys", not spec.keys, "nobody could log in: it needs at least one public key"),
        )
        if given
    ]
    if problems:
        raise InvalidSpec("; ".join(message for _, message in problems), problems=problems)
