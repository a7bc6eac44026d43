"""Variables that trackers give a job after it was handed over: a private file for each attempt, which may be late."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Bindings"]


class Bindings:
    """``<folder>/<run id>.<attempt>.json``, 0600; what reads one finds it whole, or not yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)

    def path(self, run_id: str, attempt: int) -> Path:
        """Where an attempt's are, or will be."""
        return self._folder / f"{run_id}.{attempt}.json"

    def write(self, run_id: str, attempt: int, variables: Mapping[str, str]) -> None:
        """Give them; none says that there are none for now."""
        path = self.path(run_id, attempt)
        part = path.with_suffix(".part")
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump(dict(variables), file)
        os.replace(part, path)

    def remove(self, run_id: str, attempts: int) -> None:
        """The job has ended."""
        for attempt in range(1, attempts + 1):
            self.path(run_id, attempt).unlink(missing_ok=True)
