"""A site's policy in one file: every job names who pays, small GPU jobs go to their own queue, and none is endless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex import hookimpl
from qwex.errors import InvalidSpec
from qwex.quantities import parse_gpu

if TYPE_CHECKING:
    from qwex.spec import JobSpec

DAY = 24 * 60 * 60.0


@hookimpl
def qwex_prepare_job(spec: JobSpec) -> JobSpec | None:
    """Refuse what nobody pays for, fill in what was left open; an answer that names the flag helps most."""
    if spec.resources.gpu and "project" not in spec.tags:
        raise InvalidSpec.of("tags.project", "GPU jobs name the project that pays: --tag project=NAME")
    changes: dict[str, object] = {}
    if spec.timeout is None:
        changes["timeout"] = DAY
    if spec.resources.gpu and spec.queue is None and parse_gpu(spec.resources.gpu).count == 1:
        changes["queue"] = "small-gpu"
    return spec.model_copy(update=changes) if changes else None
