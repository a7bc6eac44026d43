"""What attempts that nobody came for have left in a shared artifact store.

``users/<user>/jobs/<run id>/parcel-<attempt>-<n>``: the attempt that was handed over, of which a backend may make
further ones by itself; each pod takes the first of the places that is free. A parcel's first line says whose it is;
see ``qwex.runner.parcel``.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from qwex.artifacts import is_remote
from qwex.controller.claims import folder_of
from qwex.errors import NotFound, QwexError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from qwex.controller.artifacts import Artifacts

__all__ = ["Parcels", "parcel_names"]

log = logging.getLogger(__name__)

#: Seconds that a job waits for its addresses, the first one; a store that is away is not waited for.
_SECONDS = 1.0
#: Places for each attempt that is handed over.
_PLACES = 4
_NAME = re.compile(r"parcel-(\d+)-(\d+)")


class Parcels:
    """Addresses to leave one at, and what was left; ``shared`` is the store where it outlives this machine.

    ``user_of`` tells whose a job is, or raises ``NotFound``.
    """

    def __init__(self, shared: Artifacts | None, user_of: Callable[[str], Awaitable[str]]) -> None:
        self._shared = shared
        self._user_of = user_of

    async def addresses(self, user: str, run_id: str, attempt: int, seconds: float) -> tuple[str, ...]:
        """Where the attempt may leave one, for so long; empty where there is no such place, or not now."""
        if self._shared is None or not await self._shared.started(_SECONDS):
            return ()
        folder = folder_of(user, run_id)
        try:
            urls = [await self._shared.url(f"{folder}/{name}", seconds, "PUT") for name in parcel_names(attempt)]
        except QwexError as error:
            log.warning("%s has nowhere to leave what nobody comes for: %s", run_id, error)
            return ()
        return tuple(url for url in urls if url and is_remote(url))

    async def names(self, run_id: str) -> list[str]:
        """See ``qwex.backend.ParcelReader``."""
        return await self._names(await self._user_of(run_id), run_id) if self._shared else []

    async def read(self, run_id: str, name: str, start: int) -> AsyncIterator[bytes]:
        """See ``qwex.backend.ParcelReader``."""
        if self._shared is None or not _NAME.fullmatch(name):
            raise NotFound(f"{run_id} left no {name} in the artifact store")
        async for chunk in self._shared.get(f"{folder_of(await self._user_of(run_id), run_id)}/{name}", start):
            yield chunk

    async def remove(self, user: str, run_id: str) -> None:
        """All of the job: what they hold is kept elsewhere."""
        if self._shared and (names := await self._names(user, run_id)):
            await self._shared.delete([f"{folder_of(user, run_id)}/{name}" for name in names])

    async def _names(self, user: str, run_id: str) -> list[str]:
        assert self._shared is not None
        found = [stored.key.rpartition("/")[2] async for stored in self._shared.list(folder_of(user, run_id))]
        matches = [match for name in found if (match := _NAME.fullmatch(name))]
        return [match[0] for match in sorted(matches, key=lambda match: (int(match[1]), int(match[2])))]


def parcel_names(attempt: int) -> list[str]:
    """Of all that an attempt may leave, in its job's folder."""
    return [f"parcel-{attempt}-{number}" for number in range(1, _PLACES + 1)]
