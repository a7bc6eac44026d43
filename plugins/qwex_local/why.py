"""Why a job waits, in one plain sentence and in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.quantities import format_bytes
from qwex.state import QueueInfo, QuotaLine, WaitReason, Why
from qwex_local.queue import Amount

if TYPE_CHECKING:
    from qwex_local.queue import Entry, Line, Scheduler, Shape

__all__ = ["excess", "explain", "gpu_name", "queue_info", "starting"]

_NOTHING = Amount()


def explain(scheduler: Scheduler, entry: Entry) -> Why:
    """Why a waiting job waits; also for one that is only about to be submitted."""
    line = scheduler.lines[entry.queue]
    position = scheduler.position(entry)
    reason, cause = _cause(scheduler, entry, position)
    summary = f"{_ordinal(position)} in {entry.queue} · {cause}"
    suggestions = () if scheduler.fits(entry.queue, entry.shape) else _suggestions(scheduler, entry)
    quota = _quota(scheduler, line, entry.shape.amount)
    return Why(summary, reason.value, position, entry.queue, quota=quota, suggestions=suggestions)


def starting() -> Why:
    """Why a job that holds its quota does not run yet."""
    return Why("has its place; its Python is starting", WaitReason.STARTING.value)


def excess(scheduler: Scheduler, queue: str, shape: Shape) -> tuple[str, str] | None:
    """The field and the sentence for what is more than the queue can ever give; None if nothing is."""
    asked, most = shape.amount, scheduler.most(queue, shape)
    if shape.gpu and most.gpu == 0 and scheduler.lines[queue].quota.gpu:
        gpus = scheduler.machine.gpus
        there = {f"{gpu.model} ({format_bytes(gpu.memory)})" if gpu.memory else gpu.model for gpu in gpus}
        return "resources.gpu", f"no {gpu_name(shape)} here; there is: {', '.join(sorted(there))}"
    for field, ours, theirs, text in (
        ("gpu", asked.gpu, most.gpu, f"{_gpus(asked.gpu)}; the queue {queue} has {most.gpu} at most"),
        ("cpu", asked.cpu, most.cpu, f"{_cores(asked.cpu)}; the queue {queue} has {_cores(most.cpu)} at most"),
        ("memory", asked.memory, most.memory, f"{format_bytes(asked.memory)}; "
         f"the queue {queue} has {format_bytes(most.memory)} at most"),
    ):  # fmt: skip
        if ours > theirs:
            return f"resources.{field}", f"asks for {text}"
    return None


def queue_info(scheduler: Scheduler, name: str, description: str, *, default: bool) -> QueueInfo:
    """A queue as users see it."""
    line = scheduler.lines[name]
    return QueueInfo(
        name=name,
        backend="local",
        waiting=len(line),
        running=len(line.running),
        quota=_quota(scheduler, line, _NOTHING),
        default=default,
        description=description,
    )


def gpu_name(shape: Shape) -> str:
    """What kind of GPU the shape asks for: ``GPU of model A100 with 80 GB``, ``GPU with 24 GB to 80 GB``."""
    gpu = shape.gpu
    name = f"GPU of model {gpu.model}" if gpu and gpu.model else "GPU"
    if gpu is None or not (gpu.memory_min or gpu.memory_max):
        return name
    if gpu.memory_max is None:
        return f"{name} with {format_bytes(gpu.memory_min)} or more"
    high = format_bytes(gpu.memory_max)
    if gpu.memory_min == gpu.memory_max:
        return f"{name} with {high}"
    return f"{name} with {format_bytes(gpu.memory_min)} to {high}" if gpu.memory_min else f"{name} with up to {high}"


def _cause(scheduler: Scheduler, entry: Entry, position: int) -> tuple[WaitReason, str]:
    line = scheduler.lines[entry.queue]
    if not line.quota.cpu:
        return WaitReason.QUEUE_MISSING, "the queue is no longer in the configuration"
    over = excess(scheduler, entry.queue, entry.shape)
    if over:
        return WaitReason.EXCEEDS_MAX_QUOTA, over[1]
    if scheduler.fits(entry.queue, entry.shape):
        if position == 1:
            return WaitReason.STARTING, "starts now"
        return WaitReason.HELD_BY_PRIORITY, "waits behind others, for which room is kept"
    return WaitReason.WAITING_FOR_QUOTA, f"waits for {_lack(scheduler, line, entry.shape)}"


def _lack(scheduler: Scheduler, line: Line, shape: Shape) -> str:
    """The resource that is short, and how short: the queue's own first, then the whole machine's."""
    asked = shape.amount
    for used, limit, where in ((line.used, line.quota, ""), (scheduler.used, scheduler.total, " on this machine")):
        if used.gpu + asked.gpu > limit.gpu:
            return f"{_gpus(asked.gpu)}: {used.gpu} of {limit.gpu} in use{where}"
        if used.cpu + asked.cpu > limit.cpu:
            return f"{_cores(asked.cpu)}: {used.cpu / 1000:g} of {limit.cpu / 1000:g} in use{where}"
        if used.memory + asked.memory > limit.memory:
            amounts = f"{format_bytes(used.memory)} of {format_bytes(limit.memory)}"
            return f"{format_bytes(asked.memory)} of memory: {amounts} in use{where}"
    return f"{_gpus(asked.gpu)}, each a {gpu_name(shape)}: those that match are in use"


def _quota(scheduler: Scheduler, line: Line, asked: Amount) -> tuple[QuotaLine, ...]:
    gpu = "gpu (simulated)" if scheduler.machine.simulated else "gpu"
    lines = [
        QuotaLine("cpu", asked.cpu / 1000, line.used.cpu / 1000, line.quota.cpu / 1000),
        QuotaLine("memory", asked.memory, line.used.memory, line.quota.memory),
    ]
    if line.quota.gpu or asked.gpu:
        lines.append(QuotaLine(gpu, asked.gpu, line.used.gpu, line.quota.gpu))
    return tuple(lines)


def _suggestions(scheduler: Scheduler, entry: Entry) -> tuple[str, ...]:
    """Queues that have room now and nobody waiting."""
    shape = entry.shape
    return tuple(
        f"queue {name} has {_free(scheduler, line, shape)} free"
        for name, line in sorted(scheduler.lines.items())
        if name != entry.queue and not line.waiting and scheduler.fits(name, shape)
    )


def _free(scheduler: Scheduler, line: Line, shape: Shape) -> str:
    left = line.quota.minus(line.used).capped(scheduler.total.minus(scheduler.used))
    return _gpus(left.gpu) if shape.gpu else _cores(left.cpu)


def _gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"


def _cores(thousandths: int) -> str:
    return "1 core" if thousandths == 1000 else f"{thousandths / 1000:g} cores"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
