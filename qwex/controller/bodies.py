"""What the API takes in: one model per body, checked whole before anything happens."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field

from qwex.machinespec import MachineSpec
from qwex.quantities import parse_age
from qwex.spec import MANY, RUN_ID, EnvironmentName, JobSpec, Plain, Word

__all__ = [
    "BatchBody",
    "BatchEntry",
    "CollectBody",
    "FileBody",
    "MachineBody",
    "MachineChangesBody",
    "OriginBody",
    "PreflightBody",
    "ResubmitBody",
    "SubmitBody",
]

_RUN_ID = Field(
    None, pattern=f"^{RUN_ID.pattern}$", description="minted by the client, so that asking twice is one job"
)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OriginBody(_Body):
    """The client's side of a job, for jobs that run on its machine; only over the Unix socket, elsewhere ignored."""

    environment: dict[EnvironmentName, Word] | None = Field(
        None, max_length=MANY, description="its variables; kept private, shown nowhere"
    )
    cwd: Plain = Field("", description="its working folder, for jobs that name none")
    python: Plain = Field("", description="its interpreter, for jobs that name none")


class SubmitBody(_Body):
    """One job."""

    spec: JobSpec
    run_id: str | None = _RUN_ID
    origin: OriginBody = OriginBody()


class BatchEntry(_Body):
    """One job of many."""

    spec: JobSpec
    run_id: str | None = _RUN_ID


class BatchBody(_Body):
    """Many jobs, all or none."""

    #: The first job that is wrong is told, not the problems of fifty thousand.
    jobs: Annotated[list[BatchEntry], FailFast()] = Field(min_length=1, max_length=50_000)
    origin: OriginBody = OriginBody()


class PreflightBody(_Body):
    """A job that is not submitted."""

    spec: JobSpec
    origin: OriginBody = OriginBody()


class FileBody(_Body):
    """A file that is added to those that a job has left."""

    path: Plain = Field(description="within the folder of its files, with slashes")
    digest: str = Field(description="``sha256:…`` of its bytes, which were uploaded with ``PUT /blobs/{digest}``")


def _as_age(text: str | None) -> str | None:
    if text is not None:
        parse_age(text)
    return text


class CollectBody(_Body):
    """What may be removed."""

    older: Annotated[str | None, AfterValidator(_as_age)] = Field(
        None, description="jobs that ended so long ago: 30d, 12h; without it, those that the setting keep does not keep"
    )
    dry_run: bool = Field(False, description="only say what would be removed")


class ResubmitBody(_Body):
    """Changes to a job's spec, as a JSON merge patch (RFC 7396)."""

    changes: dict[str, Any] = {}


class MachineBody(_Body):
    """One dev machine."""

    spec: MachineSpec


class MachineChangesBody(_Body):
    """Changes to a machine's spec, as a JSON merge patch (RFC 7396)."""

    changes: dict[str, Any] = {}
