"""What jobs gave back, kept here where the place that has it lets go of it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from qwex.backend import Capability
from qwex.controller.claims import VALUES
from qwex.errors import ArtifactsUnavailable, BackendUnavailable, InvalidSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qwex.backend import Backend
    from qwex.controller.blobs import Blobs
    from qwex.controller.claims import Claims
    from qwex.controller.job import LiveJob

__all__ = ["Values"]

log = logging.getLogger(__name__)

#: Seconds before each further try while the backend cannot be reached.
_PAUSES = (0.2, 1.0, 5.0, 15.0, 30.0)


#: Values that are copied at once.
_TOGETHER = 16


class Values:
    """Output values by their digest, of backends that do not keep them."""

    def __init__(self, blobs: Blobs | None, claims: Claims | None = None) -> None:
        self._blobs = blobs
        self._claims = claims

    async def keep(self, job: LiveJob, backend: Backend[Any]) -> list[str]:
        """Copy the values of an attempt that is over; the names of those that could not be."""
        if self._blobs is None or Capability.FLEETING not in backend.capabilities:
            return []
        gate, blobs = asyncio.Semaphore(_TOGETHER), self._blobs

        async def copied(name: str) -> bool:
            async with gate:
                return await self._copy(job, backend, blobs, name)

        names = [name for name, found in job.produced.items() if found["attempt"] == job.record.attempt]
        done = await asyncio.gather(*map(copied, names))
        await self._claim(job, {job.produced[name]["digest"] for name, well in zip(names, done, strict=True) if well})
        return [job.produced[name].get("path", name) for name, well in zip(names, done, strict=True) if not well]

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
    async def _copy(job: LiveJob, backend: Backend[Any], blobs: Blobs, name: str) -> bool:
        found, user = job.produced[name], job.record.user
        for pause in (*_PAUSES, None):
            try:
                await blobs.fetch(user, job.record.native_id or job.id, found, backend)
                return True
            # One that is cut short has another digest.
            except (ArtifactsUnavailable, BackendUnavailable, InvalidSpec) as error:
                log.warning("the value %s of %s cannot be read: %s", name, job.id, error)
                if pause is None:
                    return False
                await asyncio.sleep(pause)
            except Exception:
                log.exception("the value %s of %s cannot be kept", name, job.id)
                return False
        return False
