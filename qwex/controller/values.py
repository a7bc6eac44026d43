"""What jobs gave back, kept here where the place that has it lets go of it."""

from __future__ import annotations

import asyncio
import logging
import time
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.backend import Capability
from qwex.controller.claims import VALUES
from qwex.errors import (
    ArtifactsUnavailable,
    BackendUnavailable,
    ConfigError,
    Damaged,
    InvalidSpec,
    NotAuthorized,
    NotFound,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qwex.backend import Backend
    from qwex.controller.blobs import Blobs
    from qwex.controller.claims import Claims
    from qwex.controller.job import LiveJob

__all__ = ["Kept", "Values"]

log = logging.getLogger(__name__)

#: Seconds before each further try while the backend or the store cannot be reached.
_PAUSES = (0.2, 1.0, 5.0, 15.0, 30.0)
#: Seconds for which it is tried after a job's end, and between two tries then: no place keeps them much longer.
_LINGERS, _AGAIN = 600.0, 10.0
#: Values that are copied at once.
_TOGETHER = 16


class _Fate(Enum):
    """What became of a value."""

    HERE = "here"
    #: Nobody has it any more, or its bytes are others by now.
    LOST = "lost"
    #: Its place or the store cannot be used now.
    LATER = "later"


class Kept(NamedTuple):
    """Of an attempt's values those that are not here, by name or path."""

    #: Nobody has them any more.
    lost: list[str]
    #: They cannot be copied now.
    later: list[str]


class Values:
    """Output values by their digest, of backends that do not keep them."""

    def __init__(self, blobs: Blobs | None, claims: Claims | None = None) -> None:
        self._blobs = blobs
        self._claims = claims

    async def keep(self, job: LiveJob, backend: Backend[Any]) -> Kept:
        """Copy the values of an attempt that is over; those that could not be."""
        if self._blobs is None or Capability.FLEETING not in backend.capabilities:
            return Kept([], [])
        gate, blobs = asyncio.Semaphore(_TOGETHER), self._blobs

        async def copied(name: str) -> _Fate:
            async with gate:
                return await self._copy(job, backend, blobs, name)

        names = [name for name, found in job.produced.items() if found["attempt"] == job.record.attempt]
        fates = dict(zip(names, await asyncio.gather(*map(copied, names)), strict=True))
        await self._claim(job, {job.produced[name]["digest"] for name in names if fates[name] is _Fate.HERE})

        def shown(fate: _Fate) -> list[str]:
            return [job.produced[name].get("path", name) for name in names if fates[name] is fate]

        return Kept(shown(_Fate.LOST), shown(_Fate.LATER))

    async def keep_on(self, job: LiveJob, backend: Backend[Any]) -> Kept:
        """The same, tried for as long as their place may keep them for one who does not come."""
        until = time.monotonic() + _LINGERS
        while True:
            kept = await self.keep(job, backend)
            if not kept.later or time.monotonic() >= until:
                return kept
            await asyncio.sleep(_AGAIN)

    async def kept(self, user: str, digest: str) -> AsyncIterator[bytes] | None:
        """The user's bytes with that digest, if they are here."""
        return self._blobs.get(user, digest) if self._blobs and await self._blobs.exists(user, digest) else None

    async def _claim(self, job: LiveJob, digests: set[str]) -> None:
        """Say that the job needs these, where other controllers see it: its manifest may be long in coming."""
        if self._claims is None or not digests:
            return
        for pause in (*_PAUSES, None):
            try:
                await self._claims.write(job.record.user, job.id, VALUES, digests)
                return
            except Exception as error:
                log.warning("it is not said that the values of %s are needed: %s", job.id, error)
                if pause is None or not isinstance(error, ArtifactsUnavailable):
                    return
            await asyncio.sleep(pause)

    @staticmethod
    async def _copy(job: LiveJob, backend: Backend[Any], blobs: Blobs, name: str) -> _Fate:
        found, user, fate = job.produced[name], job.record.user, _Fate.LOST
        why: Exception
        for pause in (*_PAUSES, None):
            try:
                await blobs.fetch(user, job.record.native_id or job.id, found, backend)
                return _Fate.HERE
            except (ArtifactsUnavailable, BackendUnavailable) as error:
                fate, why = _Fate.LATER, error
            # One that is cut short has another digest.
            except (InvalidSpec, Damaged) as error:
                fate, why = _Fate.LOST, error
            except (ConfigError, NotAuthorized) as error:
                log.warning("the value %s of %s cannot be kept now: %s", name, job.id, error)
                return _Fate.LATER  # which somebody has to mend
            except NotFound as error:
                log.warning("the value %s of %s is gone: %s", name, job.id, error)
                return _Fate.LOST
            except Exception:
                log.exception("the value %s of %s cannot be kept", name, job.id)
                return _Fate.LOST
            log.warning("the value %s of %s cannot be read: %s", name, job.id, why)
            if pause is not None:
                await asyncio.sleep(pause)
        return fate
