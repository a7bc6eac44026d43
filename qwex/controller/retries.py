"""Whether a job that failed starts again, and on whose account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.spec import JobSpec
from qwex.state import INFRASTRUCTURE_REASONS, JobState, JobStatus, Reason

if TYPE_CHECKING:
    from qwex.controller.job import LiveJob
    from qwex.controller.store import Store

__all__ = ["may_retry"]


async def may_retry(job: LiveJob, status: JobStatus, store: Store) -> bool:
    """Whether the job's budget has another start; if so it is taken from it."""
    if status.state is not JobState.FAILED or job.cancelling or status.reason == Reason.START_FAILED.value:
        return False
    text = await store.spec(job.id)
    if text is None:
        return False
    budget = JobSpec.model_validate_json(text).retries
    if status.reason in INFRASTRUCTURE_REASONS:
        job.losses += 1
        return job.losses <= budget.infrastructure
    code = status.exit_code if status.exit_code is not None else (job.exit or {}).get("code")
    if budget.exit_codes and code not in budget.exit_codes:
        return False
    job.failures += 1
    return job.failures <= budget.failures
