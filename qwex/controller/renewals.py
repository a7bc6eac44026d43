"""When jobs were last given new addresses, kept in a file: a restart renews no more than what is due."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

__all__ = ["Renewals"]

log = logging.getLogger(__name__)


class Renewals:
    """Seconds since the epoch by run id; a file that is lost or damaged costs one renewal of each older job."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = self._read()
        self._kept = dict(self._at)

    def last(self, run_id: str) -> float:
        """When it was; 0 for never."""
        return self._at.get(run_id, 0.0)

    def note(self, run_id: str, when: float) -> None:
        """It was then; infinity for a job that needs none, which the next controller finds out for itself."""
        self._at[run_id] = when

    def prune(self, live: Container[str]) -> None:
        """Forget all jobs but these."""
        self._at = {run_id: when for run_id, when in self._at.items() if run_id in live}

    async def keep(self) -> None:
        """Write down what has changed; a disk that is full loses it."""
        told = {run_id: when for run_id, when in self._at.items() if math.isfinite(when)}
        if told == self._kept:
            return
        try:
            await asyncio.to_thread(self._write, json.dumps(told))
        except OSError as error:
            log.warning("when addresses were renewed is not kept: %s", error)
        else:
            self._kept = told

    def _read(self) -> dict[str, float]:
        try:
            told = {run_id: float(when) for run_id, when in json.loads(self._file.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            log.warning("when addresses were renewed cannot be read in %s: %s", self._file, error)
            return {}
        now = time.time()
        # By a clock that was ahead a job would not be renewed in time.
        return {run_id: when for run_id, when in told.items() if when <= now}

    def _write(self, text: str) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        os.replace(part, self._file)
