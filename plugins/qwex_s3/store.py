"""An object store behind the contract: small objects in one request, large ones in parts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from qwex.artifacts import ArtifactStore, Stored
from qwex.errors import ArtifactsUnavailable, ConfigError, NotFound
from qwex_s3 import bulk, downloading, uploading
from qwex_s3.errors import Where, translated
from qwex_s3.uploading import PART

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from pathlib import Path

    from qwex.artifacts import StoreContext

__all__ = ["CloudStore"]

#: Written at each start: shows that the place can be written.
_MARK = "qwex-store"
#: Objects that go up in parts at once; each of them takes about 100 MiB of memory.
_LARGE = 2
#: Signatures hold no longer in any of the clouds.
_LONGEST = 7 * 86_400.0
#: Seconds; seen with obstore 0.12.1 in 1 of 15 processes without, in none with it.
_LETTING_GO = 0.05


class CloudStore(ArtifactStore):
    """What the clouds have in common; ``place`` is a store of obstore's."""

    #: Whether the place can create what must not be there yet in one request.
    creates = True

    def __init__(self, context: StoreContext, place: Any, where: Where) -> None:
        super().__init__(context)
        self._place = place
        self._where = where
        self._room = asyncio.Semaphore(_LARGE)

    async def start(self) -> None:
        """Write an object and look for it, which meets every wrong key, bucket, right and clock."""
        try:
            await self.put_small(_MARK, b"This folder is an artifact store of qwex.\n", replace=True)
        except NotFound as error:
            raise ConfigError(f"the artifact store {self._where.url}: there is no {self._where.bucket!r}") from error
        if not await self.stat(_MARK):
            raise ArtifactsUnavailable(
                f"the artifact store {self._where.url} does not have what was just written to it"
            )

    async def close(self) -> None:
        """Wait until obstore's threads have let go: a process that ends at once after an answer is aborted by them."""
        await asyncio.sleep(_LETTING_GO)

    async def stat(self, key: str) -> Stored | None:
        """One HEAD."""
        import obstore

        try:
            with translated(self._where, key):
                return _stored(key, await obstore.head_async(self._place, key))
        except NotFound:
            return None

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, replace: bool = False) -> bool:
        """Up to 8 MiB as one conditional request; more in parts, after a look whether it is there."""
        parts = uploading.regrouped(chunks)
        first = await anext(parts, b"")
        if len(first) < PART:
            return await self.put_small(key, first, replace=replace)
        return await self.put_large(key, uploading.with_first(first, parts), replace=replace)

    def get(self, key: str, start: int = 0) -> AsyncIterator[bytes]:
        """In ranges of 8 MiB, a few fetched ahead."""
        return downloading.parts(self._place, self._where, key, start)

    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """A request for each thousand."""
        import obstore

        with translated(self._where, prefix):
            async for batch in obstore.list(self._place, prefix or None, chunk_size=1000):
                for found in batch:
                    yield _stored(found["path"], found)

    async def delete(self, keys: Collection[str]) -> None:
        """A request for each thousand, where the place can."""
        import obstore

        try:
            with translated(self._where):
                if keys:
                    await obstore.delete_async(self._place, list(keys))
        except NotFound:
            # Some places refuse one that is not there, and with it those after it.
            await bulk.each(self._delete_one, keys)

    async def url(self, key: str, seconds: float, method: str = "GET") -> str | None:
        """Signed here, without a request."""
        import obstore

        with translated(self._where, key):
            until = timedelta(seconds=min(seconds, _LONGEST))
            signed: str = await obstore.sign_async(self._place, method, key, until)  # type: ignore[call-overload]
            return signed

    async def put_files(self, files: Mapping[str, Path], *, replace: bool = False) -> set[str]:
        """Many at a time; the large ones in parts, one after the other."""
        return await bulk.put_files(self, files, replace=replace)

    async def get_files(self, files: Mapping[str, Path]) -> None:
        """Many at a time, the large ones in parts."""
        await bulk.get_files(self._place, self._where, files)

    async def put_small(self, key: str, data: bytes | Path, *, replace: bool) -> bool:
        """Put what fits into one request; of a file, obstore reads it."""
        if not (replace or self.creates):
            if await self.stat(key):
                return False
            replace = True
        with translated(self._where, key):
            return await uploading.put_whole(self._place, key, data, self._where.patience, replace=replace)

    async def put_large(self, key: str, parts: AsyncIterator[bytes], size: int = 0, *, replace: bool) -> bool:
        """Put what comes in pieces of 8 MiB; of more than 70 GiB ``size`` must be told."""
        if not replace and await self.stat(key):
            return False
        counted = uploading.Counted(parts)
        async with self._room:
            with translated(self._where, key, missing=ArtifactsUnavailable):  # a server that was started again
                await uploading.upload(self._place, key, counted, size)
        # A server that is killed as it puts the parts together has been seen to say that it did.
        stored = await self.stat(key)
        if stored is None or stored.size != counted.size:
            raise ArtifactsUnavailable(f"{self._where.url} does not have {key} as it was just written; try again")
        return True

    async def _delete_one(self, key: str) -> None:
        import obstore

        try:
            with translated(self._where, key):
                await obstore.delete_async(self._place, key)
        except NotFound:
            pass


def _stored(key: str, meta: Any) -> Stored:
    # Of a HEAD's answer, obstore before 0.12 does not take the folder off the path.
    return Stored(key, meta["size"], meta["last_modified"].timestamp())
