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

#: Jobs of one request; seconds after which no more are submitted, and those that the submitted ones have to run.
_BATCH, _SUBMITTING, _STARTING = 100, 120.0, 60.0


class Memory:
    """The measure, on one home."""

    def __init__(self, client: qwex.Client, home: Home) -> None:
        self._client, self._home = client, home

    def running(self, size: int) -> dict[str, float]:
        """PSS in MiB before and after, of as many of the jobs as the cluster starts in time; how many is a figure too.

        ``projected_mib`` is what ``size`` jobs would take at what these take each.
        """
        controller = self._home.controller()
        idle, start, submitted = pss(controller), time.monotonic(), 0
        job = script("print(1)", FAKE, cpu="10m")
        while submitted < size and time.monotonic() - start < _SUBMITTING:
            self._client.submit_many([job] * _BATCH)
            submitted += _BATCH
        rate, end = submitted / (time.monotonic() - start), time.monotonic() + _STARTING
        while (runs := self._runs()) < submitted and time.monotonic() < end:
            time.sleep(0.5)
        held = pss(controller)
        projected = idle + (held - idle) / submitted * size
        return {
            "mib": held,
            "idle_mib": idle,
            "projected_mib": projected,
            "jobs": submitted,
            "running_jobs": runs,
            "submit_per_s": rate,
        }

    def _runs(self) -> int:
        return self._client.list(state="RUNNING", limit=1).total


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    # Thousands at once keep Kueue busy for longer than a job may go unnoticed by default.
    with namespace.client(workload_patience=900) as (client, home):
        yield {"running": Memory(client, home).running}
