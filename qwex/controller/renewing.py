"""Jobs that wait are given anew what does not hold for ever, or came after they were handed over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from anyio import fail_after, move_on_after

from qwex.backend import Capability
from qwex.controller.addresses import expire
from qwex.errors import InvalidSpec, NotFound, QwexError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qwex.controller.backends import Backends
    from qwex.controller.job import LiveJob
    from qwex.controller.planning import Planner
    from qwex.controller.renewals import Renewals

__all__ = ["Renewing"]

log = logging.getLogger(__name__)

#: Addresses are renewed once they are this part of their life old; it is looked so often in that time.
_AGE, _LOOKS = 0.5, 4
#: Seconds between two looks at most, and before what failed is tried again: first and longest.
_RARELY, _PAUSE = 600.0, (1.0, 60.0)
#: Seconds that one job may take.
_SECONDS = 60.0


class Renewing:
    """Addresses before they expire, and trackers' variables that came late. Where none expire, ``lifetime`` is None."""

    def __init__(self, backends: Backends, planner: Planner, renewals: Renewals, lifetime: float | None) -> None:
        self._backends = backends
        self._planner = planner
        self._renewals = renewals
        self._age = math.inf if lifetime is None else lifetime * _AGE
        self._due: dict[str, _Due] = {}
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look after the jobs that there are by now, and those that come."""
        self._looking = asyncio.create_task(self._look(min(self._age / _LOOKS, _RARELY)))

    def came(self, job: LiveJob) -> None:
        """Trackers have given the job variables; one on this machine reads them where they lie."""
        if job.record.native_id and Capability.INHERITS_ENVIRONMENT not in self._capabilities(job):
            self._due_of(job).put(job, urgent=True)

    async def close(self) -> None:
        """Renew nothing more; the next start looks again."""
        tasks = [due.task for due in self._due.values()] + ([self._looking] if self._looking else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._renewals.keep()

    async def _look(self, every: float) -> None:
        while True:
            now, live = time.time(), {job.id: job for job in self._backends.registry if job.record.native_id}
            self._renewals.prune(live)
            for job in live.values():
                if now - max(job.record.created_at, self._renewals.last(job.id)) >= self._age:
                    self._due_of(job).put(job)
            await self._renewals.keep()
            await asyncio.sleep(every)

    def _due_of(self, job: LiveJob) -> _Due:
        name = job.record.backend
        if name not in self._due:
            self._due[name] = _Due(name, self._renew)
        return self._due[name]

    async def _renew(self, job: LiveJob) -> None:
        if job.record.state.terminal or not job.record.native_id:
            return
        began = time.time()
        backend = await self._backends.get(job.record.backend)
        plan = await self._planner.anew(job)
        if expire(plan) or plan.later:
            await backend.renew(job.record.native_id, backend.render(plan))
        self._renewals.note(job.id, began if expire(plan) else math.inf)

    def _capabilities(self, job: LiveJob) -> frozenset[str]:
        with contextlib.suppress(QwexError):
            return self._backends.plugins.backend(job.record.backend).capabilities
        return frozenset({Capability.INHERITS_ENVIRONMENT})


class _Due:
    """The jobs of one backend that are to be renewed, one after the other; no backend waits for another."""

    def __init__(self, backend: str, renew: Callable[[LiveJob], Awaitable[None]]) -> None:
        self._backend = backend
        self._renew = renew
        self._jobs: OrderedDict[str, LiveJob] = OrderedDict()
        self._wake = asyncio.Event()
        self._said = ""
        self.task = asyncio.create_task(self._work())

    def put(self, job: LiveJob, *, urgent: bool = False) -> None:
        """Renew it in its turn; at once where that is urgent."""
        if urgent or job.id not in self._jobs:
            self._wake.set()
        self._jobs[job.id] = job
        if urgent:
            self._jobs.move_to_end(job.id, last=False)

    async def _work(self) -> None:
        pause = _PAUSE[0]
        while True:
            self._wake.clear()
            if await self._round():
                pause = _PAUSE[0]
                await self._wake.wait()
            else:
                with move_on_after(pause):
                    await self._wake.wait()
                pause = min(pause * 2, _PAUSE[1])

    async def _round(self) -> bool:
        """Whether nothing is left to do. What concerns more than one job ends it, and is not met once for each."""
        failed: dict[str, LiveJob] = {}
        goes_on = True
        while goes_on and self._jobs:
            # Not there any more, so that what comes while it is renewed counts.
            id, job = self._jobs.popitem(last=False)
            try:
                # asyncio.wait_for, before Python 3.12, forgets a cancellation that comes along with the result.
                with fail_after(_SECONDS):
                    await self._renew(job)
            except (QwexError, TimeoutError) as error:
                failed[id] = job
                goes_on = isinstance(error, (InvalidSpec, NotFound))
                self._say(id, str(error) or f"{self._backend} takes longer than {_SECONDS:g} s")
            except Exception:  # not what a backend may raise: no sooner again than at the next look
                log.exception("%s is not given new addresses", id)
            else:
                self._said = ""
        for id, job in failed.items():
            self._jobs.setdefault(id, job)
        return not failed

    def _say(self, id: str, why: str) -> None:
        """Once, however often it is tried."""
        if why != self._said:
            log.warning("%s cannot be given new addresses yet: %s", id, why)
        self._said = why
