"""Removes blobs that nobody needs any more: what no job names goes, at once where no other controller can name it.

In a shared place it goes in two steps, since what others were asked for is not known here: what is found unneeded is
said (see ``garbage``), and only what was said a while ago and is unneeded still is removed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from qwex.controller.blobs import home_of, key_of
from qwex.controller.claims import Needs
from qwex.controller.garbage import REMOVAL_SECONDS
from qwex.errors import ArtifactsUnavailable, Conflict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from qwex.artifacts import Stored
    from qwex.controller.artifacts import Artifacts
    from qwex.controller.blobs import Blobs
    from qwex.controller.claims import Claims

__all__ = ["OWN_GRACE", "SHARED_GRACE", "Decision", "Sweeping", "Swept", "decide"]

#: Seconds for which a blob is kept after it was written or asked for, though no job names it: where no other
#: controller uses the place, and where others may. There it is said for as long, too, before it is removed.
OWN_GRACE, SHARED_GRACE = 3600.0, 86_400.0
#: Blobs that are removed at a time, and that are looked at at once.
_MANY, _TOGETHER = 200, 16


class Decision(NamedTuple):
    """What becomes of a user's blobs that no job names."""

    remove: list[Stored]
    #: Those that may be removed later, by their keys, with the time since when that is known.
    since: dict[str, float]


class Swept(NamedTuple):
    """What was removed, or would be."""

    blobs: int = 0
    bytes: int = 0
    #: Blobs that will be removed by a later sweep, if they are not needed by then.
    waiting: int = 0
    #: Blobs that are left.
    left: int = 0
    #: Of other controllers.
    needs: Needs = Needs(set())


def decide(
    blobs: Collection[Stored], needed: Collection[str], now: float, grace: float, said: Mapping[str, float] | None
) -> Decision:
    """Which of the blobs go, and which may go later.

    ``needed`` are the keys that somebody names or has asked for. ``said`` are those that were known to be unneeded
    before, with the time since when; None where no other controller uses the place. A blob that the store does not say
    the age of is kept.
    """
    unneeded = [blob for blob in blobs if blob.key not in needed and 0 < blob.modified <= now - grace]
    if said is None:
        return Decision(unneeded, {})
    since = {blob.key: min(said.get(blob.key, now), now) for blob in unneeded}
    # One that was written anew since is as one that was never said to go.
    since |= {blob.key: now for blob in unneeded if blob.modified >= since[blob.key]}
    return Decision([blob for blob in unneeded if since[blob.key] <= now - grace], since)


class Sweeping:
    """One user's blobs at a time, and one sweep at a time."""

    def __init__(self, artifacts: Artifacts, blobs: Blobs, claims: Claims) -> None:
        self._artifacts = artifacts
        self._blobs = blobs
        self._claims = claims

    async def sweep(self, user: str, known: Collection[str], digests: Collection[str], *, dry_run: bool) -> Swept:
        """Remove the user's blobs that nobody needs; ``known`` are this controller's jobs, which need ``digests``.

        Raises:
            QwexError: what is needed cannot be told, and nothing was removed, or the store has gone in the middle.
        """
        await self._check_alone()
        home, grace = home_of(user), SHARED_GRACE if self._artifacts.is_shared else OWN_GRACE
        said, now = await self._said(home, dry_run=dry_run)
        blobs = [each async for each in self._artifacts.list(f"{home}/blobs")]
        if self._artifacts.is_shared and not dry_run:
            await self._claims.tidy(user, known, now)
        needs = await self._claims.needs(user, known) if self._artifacts.is_shared else Needs(set())
        needed = {key_of(user, digest) for digest in {*digests, *needs.digests}}
        needed |= {each.key for each in blobs if self._blobs.uses.within(each.key, grace)}
        decision = decide(blobs, needed, now, grace, said)
        if dry_run:
            removed = decision.remove
        else:
            removed = await self._carry_out(home, decision, grace, now)
        waiting = max(len(decision.since) - len(removed), 0)
        size = sum(each.size for each in removed)
        return Swept(len(removed), size, waiting, len(blobs) - len(removed), needs)

    async def _check_alone(self) -> None:
        """Refuse a folder that other controllers use, of whose jobs nothing is known there.

        Raises:
            Conflict: there are others.
        """
        if strangers := await self._blobs.strangers():
            named = ", ".join(strangers[:3])
            raise Conflict(
                f"other controllers keep blobs in {self._artifacts.place}, too, and what their jobs need is not known: "
                f"give each a folder of its own, or remove the notes of those that are no more ({named} there)"
            )

    async def _said(self, home: str, *, dry_run: bool) -> tuple[dict[str, float] | None, float]:
        """What was said of the user's blobs before, and the time now by the store's clock."""
        if not self._artifacts.is_shared:
            return None, time.time()
        return await self._blobs.garbage.mine(home, look_only=dry_run)

    async def _carry_out(self, home: str, decision: Decision, grace: float, now: float) -> list[Stored]:
        if self._artifacts.is_shared:
            await self._blobs.garbage.say(home, decision.since)
            await self._blobs.garbage.tidy(home, now)
        await self._artifacts.tidy()
        removed: list[Stored] = []
        for start in range(0, len(decision.remove), _MANY):
            part = {blob.key: blob for blob in decision.remove[start : start + _MANY]}
            with self._blobs.uses.removing(part, grace) as unused:
                removed += await self._remove(home, [part[key] for key in unused])
        if removed and self._artifacts.is_shared:
            gone = {blob.key for blob in removed}
            await self._blobs.garbage.say(home, {key: at for key, at in decision.since.items() if key not in gone})
        return removed

    async def _remove(self, home: str, blobs: Sequence[Stored]) -> list[Stored]:
        """Those of the blobs that were removed: nobody here uses them, and none was written anew."""
        if not self._artifacts.is_shared:
            await self._artifacts.delete([blob.key for blob in blobs])
            return list(blobs)
        async with self._blobs.garbage.removing(home, [blob.key for blob in blobs]):
            try:
                return await asyncio.wait_for(self._remove_unchanged(blobs), REMOVAL_SECONDS)
            except asyncio.TimeoutError:
                raise ArtifactsUnavailable(f"{self._artifacts.place} takes too long to remove blobs") from None

    async def _remove_unchanged(self, blobs: Sequence[Stored]) -> list[Stored]:
        gate = asyncio.Semaphore(_TOGETHER)

        async def is_unchanged(blob: Stored) -> bool:
            async with gate:
                found = await self._artifacts.stat(blob.key)
            # What is told of one object has whole seconds, in a list it may have parts of them.
            return found is not None and abs(found.modified - blob.modified) < 1

        kept = await asyncio.gather(*map(is_unchanged, blobs))
        same = [blob for blob, unchanged in zip(blobs, kept, strict=True) if unchanged]
        await self._artifacts.delete([blob.key for blob in same])
        return same
