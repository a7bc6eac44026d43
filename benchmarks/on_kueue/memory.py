"""What the controller holds while thousands of jobs run on a node that is not there."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from home import pss

from on_kueue.place import FAKE, Namespace, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from home import Home

    import qwex

__all__ = ["part"]

#: Jobs of one request, and the longest to wait until all of them run.
_BATCH, _PATIENCE = 500, 240.0


class Memory:
    """The measure, on one home."""

    def __init__(self, client: qwex.Client, home: Home) -> None:
        self._client, self._home = client, home

    def running(self, size: int) -> dict[str, float]:
        """PSS in MiB before, and once all run or the patience is over; how many run is a figure too."""
        controller = self._home.controller()
        idle, peak, start = pss(controller), 0.0, time.monotonic()
        job = script("print(1)", FAKE, cpu="10m")
        for _ in range(size // _BATCH):
            self._client.submit_many([job] * _BATCH)
            peak = max(peak, pss(controller))
        submitted = time.monotonic() - start
        while (runs := self._runs()) < size and time.monotonic() - start < submitted + _PATIENCE:
            peak = max(peak, pss(controller))
            time.sleep(0.5)
        seconds = time.monotonic() - start
        time.sleep(2)
        figures = {"mib": pss(controller), "peak_mib": peak, "idle_mib": idle}
        return {**figures, "jobs": runs, "submit_per_s": size / submitted, "running_after_s": seconds}

    def _runs(self) -> int:
        return self._client.list(state="RUNNING", limit=1).total


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    # Thousands at once keep Kueue busy for longer than a job may go unnoticed by default.
    with namespace.client(workload_patience=900) as (client, home):
        yield {"running": Memory(client, home).running}
