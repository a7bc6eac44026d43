"""One object on its way down: in ranges, so that no request is long and what is fetched ahead is bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.errors import ArtifactsUnavailable
from qwex_s3.errors import Where, status_of, translated
from qwex_s3.uploading import PART

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

__all__ = ["parts"]

#: Parts of one object that a reader fetches ahead.
_AHEAD = 2


class _Part(NamedTuple):
    data: bytes
    #: Of the whole object.
    size: int
    #: Which version of the object it is of.
    tag: str


async def parts(
    place: Any,
    where: Where,
    key: str,
    start: int,
    first: int = PART,
    gate: AbstractAsyncContextManager[Any] | None = None,
) -> AsyncIterator[bytes]:
    """The bytes from ``start`` on: ``first`` of them, which tells the size; what is over waits for the gate."""
    begun = await _part(place, where, key, start, first)
    yield begun.data
    if begun.size <= start + first:
        return
    async with gate or nullcontext():
        async for part in _ahead(place, where, key, range(start + first, begun.size, PART)):
            if part.tag != begun.tag:
                raise ArtifactsUnavailable(f"{key} was replaced in {where.url} while it was read; read it again")
            yield part.data


async def _ahead(place: Any, where: Where, key: str, starts: range) -> AsyncIterator[_Part]:
    """These parts in their order, the next ones already on their way."""
    waiting: deque[asyncio.Task[_Part]] = deque()
    left = iter(starts)
    try:
        while True:
            while len(waiting) <= _AHEAD and (begin := next(left, None)) is not None:
                waiting.append(asyncio.create_task(_part(place, where, key, begin, PART)))
            if not waiting:
                return
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _part(place: Any, where: Where, key: str, start: int, length: int) -> _Part:
    import obstore

    try:
        with translated(where, key):
            answer = await obstore.get_async(place, key, options={"range": (start, start + length)})
            data = bytes(await answer.bytes_async())
    except ArtifactsUnavailable as error:
        # Of what has no bytes from there on, there is no such range.
        if status_of(error.__cause__ or error) != 416:
            raise
        with translated(where, key):
            found = await obstore.head_async(place, key)
        if start < found["size"]:
            raise
        return _Part(b"", found["size"], "")
    if len(data) != min(length, answer.meta["size"] - start):
        raise ArtifactsUnavailable(f"{where.url} gave {len(data)} bytes of {key} where there are more; try again")
    return _Part(data, answer.meta["size"], answer.meta["e_tag"] or "")
