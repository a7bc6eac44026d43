"""What a job's code has logged over time, from the job's own log: where no tracker has it, or none can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.controller.eventlog import stored
from qwex.controller.records import find
from qwex.record import Metric

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["metrics_in"]

#: Metrics, and values of each.
_MOST, _VALUES = 50, 50


def metrics_in(path: Path) -> list[Metric]:
    """The metrics in a log, by their names. Blocks."""
    series: dict[str, list[float]] = {}
    last: dict[str, tuple[int, float]] = {}
    for lines in stored(path):
        for record in find(lines, "metrics"):
            for name, value in record["values"].items():
                if name in series or len(series) < _MOST:
                    series.setdefault(name, []).append(float(value))
                    last[name] = int(record.get("step", 0)), record["ts"]
    return [Metric.of(name, _spread(values), *last[name]) for name, values in sorted(series.items())]


def _spread(values: Sequence[float]) -> Sequence[float]:
    """So many of them that a line of text shows their course, the first and the last among them."""
    if len(values) <= _VALUES:
        return values
    return [values[round(n * (len(values) - 1) / (_VALUES - 1))] for n in range(_VALUES)]
