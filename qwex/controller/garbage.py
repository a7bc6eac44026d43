"""What controllers that share a bucket tell each other of blobs that nobody needs.

None of them knows what the others were asked for, so each says a day ahead what it is going to remove:

``users/<user>/garbage/<controller>.json``
    The blobs that this controller has found unneeded, each with the time since when. Whoever is asked for one of them
    takes it for gone and has it written anew, so that it is young again.
``users/<user>/removing/<controller>-<…>.json``
    The blobs that are being removed just now. Who has written one of them anew looks here afterwards: either the one
    who removes sees the new one, or the one who writes sees that it is being removed.

Their times are the store's own.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from qwex.artifacts import one_chunk
from qwex.errors import ArtifactsUnavailable, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from qwex.artifacts import Stored
    from qwex.controller.artifacts import Artifacts

__all__ = ["REMOVAL_SECONDS", "Garbage"]

log = logging.getLogger(__name__)

_VERSION = 1
#: Seconds for which what others have found is taken to be as it was; far less than what they wait before they remove.
_FRESH = 60.0
#: Seconds that one removal may take, and after which one that has not ended is what somebody left who was killed:
#: clocks may differ by a quarter of an hour, stores refuse whose is further off.
REMOVAL_SECONDS, _LASTING = 300.0, 1200.0


class Garbage:
    """Of all users; ``controller`` is this one's own name, empty where no other can use the place."""

    def __init__(self, artifacts: Artifacts, controller: str) -> None:
        self._artifacts = artifacts
        self._controller = controller
        #: By the user's folder: when it was looked at, and since when which blobs are unneeded.
        self._seen: dict[str, tuple[float, dict[str, float]]] = {}

    async def has(self, home: str, key: str, blob: Stored | None) -> bool:
        """Whether somebody is going to remove the blob, or just has; not of one that was written anew since.

        Raises:
            ArtifactsUnavailable: it was written anew, but somebody may be removing it who does not know.
        """
        if not self._controller:
            return False
        at, found = self._seen.get(home, (0.0, {}))
        if not at or time.monotonic() - at > _FRESH:
            found = await self._look(home)
            self._seen[home] = time.monotonic(), found
        if key not in found or blob is None or blob.modified < found[key]:
            return key in found
        await self.outlived(home, key)
        return False

    async def outlived(self, home: str, key: str) -> None:
        """Make sure that a blob, written anew, is not removed by one who has seen it as it was before.

        Raises:
            ArtifactsUnavailable: it may be.
        """
        # The look at the blob is for a removal that has ended before the others were listed.
        if await self._is_going(home, key) or not await self._artifacts.stat(key):
            raise ArtifactsUnavailable(
                f"{key} is just being removed from {self._artifacts.place}, since no job had needed it for long: "
                "try again in a few minutes"
            )

    async def mine(self, home: str, *, look_only: bool = False) -> tuple[dict[str, float], float]:
        """What this controller has said of the user's blobs, and what time it is by the store's clock.

        That shows where something is written; who only looks has to do with this machine's.
        """
        key = self._key(home)
        said = await self._read(key)
        if look_only:
            return said, time.time()
        await self._write(key, said)
        stored = await self._artifacts.stat(key)
        if stored is None:
            raise ArtifactsUnavailable(f"{key} is not in {self._artifacts.place}, though it was just written there")
        return said, stored.modified

    async def say(self, home: str, since: Mapping[str, float]) -> None:
        """These of the user's blobs will be removed, and no others."""
        key = self._key(home)
        await (self._write(key, since) if since else self._artifacts.delete([key]))
        self._seen.pop(home, None)

    @asynccontextmanager
    async def removing(self, home: str, keys: Collection[str]) -> AsyncIterator[None]:
        """Let it be known that these are being removed.

        After a raise what was asked of the store may be on its way still: that they are being removed stands there
        until it counts as left by somebody who was killed.
        """
        note = f"{home}/removing/{self._controller}-{secrets.token_hex(4)}.json"
        await self._write(note, dict.fromkeys(keys, 0.0))
        yield
        await self._artifacts.delete([note])

    async def tidy(self, home: str, now: float) -> None:
        """Remove what controllers left that were killed while they removed."""
        notes = [each async for each in self._artifacts.list(f"{home}/removing")]
        await self._artifacts.delete([each.key for each in notes if now - each.modified > _LASTING])

    def _key(self, home: str) -> str:
        return f"{home}/garbage/{self._controller}.json"

    async def _is_going(self, home: str, key: str) -> bool:
        async for each in self._artifacts.list(f"{home}/removing"):
            if time.time() - each.modified < _LASTING and key in await self._read(each.key):
                return True
        return False

    async def _look(self, home: str) -> dict[str, float]:
        found: dict[str, float] = {}
        async for each in self._artifacts.list(f"{home}/garbage"):
            for key, since in (await self._read(each.key)).items():
                found[key] = max(since, found.get(key, 0.0))
        return found

    async def _read(self, key: str) -> dict[str, float]:
        """What stands there. Nothing where that cannot be read: who wrote it cannot either, and begins anew.

        Raises:
            ArtifactsUnavailable: who wrote it has another version, and may go by it.
        """
        try:
            raw = json.loads(b"".join([chunk async for chunk in self._artifacts.get(key)]))
            if raw["version"] != _VERSION:
                raise ArtifactsUnavailable(
                    f"{key} in {self._artifacts.place} was written by another version of qwex; "
                    "have all controllers that use it be of one version"
                )
            return {str(blob): float(since) for blob, since in raw["blobs"].items()}
        except NotFound:
            return {}
        except (ValueError, TypeError, LookupError, AttributeError):
            log.warning("%s in %s cannot be read and counts as empty", key, self._artifacts.place)
            return {}

    async def _write(self, key: str, blobs: Mapping[str, float]) -> None:
        text = json.dumps({"version": _VERSION, "blobs": blobs}).encode()
        await self._artifacts.put(key, one_chunk(text), replace=True)
