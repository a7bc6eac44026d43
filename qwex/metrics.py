"""Numbers that a job's code logs over time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["log_metrics"]


def log_metrics(values: Mapping[str, float], step: int = 0) -> None:
    """Log numbers by name at a step: they are shown beside the job and go wherever it is recorded.

    Cheap enough for every step of a loop: some ten thousand a second. Outside a job this does nothing, so that code
    runs the same in both; nor does it in processes that a job starts, which have their own way to MLflow.

    Raises:
        TypeError: a value or the step is no number, or a name no text.
        ValueError: a number is too large: a step beyond ±2**53, a value that no float holds.
    """
    if runner := sys.modules.get("qwex_runner.metrics"):
        runner.log_metrics(values, step)
