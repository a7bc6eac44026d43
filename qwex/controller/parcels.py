"""What attempts that nobody came for have left in a shared artifact store.

``users/<user>/jobs/<run id>/parcel-<attempt>``: the attempt that was handed over, of which a backend may have made
further ones by itself. The first line of a parcel says whose it is; see ``qwex.runner.parcel``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qwex.controller.claims import folder_of
from qwex.errors import NotFound, QwexError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from qwex.controller.artifacts import Artifacts

__all__ = ["Parcels", "parcel_name"]

log = logging.getLogger(__name__)

#: Seconds that a job waits for its address, the first one; a store that is away is not waited for.
_SECONDS = 1.0


class Parcels:
    """Addresses to leave one at, and what was left. ``user_of`` tells whose a job is, or raises ``NotFound``."""

    def __init__(self, artifacts: Artifacts | None, user_of: Callable[[str], Awaitable[str]]) -> None:
        self._artifacts = artifacts if artifacts and artifacts.is_shared else None
        self._user_of = user_of

    async def address(self, user: str, run_id: str, attempt: int, seconds: float) -> str:
        """Where the attempt may leave one, for so long; empty where there is no such place, or not now."""
        if self._artifacts is None or not await self._artifacts.started(_SECONDS):
            return ""
        try:
            url = await self._artifacts.url(f"{folder_of(user, run_id)}/{parcel_name(attempt)}", seconds, "PUT") or ""
        except QwexError as error:
            log.warning("%s has nowhere to leave what nobody comes for: %s", run_id, error)
            return ""
        return url if url.startswith(("http://", "https://")) else ""

    async def read(self, run_id: str, attempt: int, start: int) -> AsyncIterator[bytes]:
        """The newest parcel of that attempt or one before it, from byte ``start`` on.

        Raises:
            NotFound: there is none.
            ArtifactsUnavailable: the store cannot be reached.
        """
        key = await self._newest(run_id, attempt)
        if self._artifacts is None or key is None:
            raise NotFound(f"{run_id} left nothing in the artifact store")
        async for chunk in self._artifacts.get(key, start):
            yield chunk

    async def remove(self, user: str, run_id: str) -> None:
        """All of the job: what they hold is kept elsewhere."""
        if self._artifacts and (keys := await self._of(user, run_id)):
            await self._artifacts.delete(keys.values())

    async def _newest(self, run_id: str, attempt: int) -> str | None:
        found = await self._of(await self._user_of(run_id), run_id) if self._artifacts else {}
        return found[max(numbers)] if (numbers := [number for number in found if number <= attempt]) else None

    async def _of(self, user: str, run_id: str) -> dict[int, str]:
        """Keys by attempt."""
        assert self._artifacts is not None
        prefix = f"{folder_of(user, run_id)}/{parcel_name('')}"
        found = [stored.key async for stored in self._artifacts.list(folder_of(user, run_id))]
        return {int(key[len(prefix) :]): key for key in found if key.startswith(prefix)}


def parcel_name(attempt: int | str) -> str:
    """Of an attempt's, in its job's folder."""
    return f"parcel-{attempt}"
