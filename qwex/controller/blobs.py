"""Bytes by their sha256, each user's apart, in whatever artifact store there is.

``users/<user>/blobs/<first two digits>/<64 digits>``: who knows another's digest does not get at the bytes, and what a
user has can be counted, kept and removed by itself.
"""

from __future__ import annotations

import hashlib
import logging
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from qwex.artifacts import is_remote, one_chunk
from qwex.controller.garbage import Garbage
from qwex.controller.uses import Uses
from qwex.errors import Damaged, InvalidSpec, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from qwex.artifacts import Stored
    from qwex.backend import Backend
    from qwex.controller.artifacts import Artifacts

__all__ = ["Blobs", "home_of", "key_of"]

log = logging.getLogger(__name__)

#: Bytes from which on a value does not go through the controller, and seconds that it may take past it.
_LARGE, _SENDING = 4 << 20, 3600.0
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Blobs:
    """Content-addressed bytes; what does not match its name is neither stored nor given.

    ``controller`` is the name of this one where others may use the same place, and empty where none can.
    """

    def __init__(self, artifacts: Artifacts, controller: str = "") -> None:
        self._artifacts = artifacts
        self._controller = controller
        self._signed = False
        self.uses = Uses()
        self.garbage = Garbage(artifacts, controller if self._artifacts.is_shared else "")
        #: Keys under which there are other bytes: they are not there for those who ask, and written over.
        self._damaged: set[str] = set()

    async def _address(self, user: str, digest: str) -> str:
        """Where a place elsewhere puts the blob; empty where there is no such address."""
        url = await self._artifacts.url(key_of(user, digest), _SENDING, "PUT") if self._artifacts.is_shared else None
        return url if url and is_remote(url) else ""

    async def exists(self, user: str, digest: str) -> bool:
        """Whether the user has the blob, whole."""
        return await self._stat(key_of(user, digest)) is not None

    async def holds(self, user: str, digest: str, size: int = -1) -> bool:
        """The same, for one who can send it: False also where somebody is going to remove it.

        And where it has not ``size`` bytes, if that is not -1: what is sent then is written over it.
        """
        key = key_of(user, digest)
        found = await self._stat(key)
        if found is None or size not in (-1, found.size):
            return False
        return not await self.garbage.has(home_of(user), key, found)

    async def keeps(self, user: str, digest: str) -> bool:
        """The same, for one who cannot: what somebody is going to remove is written anew, and stays."""
        return await self._kept(user, digest) is not None

    async def size(self, user: str, digest: str) -> int | None:
        """Its bytes, which are kept; None where the user does not have it."""
        kept = await self._kept(user, digest)
        return kept.size if kept else None

    async def put(self, user: str, digest: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the blob; after return it is whole and durable, after a raise it is not there unless it was before.

        One that is there is written over: who sends it all the same may have found it to be damaged.

        Raises:
            InvalidSpec: the bytes do not have that digest.
        """
        key, checked = key_of(user, digest), _checked(digest, chunks)
        found = await self._stat(key)
        if await self.garbage.has(home_of(user), key, found):
            await self._renew(user, key, checked)
        else:
            await self._artifacts.put(key, checked, replace=found is not None or key in self._damaged)
            self._damaged.discard(key)
        await self.uses.note(key)

    async def get(self, user: str, digest: str) -> AsyncIterator[bytes]:
        """The blob's bytes. The last ones come once all of them are known to be the right ones.

        Raises:
            NotFound: no such blob.
            Damaged: other bytes have its name; what came of them is not to be used.
        """
        key = key_of(user, digest)
        seen, held = hashlib.sha256(), b""
        async with aclosing(self._artifacts.get(key)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                if held:
                    yield held
                seen.update(chunk)
                held = chunk
        if f"sha256:{seen.hexdigest()}" != digest:
            self._damaged.add(key)
            raise Damaged(
                f"the bytes of {digest} in {self._artifacts.place} ({key}) are others than those that were stored; "
                "upload it again"
            )
        if held:
            yield held

    async def url(self, user: str, digest: str, seconds: float) -> str:
        """Where a job reads the blob, for so long.

        Raises:
            NotFound: no such blob.
            InvalidSpec: the store has no addresses.
        """
        if not await self.keeps(user, digest):
            raise NotFound(f"no blob {digest}. Upload it first.")
        url = await self._artifacts.url(key_of(user, digest), seconds)
        if url is None:
            raise InvalidSpec.of(
                "inputs", f"jobs cannot read from {self._artifacts.place}; have 'artifacts' name a folder or a bucket"
            )
        return url

    async def fetch(self, user: str, native_id: str, value: Mapping[str, Any], backend: Backend[Any]) -> None:
        """Have an output value of a job here: a large one straight from the job's place, where that can.

        Raises:
            NotFound: the backend does not have it.
            InvalidSpec: its bytes are not those that the job announced.
            BackendUnavailable, ArtifactsUnavailable: not now.
        """
        digest, where = value["digest"], (native_id, value["attempt"], value["name"])
        if await self.keeps(user, digest):
            return
        url = await self._address(user, digest) if value["size"] >= _LARGE else ""
        if url and await backend.send(*where, url):
            # Here its bytes are counted; whoever reads it checks them.
            if await self.size(user, digest) == value["size"]:
                log.info("%s of %s came straight from its place", value["name"], native_id)
                return
            await self._artifacts.delete([key_of(user, digest)])
        await self.put(user, digest, backend.value(*where))

    async def share(self, owner: str, user: str, digests: Iterable[str]) -> None:
        """Give the user what the owner has of these."""
        for digest in digests:
            if owner != user and not await self.keeps(user, digest) and await self.exists(owner, digest):
                await self.put(user, digest, self.get(owner, digest))

    async def strangers(self) -> list[str]:
        """The notes of other controllers that use the same folder."""
        if self._artifacts.is_shared or not self._controller:
            return []
        return [each.key async for each in self._artifacts.list("controllers") if each.key != self._signature]

    @property
    def _signature(self) -> str:
        return f"controllers/{self._controller}"

    async def _stat(self, key: str) -> Stored | None:
        """The blob, which is not removed for a while from now on; None also of one that is known to be damaged."""
        if self._controller and not self._artifacts.is_shared and not self._signed:
            await self._artifacts.put(self._signature, one_chunk(b"This controller keeps blobs here.\n"))
            self._signed = True
        await self.uses.note(key)
        return None if key in self._damaged else await self._artifacts.stat(key)

    async def _kept(self, user: str, digest: str) -> Stored | None:
        key = key_of(user, digest)
        found = await self._stat(key)
        if found and await self.garbage.has(home_of(user), key, found):
            await self._renew(user, key, self.get(user, digest))
        return found

    async def _renew(self, user: str, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Write what somebody is going to remove anew, which keeps it.

        Raises:
            ArtifactsUnavailable: it is being removed at this moment.
        """
        await self._artifacts.put(key, chunks, replace=True)
        self._damaged.discard(key)
        await self.garbage.outlived(home_of(user), key)


def home_of(user: str) -> str:
    """The folder of a user's own: ``users/ada``, ``users/ada=40example.org``."""
    plain = re.fullmatch(r"[a-z0-9_][a-z0-9._-]*", user)
    # Capitals too: there are file systems that do not tell them from small letters.
    return "users/" + (user if plain else "".join(map(_quoted, user)))


def _quoted(letter: str) -> str:
    plain = re.fullmatch(r"[a-z0-9_-]", letter)
    return letter if plain else "".join(f"={byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))


def key_of(user: str, digest: str) -> str:
    """Where a user's blob lies.

    Raises:
        InvalidSpec: that is no digest.
    """
    match = _DIGEST.fullmatch(digest)
    if not match:
        raise InvalidSpec.of("digest", f"{digest[:80]!r} is not of the form sha256:<64 hexadecimal digits>")
    return f"{home_of(user)}/blobs/{match[1][:2]}/{match[1]}"


async def _checked(digest: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks; an error at their end if they are not what they should be, so that nothing is stored."""
    seen = hashlib.sha256()
    async for chunk in chunks:
        seen.update(chunk)
        yield chunk
    if f"sha256:{seen.hexdigest()}" != digest:
        raise InvalidSpec.of("digest", f"the bytes have sha256:{seen.hexdigest()}, not {digest}")
