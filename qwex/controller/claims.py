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

from qwex.artifacts import one_chunk
from qwex.controller.blobs import home_of
from qwex.controller.records import digests_in
from qwex.errors import Damaged, NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from qwex.artifacts import Stored
    from qwex.controller.artifacts import Artifacts

__all__ = ["INPUTS", "MANIFEST", "MANIFEST_VERSION", "VALUES", "Claims", "Needs", "folder_of"]

INPUTS, VALUES, MANIFEST = "inputs.json", "values.json", "manifest.json"
MANIFEST_VERSION = 2

_VERSION = 1
#: Seconds after which this controller's own claims of a job that it does not know are of one that was withdrawn while
#: the store was away: far more than a submit takes.
_WITHDRAWN = 7 * 86_400.0
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
    """Written for this controller's jobs, and read of all the others'; ``controller`` is its own name."""

    def __init__(self, artifacts: Artifacts, controller: str = "") -> None:
        self._artifacts = artifacts
        self._controller = controller

    async def write(self, user: str, run_id: str, name: str, digests: Iterable[str]) -> None:
        """Say that the job needs these blobs, until its manifest does."""
        said = {"version": _VERSION, "controller": self._controller, "run_id": run_id, "blobs": sorted(digests)}
        key, text = f"{folder_of(user, run_id)}/{name}", json.dumps(said).encode()
        await self._artifacts.put(key, one_chunk(text), replace=True)

    async def drop(self, user: str, run_id: str) -> None:
        """Its manifest says so now, or the job is none any more."""
        folder = folder_of(user, run_id)
        await self._artifacts.delete([f"{folder}/{INPUTS}", f"{folder}/{VALUES}"])

    async def needs(self, user: str, known: Collection[str]) -> Needs:
        """What the user's jobs need that are not among the ``known``.

        Raises:
            Damaged: what one of them needs cannot be read.
        """
        jobs = await self._unknown(user, known)
        gate = asyncio.Semaphore(_TOGETHER)

        async def read(run_id: str) -> set[str]:
            async with gate:
                return await self._needs(folder_of(user, run_id), jobs[run_id])

        digests = await asyncio.gather(*map(read, jobs))
        begun = [min(each.modified for each in job.values()) for job in jobs.values() if MANIFEST not in job]
        return Needs(set().union(*digests), len(begun), min(begun, default=None))

    async def tidy(self, user: str, known: Collection[str], now: float) -> None:
        """Drop what this controller has said of jobs that it does not have any more, and could not take back.

        ``known`` are those that it has; ``now`` is the time by the store's clock.

        Raises:
            Damaged: what was said cannot be read.
        """
        for run_id, there in (await self._unknown(user, known)).items():
            old = MANIFEST not in there and all(each.modified < now - _WITHDRAWN for each in there.values())
            if old and await self._is_own(folder_of(user, run_id), there):
                await self.drop(user, run_id)

    async def _unknown(self, user: str, known: Collection[str]) -> Mapping[str, Mapping[str, Stored]]:
        """What stands there of jobs that are not among the ``known``: by run id, then by name."""
        jobs: defaultdict[str, dict[str, Stored]] = defaultdict(dict)
        async for each in self._artifacts.list(f"{home_of(user)}/jobs"):
            run_id, _, name = each.key.removeprefix(f"{home_of(user)}/jobs/").partition("/")
            if run_id not in known and name in (INPUTS, VALUES, MANIFEST):
                jobs[run_id][name] = each
        return jobs

    async def _is_own(self, folder: str, names: Iterable[str]) -> bool:
        """Whether all of these are this controller's; not those of before there were names in them."""
        said = [await self._said(f"{folder}/{name}") for name in names]
        return bool(self._controller) and all(each and each[1].get("controller") == self._controller for each in said)

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
        said = await self._said(key)
        return digests_in(said[0]) if said else None

    async def _said(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """What stands there, as text and read; None where nothing is."""
        try:
            text = b"".join([chunk async for chunk in self._artifacts.get(key)]).decode()
        except NotFound:
            return None
        except UnicodeDecodeError as error:
            raise Damaged(f"{key} in {self._artifacts.place} is no text: {error}") from error
        try:
            said: Any = json.loads(text)
            version = said["version"]
        except (ValueError, TypeError, LookupError):
            raise Damaged(f"{key} in {self._artifacts.place} cannot be read: it is damaged") from None
        if version != (MANIFEST_VERSION if key.endswith(MANIFEST) else _VERSION):
            raise Damaged(f"{key} in {self._artifacts.place} was written by another version of qwex")
        return text, said


def folder_of(user: str, run_id: str) -> str:
    """Where a job's objects lie."""
    return f"{home_of(user)}/jobs/{run_id}"
