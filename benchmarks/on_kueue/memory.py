"""What the controller holds while thousands of jobs run on a node that is not there."""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any

from home import pss

from on_kueue.place import FAKE, Namespace, script, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from home import Home

    import qwex

__all__ = ["part"]

#: Jobs of one request; seconds after which no more are submitted.
_BATCH, _SECONDS = 100, 150.0


class Memory:
    """The measure, on one home."""

    def __init__(self, client: qwex.Client, home: Home) -> None:
        self._client, self._home = client, home

    def running(self, size: int) -> dict[str, float]:
        """PSS in MiB before, and with as many running jobs as the cluster starts in time; how many is a figure too.

        ``projected_mib`` is what ``size`` jobs would take at what these take each.
        """
        controller = self._home.controller()
        idle, end, runs = pss(controller), time.monotonic() + _SECONDS, 0
        job = script("print(1)", FAKE, cpu="10m")
        while runs < size and time.monotonic() < end:
            self._client.submit_many([job] * _BATCH)
            runs += _BATCH
            until(functools.partial(self._all_run, runs), "the jobs to run", _SECONDS)
        time.sleep(2)
        held = pss(controller)
        projected = idle + (held - idle) / runs * size
        return {"mib": held, "idle_mib": idle, "projected_mib": projected, "running_jobs": runs}

    def _all_run(self, size: int) -> bool:
        return bool(self._client.list(state="RUNNING", limit=1).total == size)


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    # Thousands at once keep Kueue busy for longer than a job may go unnoticed by default.
    with namespace.client(workload_patience=900) as (client, home):
        yield {"running": Memory(client, home).running}
