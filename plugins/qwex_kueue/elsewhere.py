"""Jobs of the namespace that other controllers look after, from what anybody there may see of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qwex.record import JobRecord
from qwex.state import JobState
from qwex_kueue.states import finished

if TYPE_CHECKING:
    from qwex_kueue.objects import Job, Workload

__all__ = ["record"]


class _Standing(NamedTuple):
    state: JobState
    reason: str = ""
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None


def record(job: Job, workload: Workload | None) -> JobRecord:
    """The job as far as its Job and its Workload tell; what it runs is not among that."""
    return JobRecord(
        id=job.run_id,
        name=job.title,
        user=job.user,
        kind="",
        backend="kueue",
        created_at=job.created,
        native_id=job.run_id,
        queue=job.queue,
        priority=workload.priority if workload else 0,
        attempt=job.attempt,
        resources={name: f"{number:g}" for name, number in workload.requests.items()} if workload else {},
        **_standing(job, workload)._asdict(),
    )


def _standing(job: Job, workload: Workload | None) -> _Standing:
    ready = workload.has("PodsReady") if workload else None
    started = ready.since if ready else None
    if job.end and (status := finished(job, job.attempt)):
        return _Standing(status.state, status.reason, status.message, started, job.end.since)
    if ready and not job.suspended:
        return _Standing(JobState.RUNNING, started_at=started)
    if workload and workload.has("Admitted") and not job.suspended:
        return _Standing(JobState.ADMITTED)
    return _Standing(JobState.QUEUED)
