"""Where a machine stands, by what was asked of it and by its entry in the queue. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.machines import MachineReason, MachineState, MachineStatus
from qwex.state import JobState, Reason

if TYPE_CHECKING:
    from qwex.state import JobStatus
    from qwex_local.machines.box import Asked

__all__ = ["status_of"]

_LOST = "its process vanished without a word, as when it is killed or the computer restarts; its home is as it was"
_FORGOTTEN = "the queue does not know it any more, as after a power cut; its home is as it was"


def status_of(asked: Asked, job: JobStatus | None, node: str, *, is_ready: bool) -> MachineStatus:
    """The status; ``job`` is its entry in the queue, None where that does not know it."""
    if job is None or (job.attempt or 0) < asked.run:
        if not asked.up:
            return MachineStatus(MachineState.STOPPED, run=asked.run)
        return MachineStatus(MachineState.FAILED, MachineReason.LOST.value, _FORGOTTEN, run=asked.run)
    run = job.attempt or asked.run
    if job.state.terminal:
        return _ended(asked, job, run)
    if not asked.up:
        return MachineStatus(MachineState.STOPPING, message="its shells are told, and its processes end", run=run)
    if job.state in (JobState.PENDING, JobState.QUEUED):
        return MachineStatus(MachineState.QUEUED, job.reason, job.message, run=run)
    if job.state is JobState.RUNNING and is_ready:
        return MachineStatus(MachineState.RUNNING, node=node, run=run)
    return MachineStatus(MachineState.STARTING, node=node, run=run)


def _ended(asked: Asked, job: JobStatus, run: int) -> MachineStatus:
    if not asked.up or job.state is JobState.CANCELLED:
        return MachineStatus(MachineState.STOPPED, run=run)
    if job.reason == Reason.LOST.value:
        return MachineStatus(MachineState.FAILED, MachineReason.LOST.value, _LOST, run=run)
    message = f"its process has ended: {job.message or job.reason or 'it was told to'}"
    return MachineStatus(MachineState.FAILED, job.reason or "Ended", message, run=run)
