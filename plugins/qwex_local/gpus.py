"""The GPUs of this machine as ``qwex gpus`` shows them: what was found, and what its queue has given out."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from qwex.gpus import GpuKind, GpuNode, GpuQuota, GpuReport, written

if TYPE_CHECKING:
    from qwex_local.machine import Gpu
    from qwex_local.queue import Scheduler

__all__ = ["report"]


def report(scheduler: Scheduler, missing: str) -> GpuReport:
    """Kinds by model and memory, and what each queue has left; ``missing`` is why there are none."""
    kinds = _kinds(scheduler)
    if not kinds:
        return GpuReport(notes=(missing,))
    types = ", ".join(kind.type for kind in kinds)
    unused = len(scheduler.free_devices)
    quotas = tuple(
        GpuQuota("local", name, types, line.used.gpu, line.quota.gpu, min(line.quota.gpu - line.used.gpu, unused), 0)
        for name, line in scheduler.lines.items()
    )
    return GpuReport(kinds, quotas)


def _kinds(scheduler: Scheduler) -> tuple[GpuKind, ...]:
    alike: dict[tuple[str, int], list[Gpu]] = {}
    for gpu in scheduler.machine.gpus:
        alike.setdefault((gpu.model, gpu.memory), []).append(gpu)
    free = scheduler.free_devices
    return tuple(
        _kind(model, memory, gpus, sum(gpu.id in free for gpu in gpus), written(model, memory, alike))
        for (model, memory), gpus in alike.items()
    )


def _kind(model: str, memory: int, gpus: list[Gpu], free: int, type: str) -> GpuKind:
    node = GpuNode(platform.node(), len(gpus), free)
    simulated = any(gpu.simulated for gpu in gpus)
    return GpuKind("local", type, model, memory, len(gpus), free, simulated=simulated, nodes=(node,))
