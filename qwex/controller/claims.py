"""What jobs need of a shared artifact store, said where other controllers see it.

``users/<user>/jobs/<run id>/manifest.json`` says it of jobs that have ended (see ``archive``). Before that two *claims*
beside it do, as far as there is anything to say: ``inputs.json`` as soon as the job has begun, and ``values.json`` once
what it gave back was copied there.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.controller.blobs import home_of
from qwex.controller.records import digests_in
from qwex.errors import Damaged, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

    from qwex.artifacts import Stored
    from qwex.controller.artifacts import Artifacts

__all__ = ["INPUTS", "MANIFEST", "MANIFEST_VERSION", "VALUES", "Claims", "Needs", "folder_of"]

INPUTS, VALUES, MANIFEST = "inputs.json", "values.json", "manifest.json"
MANIFEST_VERSION = 2

_VERSION = 1
#: Objects that are read at once.
_TOGETHER = 16


class Needs(NamedTuple):
    """What the jobs of other controllers need."""

    digests: set[str]
    #: Those that have not ended, or whose controller was never there to say that they have.
    unended: int = 0
    #: Since when, of the oldest of these; by the store's clock.
    since: float | None = None


class Claims:
    """Written for this controller's jobs, and read of all the others'."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    async def write(self, user: str, run_id: str, name: str, digests: Iterable[str]) -> None:
        """Say that the job needs these blobs, until its manifest does."""

        async def once() -> AsyncIterator[bytes]:
            yield json.dumps({"version": _VERSION, "run_id": run_id, "blobs": sorted(digests)}).encode()

        await self._artifacts.put(f"{folder_of(user, run_id)}/{name}", once(), replace=True)

    async def drop(self, user: str, run_id: str) -> None:
        """Its manifest says so now, or the job is none any more."""
        folder = folder_of(user, run_id)
        await self._artifacts.delete([f"{folder}/{INPUTS}", f"{folder}/{VALUES}"])

    async def needs(self, user: str, known: Collection[str]) -> Needs:
        """What the user's jobs need that are not among the ``known``.

        Raises:
            Damaged: what one of them needs cannot be read.
        """
        jobs: defaultdict[str, dict[str, Stored]] = defaultdict(dict)
        async for each in self._artifacts.list(f"{home_of(user)}/jobs"):
            run_id, _, name = each.key.removeprefix(f"{home_of(user)}/jobs/").partition("/")
            if run_id not in known and name in (INPUTS, VALUES, MANIFEST):
                jobs[run_id][name] = each
        gate = asyncio.Semaphore(_TOGETHER)

        async def read(run_id: str) -> set[str]:
            async with gate:
                return await self._needs(f"{home_of(user)}/jobs/{run_id}", jobs[run_id])

        digests = await asyncio.gather(*map(read, jobs))
        begun = [min(each.modified for each in job.values()) for job in jobs.values() if MANIFEST not in job]
        return Needs(set().union(*digests), len(begun), min(begun, default=None))

    async def _needs(self, folder: str, there: Mapping[str, Stored]) -> set[str]:
        """What one job needs: its manifest says all, else each of its claims a part."""
        if MANIFEST not in there:
            claimed = [await self._read(f"{folder}/{name}") for name in there]
            if None not in claimed:
                return {digest for each in claimed for digest in each or ()}
        # One whose claims have gone since the list was made has a manifest by now, or is no job any more.
        return await self._read(f"{folder}/{MANIFEST}") or set()

    async def _read(self, key: str) -> set[str] | None:
        """Every digest that stands there; None where nothing is."""
        try:
            text = b"".join([chunk async for chunk in self._artifacts.get(key)]).decode()
        except NotFound:
            return None
        except UnicodeDecodeError as error:
            raise Damaged(f"{key} in {self._artifacts.place} is no text: {error}") from error
        self._check(key, text)
        return digests_in(text)

    def _check(self, key: str, text: str) -> None:
        try:
            said: Any = json.loads(text)
            version = said["version"]
        except (ValueError, TypeError, LookupError):
            raise Damaged(f"{key} in {self._artifacts.place} cannot be read: it is damaged") from None
        if version != (MANIFEST_VERSION if key.endswith(MANIFEST) else _VERSION):
            raise Damaged(f"{key} in {self._artifacts.place} was written by another version of qwex")


def folder_of(user: str, run_id: str) -> str:
    """Where a job's objects lie."""
    return f"{home_of(user)}/jobs/{run_id}"
