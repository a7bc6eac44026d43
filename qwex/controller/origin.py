"""Where a submit came from: what only jobs that run where their client does can use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qwex.spec import WORKDIR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.spec import JobSpec, Source

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """The client's side of a job, for backends that declare ``inherits-environment``; others never hear of it."""

    #: Variables, or the digest of some that were kept.
    environment: Mapping[str, str] | str | None = None
    cwd: str = ""
    python: str = ""

    def fill(self, spec: JobSpec) -> JobSpec:
        """The spec with the client's folder and interpreter where it names none; a notebook runs where it lies."""
        changes: dict[str, object] = {}
        if self.cwd and not spec.cwd and WORKDIR not in spec.inputs:
            changes["cwd"] = _place(spec.source) or self.cwd
        if self.python and not spec.runtime.python:
            changes["runtime"] = spec.runtime.model_copy(update={"python": self.python})
        return spec.model_copy(update=changes) if changes else spec


def _place(source: Source) -> str:
    """The folder of a notebook's file, as Jupyter has it; empty of all else."""
    return os.path.dirname(source.name) if source.kind == "notebook" and os.path.isabs(source.name) else ""
