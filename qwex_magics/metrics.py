"""What a followed job logs over time: from its events, so that nobody need be asked for what one has heard."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from qwex.record import Metric
from qwex.wording import metric_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.client import Client
    from qwex.events import Event
    from qwex.record import JobRecord

__all__ = ["Metrics", "asked", "line"]

#: Metrics, and the least that is kept of the values of each; the API tells no more of them.
_MOST, _VALUES = 50, 50
_SHOWN = 3
#: Seconds that a cell has been busy for which asking once more is not felt, and for which an answer is waited.
_LONG, _PATIENCE = 1.0, 0.3
#: Packages by which code logs to a tracker, past the job's events.
_LOGGING = {"mlflow", "mlflow-skinny"}


class Metrics:
    """The metrics in the events of one job, all attempts together, as ``GET /jobs/{id}/metrics`` has them."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}
        self._logging = False

    def take(self, event: Event) -> None:
        """Take in one event; other types than ``metrics`` and ``packages`` change nothing."""
        if event.type == "metrics":
            for name, value in event["values"].items():
                if name in self._series or len(self._series) < _MOST:
                    self._series.setdefault(name, _Series()).add(float(value), int(event.get("step", 0)), event.ts)
        elif event.type == "packages":
            self._logging = not _LOGGING.isdisjoint(event["packages"])

    def known(self) -> tuple[Metric, ...]:
        """What was heard of so far, by name."""
        return tuple(series.metric(name) for name, series in sorted(self._series.items()))

    def elsewhere(self, record: JobRecord) -> bool:
        """Whether it is worth asking for metrics that no event tells: a tracker may have some, and the job was long."""
        if self._series or not (self._logging or record.links):
            return False
        return (record.ended_at or 0.0) - (record.started_at or record.ended_at or 0.0) >= _LONG


class _Series:
    """Some values of one metric, evenly spread, however many come."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._every = 1
        self._count = 0
        self._last = (0.0, 0, 0.0)

    def add(self, value: float, step: int, ts: float) -> None:
        self._last = (value, step, ts)
        if self._count % self._every == 0:
            self._kept.append(value)
        self._count += 1
        if len(self._kept) >= 2 * _VALUES:
            del self._kept[1::2]
            self._every *= 2

    def metric(self, name: str) -> Metric:
        value, step, ts = self._last
        newest = [] if (self._count - 1) % self._every == 0 else [value]
        return Metric.of(name, [*self._kept, *newest], step, ts)


def asked(client: Client, run_id: str) -> tuple[Metric, ...]:
    """What the controller and its trackers tell, if they do so at once; never raises."""
    found: list[Metric] = []

    def ask() -> None:
        with suppress(Exception):  # whatever it is: the cell has its result, and the job's page shows them too
            found.extend(client.metrics(run_id))

    # On a thread: a connection, and a controller that has to be started, have longer time limits of their own.
    asking = threading.Thread(target=ask, name=f"qwex metrics {run_id}", daemon=True)
    asking.start()
    asking.join(_PATIENCE)
    return tuple(found)


def line(metrics: Sequence[Metric]) -> str:
    """The first few of them: ``accuracy 0.97 at step 90 ▁▃▅▇ · loss 0.0313 at step 90 ▇▅▃▂▁ · 2 more``."""
    shown = [f"{metric.name} {metric_line(metric)}" for metric in metrics[:_SHOWN]]
    more = len(metrics) - len(shown)
    return " · ".join([*shown, f"{more} more"] if more else shown)
