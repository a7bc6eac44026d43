"""Finds runs of ended jobs that MLflow takes for unfinished, and mends them.

A run can be open again after its end was told: by a process of the job on a node that was cut off, by a copy of a
controller's folder, by a server that was restored from a backup, by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any

from qwex.errors import QwexError
from qwex.state import JobState
from qwex_mlflow import describing
from qwex_mlflow.runs import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qwex.tracker import TrackerContext
    from qwex_mlflow.runs import Runs
    from qwex_mlflow.servers import Servers

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

#: Seconds between two looks; and after an end, when what a job left behind may still speak.
_EVERY, _SOON = 300.0, 3.0
_OPEN = ("RUNNING", "SCHEDULED")


class Reconciler:
    """One task over all servers that jobs have led to."""

    def __init__(
        self, servers: Servers, at: Callable[[str], Runs | None], context: TrackerContext, controller: str
    ) -> None:
        self._servers = servers
        self._at = at
        self._context = context
        self._controller = controller
        self._file = context.folder / "experiments.json"
        #: Experiments with jobs of this controller's, by the server's address.
        self._experiments: dict[str, set[str]] = self._read()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Look now and then, and soon where an earlier controller has left something."""
        if self._experiments:
            self._wake.set()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Look no more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look_soon(self, uri: str, experiment: str) -> None:
        """A job of that experiment has ended."""
        known = self._experiments.setdefault(uri, set())
        if experiment not in known:
            known.add(experiment)
            with contextlib.suppress(OSError):  # a full disk: it is known again with the next job
                self._file.write_text(json.dumps({uri: sorted(ids) for uri, ids in self._experiments.items()}))
        self._wake.set()

    async def look(self) -> int:
        """Mend what is wrong now; how many runs that were. One server that hangs keeps no other's from it."""
        known = [(self._at(uri), sorted(ids)) for uri, ids in self._experiments.items()]
        return sum(await asyncio.gather(*(self._look(runs, ids) for runs, ids in known if runs)))

    async def _look(self, runs: Runs, experiments: list[str]) -> int:
        try:
            return await self._mend(runs, experiments)
        except QwexError as error:
            log.info("the runs at %s are looked at later: %s", runs.transport.uri, error)
            return 0

    async def _run(self) -> None:
        while True:
            # Not wait_for, which before Python 3.12 can lose that it was cancelled.
            waking = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait([waking], timeout=_EVERY)
            finally:
                waking.cancel()
            if self._wake.is_set():
                await asyncio.sleep(_SOON)
            self._wake.clear()
            try:
                await self.look()
            except Exception:
                log.exception("runs of ended jobs were not looked at")

    async def _mend(self, runs: Runs, experiments: list[str]) -> int:
        found = await self._servers.ask(runs, _open_runs, runs, experiments, self._controller)
        states = await self._context.states(list(found.values()))
        ended = {run: states[job] for run, job in found.items() if job in states and JobState(states[job]).terminal}
        mended = 0
        for run, state in ended.items():
            if others := await self._servers.ask(runs, _others, runs, experiments, self._controller, run):
                if any(describing.STATE in tags for tags in others):
                    log.info("the run %s of %s was made twice; it is deleted", run, found[run])
                    await self._servers.ask(runs, runs.delete, run)
                continue
            log.info("the run of %s had not ended; it has now: %s", found[run], state)
            await self._servers.ask(runs, runs.update, run, describing.STATUS[JobState(state)], time.time())
            mended += 1
        return mended

    def _read(self) -> dict[str, set[str]]:
        try:
            return {uri: set(ids) for uri, ids in json.loads(self._file.read_text()).items()}
        except (OSError, ValueError):
            return {}


def _open_runs(runs: Runs, experiments: list[str], controller: str) -> dict[str, str]:
    """The run ids of the controller's jobs by their runs that have not ended, as MLflow has it."""
    found = {}
    for status in _OPEN:
        where = f"tags.`{describing.CONTROLLER}` = {quoted(controller)} and attributes.status = '{status}'"
        for run in runs.search(experiments, where):
            found[run["info"]["run_id"]] = _tags(run).get(describing.RUN_ID, "")
    return found


def _others(runs: Runs, experiments: list[str], controller: str, run: str) -> list[dict[str, str]]:
    """The tags of other runs of the same attempt, as a server makes that did not answer, and was asked again.

    The one that was told of the job's end is the job's; before that none is known to be.
    """
    own = _tags(runs.get(run))
    where = " and ".join(
        f"tags.`{key}` = {quoted(value)}"
        for key, value in (
            (describing.RUN_ID, own.get(describing.RUN_ID, "")),
            (describing.ATTEMPT, own.get(describing.ATTEMPT, "")),
            (describing.CONTROLLER, controller),
        )
    )
    return [_tags(each) for each in runs.search(experiments, where) if each["info"]["run_id"] != run]


def _tags(run: Mapping[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in run["data"].get("tags", [])}
