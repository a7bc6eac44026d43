"""Many files at once, in bounded memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from qwex.artifacts import chunks_of, write_beside
from qwex_s3 import downloading
from qwex_s3.uploading import PART

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from qwex_s3.errors import Where
    from qwex_s3.store import CloudStore

__all__ = ["each", "get_files", "put_files"]

T = TypeVar("T")

#: Small objects under way at once, and their bytes.
_AT_ONCE = 128
_BYTES = 32 << 20
#: Bytes of an object that are asked for before its size is known, and objects whose rest is fetched at once.
_BEGINNING = 512 << 10
_LARGE = 3
#: A file of this size is looked for before it is sent again; a smaller one costs no more than the look.
_WORTH_A_LOOK = 256 << 10
#: So many of the smallest files are looked for to see whether this is a repetition.
_SAMPLE = 8


class _Budget:
    """Bytes that may be in memory; one that is larger than all of it waits until it is alone."""

    def __init__(self, size: int) -> None:
        self._left = self._size = size
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Wait for so many, and have them until the end of the block."""
        size = min(size, self._size)
        async with self._freed:
            await self._freed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            async with self._freed:
                self._left += size
                self._freed.notify_all()


async def each(act: Callable[[T], Awaitable[None]], things: Iterable[T], at_once: int = _AT_ONCE) -> None:
    """Do it for each, in their order, some at once; the first that fails ends the others."""
    waiting = iter(things)

    async def work() -> None:
        for thing in waiting:
            await act(thing)

    workers = [asyncio.ensure_future(work()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def put_files(store: CloudStore, files: Mapping[str, Path], *, replace: bool) -> set[str]:
    """The small ones first, smallest first, so that a repetition begins with what is there."""
    sizes = {key: path.stat().st_size for key, path in files.items()}
    ordered = sorted(files, key=lambda key: (sizes[key], key))
    small = [key for key in ordered if sizes[key] < PART]
    written: set[str] = set()
    budget = _Budget(_BYTES)
    repeated = not replace and await _any_there(store, small[:_SAMPLE])

    async def put_small(key: str) -> None:
        look = not replace and (repeated or sizes[key] >= _WORTH_A_LOOK)
        if look and await store.stat(key):
            return
        async with budget.of(sizes[key]):
            if await store.put_small(key, files[key], replace=replace):
                written.add(key)

    await each(put_small, small)
    for key in ordered[len(small) :]:  # each of these fills the line by itself
        if await store.put_large(key, chunks_of(files[key], PART), sizes[key], replace=replace):
            written.add(key)
    return written


async def get_files(place: Any, where: Where, files: Mapping[str, Path]) -> None:
    """The beginnings of many at once, which is all of most; the rest of a few."""
    gate = asyncio.Semaphore(_LARGE)

    async def fetch(key: str) -> None:
        await write_beside(files[key], downloading.parts(place, where, key, 0, _BEGINNING, gate))

    await each(fetch, files)


async def _any_there(store: CloudStore, keys: list[str]) -> bool:
    return any(await asyncio.gather(*(store.stat(key) for key in keys)))
