"""What the API takes in: one model per body, checked whole before anything happens."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from qwex.spec import RUN_ID, JobSpec

__all__ = ["BatchBody", "BatchEntry", "PreflightBody", "ResubmitBody", "SubmitBody"]

_RUN_ID = Field(
    None, pattern=f"^{RUN_ID.pattern}$", description="minted by the client, so that asking twice is one job"
)
_ENVIRONMENT = Field(
    None, description="the client's environment, for jobs that run on this machine; only over the Unix socket"
)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SubmitBody(_Body):
    """One job."""

    spec: JobSpec
    run_id: str | None = _RUN_ID
    environment: dict[str, str] | None = _ENVIRONMENT


class BatchEntry(_Body):
    """One job of many."""

    spec: JobSpec
    run_id: str | None = _RUN_ID


class BatchBody(_Body):
    """Many jobs, all or none."""

    jobs: list[BatchEntry] = Field(min_length=1, max_length=50_000)
    environment: dict[str, str] | None = _ENVIRONMENT


class PreflightBody(_Body):
    """A job that is not submitted."""

    spec: JobSpec


class ResubmitBody(_Body):
    """Changes to a job's spec, as a JSON merge patch (RFC 7396)."""

    changes: dict[str, Any] = {}
