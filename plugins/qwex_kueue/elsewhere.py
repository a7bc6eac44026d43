"""Jobs of the namespace that other controllers look after, from what anybody there may see of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qwex.record import JobRecord
from qwex.state import JobState, Reason
from qwex_kueue.states import finished

if TYPE_CHECKING:
    from qwex_kueue.objects import Job, Workload

__all__ = ["record"]

_UNTOLD = "its pod failed; the controller that looks after it knows how"


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
    if job.end and (status := finished(job, job.attempt)):
        # When it started is not known any more: its pod's end has changed that condition once more.
        told = (job.end.reason, _UNTOLD) if status.reason == Reason.LOST.value else (status.reason, status.message)
        return _Standing(status.state, *told, ended_at=job.end.since)
    ready = workload.has("PodsReady") if workload else None
    if ready and not job.suspended:
        return _Standing(JobState.RUNNING, started_at=ready.since)
    if workload and workload.has("Admitted") and not job.suspended:
        return _Standing(JobState.ADMITTED)
    waits = workload.conditions.get("QuotaReserved") if workload else None
    return _Standing(JobState.QUEUED, waits.reason if waits and not waits.status else "")
