"""The run above an array's jobs: theirs are its children, and it has ended when all have."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple

from qwex_mlflow.errors import Refused
from qwex_mlflow.runs import quoted

if TYPE_CHECKING:
    from qwex.tracker import TrackedJob
    from qwex_mlflow.runs import Runs
    from qwex_mlflow.servers import Servers

__all__ = ["Arrays"]

#: The tag of the run above, with the array's name.
ARRAY = "qwex.array"
#: What members may be in, from the worst on: the array's own status is the first that any is in.
_ORDER = ("RUNNING", "SCHEDULED", "FAILED", "KILLED")


class _Array(NamedTuple):
    uri: str
    experiment: str
    name: str


class Arrays:
    """Parents by array; each is made once."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._parents: dict[_Array, str] = {}
        self._locks: dict[_Array, asyncio.Lock] = {}

    async def joined(self, runs: Runs, experiment: str, run: str, job: TrackedJob) -> None:
        """The run is one of an array's, if its job is."""
        if not job.spec.group:
            return
        array = _Array(runs.transport.uri, experiment, job.spec.group)
        async with self._locks.setdefault(array, asyncio.Lock()):
            if array not in self._parents:
                self._parents[array] = await self._servers.ask(runs, _parent, runs, array, job)
        await self._servers.ask(runs, runs.log, run, tags={"mlflow.parentRunId": self._parents[array]})

    async def ended(self, runs: Runs, experiment: str, job: TrackedJob) -> None:
        """One of an array's jobs has ended, and perhaps it was the last."""
        if not job.spec.group:
            return
        array = _Array(runs.transport.uri, experiment, job.spec.group)
        async with self._locks.setdefault(array, asyncio.Lock()):
            with contextlib.suppress(Refused):  # deleted by hand
                await self._servers.ask(runs, _conclude, runs, array, job.record.ended_at)


def _parent(runs: Runs, array: _Array, job: TrackedJob) -> str:
    for found in _above(runs, array):
        runs.update(found, "RUNNING")
        return found
    tags = {ARRAY: array.name, "mlflow.user": job.record.user, "mlflow.source.type": "JOB"}
    made = runs.create(array.experiment, f"{job.record.name} (array)", job.record.created_at, job.record.user, tags)
    return str(made["info"]["run_id"])


def _conclude(runs: Runs, array: _Array, ended: float | None) -> None:
    status = next((each for each in _ORDER if _has(runs, array, each)), "FINISHED")
    if status not in ("RUNNING", "SCHEDULED"):
        for run in _above(runs, array):
            runs.update(run, status, ended)


def _has(runs: Runs, array: _Array, status: str) -> bool:
    """Whether any of the array's jobs is in that status; one run is enough to know."""
    where = f"tags.`qwex.group` = {quoted(array.name)} and attributes.status = '{status}'"
    return next(runs.search([array.experiment], where, 1), None) is not None


def _above(runs: Runs, array: _Array) -> list[str]:
    where = f"tags.`{ARRAY}` = {quoted(array.name)}"
    return [each["info"]["run_id"] for each in runs.search([array.experiment], where, 1)][:1]
