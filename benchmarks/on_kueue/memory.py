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
        """PSS in MiB with as many running jobs as the cluster starts in time; how many is a figure too.

        ``projected_mib`` is what ``size`` jobs would take. What the first batch takes is not counted for each job: it
        loads what every later one uses.
        """
        controller = self._home.controller()
        end, runs = time.monotonic() + _SECONDS, 0
        held: list[float] = []
        job = script("print(1)", FAKE, cpu="10m")
        while runs < size and (time.monotonic() < end or len(held) < 2):
            self._client.submit_many([job] * _BATCH)
            runs += _BATCH
            until(functools.partial(self._all_run, runs), "the jobs to run", _SECONDS)
            time.sleep(2)
            held.append(pss(controller))
        each = (held[-1] - held[0]) / (runs - _BATCH)
        projected = held[-1] + each * (size - runs)
        return {"mib": held[-1], "first_mib": held[0], "projected_mib": projected, "running_jobs": runs}

    def _all_run(self, size: int) -> bool:
        return bool(self._client.list(state="RUNNING", limit=1).total == size)


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    # Thousands at once keep Kueue busy for longer than a job may go unnoticed by default.
    with namespace.client(workload_patience=900) as (client, home):
        yield {"running": Memory(client, home).running}
