"""Jobs that wait are given anew what does not hold for ever, or came after they were handed over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import TYPE_CHECKING

from qwex.backend import Capability
from qwex.controller.addresses import expire
from qwex.errors import QwexError

if TYPE_CHECKING:
    from qwex.controller.artifacts import Artifacts
    from qwex.controller.backends import Backends
    from qwex.controller.job import LiveJob
    from qwex.controller.planning import Planner

__all__ = ["Renewing"]

log = logging.getLogger(__name__)

#: Addresses are renewed once they are this part of their life old; it is looked so often in that time.
_AGE, _LOOKS = 0.5, 4
#: Seconds between two looks at most, and before what failed is tried again: first and longest.
_RARELY, _PAUSE = 3600.0, (1.0, 60.0)


class Renewing:
    """Addresses before they expire, and trackers' variables that came late; one job after the other."""

    def __init__(self, backends: Backends, planner: Planner, artifacts: Artifacts | None, lifetime: float) -> None:
        self._backends = backends
        self._planner = planner
        self._age = lifetime * _AGE
        #: When a job's addresses were last renewed (seconds since the epoch); infinity for one that has none.
        self._renewed: dict[str, float] = {}
        self._due: dict[str, LiveJob] = {}
        self._wake = asyncio.Event()
        self._tasks = [asyncio.create_task(self._work())]
        if artifacts and artifacts.is_shared:
            self._tasks.append(asyncio.create_task(self._look(min(self._age / _LOOKS, _RARELY))))

    def came(self, job: LiveJob) -> None:
        """Trackers have given the job variables; one on this machine reads them where they lie."""
        if job.record.native_id and Capability.INHERITS_ENVIRONMENT not in self._capabilities(job):
            self._put(job)

    async def close(self) -> None:
        """Renew nothing more; the next start looks again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self, every: float) -> None:
        while True:
            now, live = time.time(), {job.id: job for job in self._backends.registry if job.record.native_id}
            self._renewed = {id: when for id, when in self._renewed.items() if id in live}
            for job in live.values():
                if now - max(job.record.created_at, self._renewed.get(job.id, 0.0)) >= self._age:
                    self._put(job)
            await asyncio.sleep(every)

    def _put(self, job: LiveJob) -> None:
        self._due[job.id] = job
        self._wake.set()

    async def _work(self) -> None:
        pause = _PAUSE[0]
        while True:
            self._wake.clear()
            for id, job in list(self._due.items()):
                if await self._succeeds(job):
                    self._due.pop(id, None)
            if self._due:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE[1])
            else:
                pause = _PAUSE[0]
                await self._wake.wait()

    async def _succeeds(self, job: LiveJob) -> bool:
        """Whether nothing is left to do for the job."""
        if job.record.state.terminal or not job.record.native_id:
            return True
        began = time.time()
        try:
            backend = await self._backends.get(job.record.backend)
            plan = await self._planner.again(job)
            if expire(plan) or plan.later:
                await backend.renew(job.record.native_id, backend.render(plan))
            self._renewed[job.id] = began if expire(plan) else math.inf
        except QwexError as error:
            log.warning("%s cannot be given new addresses yet: %s", job.id, error)
            return False
        except Exception:
            log.exception("%s is not given new addresses", job.id)
            self._renewed[job.id] = began
        return True

    def _capabilities(self, job: LiveJob) -> frozenset[str]:
        with contextlib.suppress(QwexError):
            return self._backends.plugins.backend(job.record.backend).capabilities
        return frozenset({Capability.INHERITS_ENVIRONMENT})
