"""Removes ended jobs with all they left: at the backend, in a shared artifact store, their logs, last their rows."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.controller.archive import LOG
from qwex.controller.claims import INPUTS, MANIFEST, VALUES, folder_of
from qwex.controller.parcels import parcel_names
from qwex.errors import BackendUnavailable, QwexError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qwex.backend import Backend
    from qwex.controller.artifacts import Artifacts
    from qwex.controller.backends import Backends
    from qwex.controller.eventlog import Logs
    from qwex.controller.job import LiveJob
    from qwex.controller.store import Store
    from qwex.controller.tracking import Tracking
    from qwex.record import JobRecord

__all__ = ["UNTOLD", "Removed", "Removing"]

log = logging.getLogger(__name__)

#: Why a job stays of whose end, or of what was added to it, somebody does not know.
UNTOLD = "trackers were not told of their end yet"
#: Among what is away; no backend has a name with a space.
_STORE = "artifact store"
#: Jobs that a backend is asked to forget at once.
_TOGETHER = 8


class Removed(NamedTuple):
    """What became of some jobs."""

    ids: list[str]
    bytes: int
    #: Why others stay, and how many of them.
    stay: Counter[str]


class Removing:
    """``shared`` is the artifact store where it outlives this machine, and so holds what jobs left.

    ``changing`` is held by whoever changes what ended jobs have left.
    """

    def __init__(
        self,
        store: Store,
        logs: Logs,
        backends: Backends,
        tracking: Tracking,
        shared: Artifacts | None,
        changing: asyncio.Lock,
    ) -> None:
        self._store = store
        self._logs = logs
        self._backends = backends
        self._tracking = tracking
        self._shared = shared
        self._changing = changing

    def size(self, jobs: Sequence[LiveJob]) -> int:
        """Bytes of these jobs' logs. Blocks."""
        return sum(self._logs.size(job.id) for job in jobs)

    async def remove(self, jobs: Sequence[LiveJob], away: dict[str, str]) -> Removed:
        """Remove these, as far as what has something of them can be reached.

        ``away`` is what cannot be, by its name, with what is to be said of the jobs: what is found to be away here is
        asked nothing more.
        """
        async with self._changing:
            # A file may have been added to one since it was found, of which trackers are told.
            told = [job for job in jobs if self._tracking.waiting(job.id) is None]
            return await self._remove(told, Counter({UNTOLD: len(jobs) - len(told)}), away)

    async def _remove(self, jobs: Sequence[LiveJob], stay: Counter[str], away: dict[str, str]) -> Removed:
        gone = [] if _STORE in away else await self._forgotten(jobs, stay, away)
        try:
            await self._empty(gone)
        except QwexError as error:
            away[_STORE] = f"the artifact store cannot be used: {error.message}"
        if _STORE in away:
            stay[away[_STORE]] += len(gone or jobs)
            return Removed([], 0, stay)
        ids = [job.id for job in gone]
        size = await asyncio.to_thread(lambda: sum(map(self._logs.remove, ids)))
        await self._store.writer.delete(ids)
        return Removed(ids, size, stay)

    async def _forgotten(self, jobs: Sequence[LiveJob], stay: Counter[str], away: dict[str, str]) -> list[LiveJob]:
        """Those of which no backend has anything any more."""
        gate, names = asyncio.Semaphore(_TOGETHER), dict.fromkeys(job.record.backend for job in jobs)
        backends = {name: await self._backend(name, away) for name in names}

        async def is_forgotten(job: LiveJob) -> bool:
            async with gate:
                backend = backends[job.record.backend]
                why = away.get(job.record.backend) or (await _trouble(backend, job, away) if backend else "")
            stay[why] += 1
            return not why

        done = await asyncio.gather(*map(is_forgotten, jobs))
        del stay[""]
        return [job for job, well in zip(jobs, done, strict=True) if well]

    async def _backend(self, name: str, away: dict[str, str]) -> Backend[Any] | None:
        if name not in away:
            try:
                return await self._backends.get(name)
            except Exception as error:
                away[name] = f"the backend {name} cannot be used: {_sentence(error)}"
        return None

    async def _empty(self, jobs: Sequence[LiveJob]) -> None:
        """Remove what these jobs have in a shared artifact store, but for blobs."""
        if self._shared and jobs:
            await self._shared.delete([key for job in jobs for key in _keys(job.record)])


async def _trouble(backend: Backend[Any], job: LiveJob, away: dict[str, str]) -> str:
    """Have the backend forget the job; what keeps it from that, or nothing."""
    try:
        # One that never reached its backend has left nothing there.
        if job.record.native_id:
            await backend.forget(job.record.native_id)
    except Exception as error:
        why = f"the backend {backend.name} does not remove what it has: {_sentence(error)}"
        if isinstance(error, BackendUnavailable):
            away[backend.name] = why
        elif not isinstance(error, QwexError):
            log.exception("%s does not forget %s", backend.name, job.id)
        return why
    return ""


def _keys(record: JobRecord) -> Iterator[str]:
    """All that a job may have there."""
    parcels = (name for attempt in range(1, record.attempt + 1) for name in parcel_names(attempt))
    for name in (LOG, INPUTS, VALUES, MANIFEST, *parcels):
        yield f"{folder_of(record.user, record.id)}/{name}"


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__
