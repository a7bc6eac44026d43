"""What is asked of the cluster when its watches do not say enough of a job, and what is done for one without hope."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Any

from qwex.errors import BackendUnavailable
from qwex.state import Reason
from qwex_kueue import manifests, podevents, preflight
from qwex_kueue.errors import Missing
from qwex_kueue.judging import Puzzle
from qwex_kueue.objects import Job, Pod

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.parcels import LeftParcels
    from qwex_kueue.run import Run
    from qwex_kueue.runs import Runs
    from qwex_kueue.writer import Writer

__all__ = ["Inquiries"]

log = logging.getLogger(__name__)

#: Seconds before each further try of an artifact store that does not answer; the last one again and again.
_STORE_AGAIN = (1.0, 5.0, 15.0, 60.0)


class Inquiries:
    """Each is a task of its own, begun with ``spawn``; what comes of it, ``runs`` is told."""

    def __init__(
        self,
        server: ApiServer,
        runs: Runs,
        writer: Writer,
        parcels: LeftParcels,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._server = server
        self._runs = runs
        self._writer = writer
        self._parcels = parcels
        self._spawn = spawn
        #: Run ids of jobs whose ends are looked for in the artifact store.
        self._looked_for: set[str] = set()
        #: Run ids and attempts that are being given up.
        self._given_up: set[tuple[str, int]] = set()

    def look_into(self, run: Run, puzzle: Puzzle) -> None:
        """Find out what does not go on."""
        ways = {
            Puzzle.UNNOTICED: self._find_out,
            Puzzle.UNMADE: self._find_trouble,
            Puzzle.UNEXPLAINED: self._verify,
            Puzzle.VANISHED: self._look_for,
        }
        self._spawn(ways[puzzle](run))

    def give_up(self, run: Run) -> None:
        """Free the quota of a job that cannot go on, however long that takes; asked at each look, it is done once."""
        attempt = (run.run_id, run.attempt)
        if attempt not in self._given_up:
            self._given_up.add(attempt)
            self._spawn(self._free(run, attempt))

    async def _find_out(self, run: Run) -> None:
        """Why Kueue takes no notice of a Job: it is away, or does not look after the namespace."""
        if job := run.job:
            there = await self._server.get(f"{self._server.jobs}/{job.name}")
            if not await preflight.kueue_sees(self._server, manifests.anew(there)):
                self._runs.refuses(run, preflight.UNMANAGED.format(namespace=self._server.namespace))

    async def _find_trouble(self, run: Run) -> None:
        """Why a node does not make a pod's containers: what it mounts may not be there, and then it never starts.

        Its own Secret is there in a moment, where a hand-over was interrupted.
        """
        if (pod := run.pod(run.attempt)) is None:
            return
        said = await podevents.trouble(self._server, pod)
        missing = podevents.missing(said)
        if missing and missing not in run.jobs and run.pod(run.attempt) == pod:
            self._runs.refuses(run, said, Reason.START_FAILED)

    async def _verify(self, run: Run) -> None:
        """Whether its Job or its pod have been ended, and a watch that lags behind has not shown that yet."""
        job, pod = run.job, run.pod(run.attempt)
        if job and pod:
            now = await self._now(f"{self._server.jobs}/{job.name}", job.uid)
            self._runs.job_changed(job, Job.of(now) if now else None)
            now = await self._now(f"{self._server.core}/pods/{pod.name}", pod.uid)
            self._runs.pod_changed(pod, Pod.of(now) if now else None)
            self._runs.verified(run)

    async def _look_for(self, run: Run) -> None:
        """How a job ended that the cluster has cleared away: its agent may have left that, all else is a deletion."""
        if run.run_id in self._looked_for:
            return
        self._looked_for.add(run.run_id)
        try:
            exit, attempt = await self._left_by(run)
        finally:
            self._looked_for.discard(run.run_id)
        run.unasked = False
        if exit:
            self._runs.ended(run, attempt, exit)
        else:
            self._runs.look(run)
        if run.is_over:
            self._runs.forget(run.run_id)

    async def _left_by(self, run: Run) -> tuple[dict[str, Any] | None, int]:
        """The exit record that its present attempt left, and which attempt that is; however long the store is away."""
        for pause in itertools.chain(_STORE_AGAIN, itertools.repeat(_STORE_AGAIN[-1])):
            attempt = run.attempt
            try:
                return await self._parcels.exit(run.run_id, attempt), attempt
            except BackendUnavailable as error:
                log.warning("it cannot be told yet how %s ended: %s", run.run_id, error)
            await asyncio.sleep(pause)
        raise AssertionError

    async def _now(self, path: str, uid: str) -> dict[str, Any] | None:
        """An object as the cluster has it; None when it is gone."""
        try:
            there = await self._server.get(path)
        except Missing:
            return None
        return there if there["metadata"]["uid"] == uid else None

    async def _free(self, run: Run, attempt: tuple[str, int]) -> None:
        try:
            await self._writer.delete_at_last(run)
        finally:
            self._given_up.discard(attempt)
