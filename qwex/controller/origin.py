"""Where a submit came from: what only jobs that run where their client does can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.spec import JobSpec

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """The client's side of a job, for backends that declare ``inherits-environment``; others never hear of it."""

    #: Variables, or the digest of some that were kept.
    environment: Mapping[str, str] | str | None = None
    cwd: str = ""
    python: str = ""

    def fill(self, spec: JobSpec) -> JobSpec:
        """The spec with the client's folder and interpreter where it names none."""
        changes: dict[str, object] = {}
        if self.cwd and not spec.cwd:
            changes["cwd"] = self.cwd
        if self.python and not spec.runtime.python:
            changes["runtime"] = spec.runtime.model_copy(update={"python": self.python})
        return spec.model_copy(update=changes) if changes else spec
