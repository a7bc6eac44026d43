"""One object on its way up: in one request where it is small, in parts where it is not."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["PART", "Counted", "put_whole", "regrouped", "upload", "with_first"]

#: Bytes of a part; what is smaller goes in one request.
PART = 8 << 20
#: Parts of one object under way at once.
_PARTS = 8
#: A place takes no more parts of one object.
_MOST_PARTS = 9_000
#: Seconds in which an upload that is given up may take back its parts.
_ABORT = 30.0
#: Seconds before a lost conditional request is sent again.
_PAUSE = 0.2


class _GivenUp(Exception):
    """What obstore is told so that it takes back the parts it has sent."""


class Counted:
    """The same pieces, and their bytes so far."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self.size = 0

    def __aiter__(self) -> Counted:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._pieces)
        self.size += len(piece)
        return piece

    async def aclose(self) -> None:
        """As a generator's."""
        await self._pieces.aclose()  # type: ignore[attr-defined]


async def put_whole(place: Any, key: str, data: bytes | Path, patience: float, *, replace: bool) -> bool:
    """One request; False where something has that key already.

    obstore does not send a conditional request again when the connection breaks, since it may have arrived. Then it
    did, and the second one is told that the key is taken: of objects named for their bytes that is as good.
    """
    import obstore
    from obstore.exceptions import AlreadyExistsError

    end, pause = time.monotonic() + patience, _PAUSE
    while True:
        try:
            await obstore.put_async(place, key, data, mode="overwrite" if replace else "create", use_multipart=False)
            return True
        except AlreadyExistsError:
            return False
        except Exception as error:
            if "HTTP error" not in str(error) or time.monotonic() + pause > end:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)


async def upload(place: Any, key: str, parts: AsyncIterator[bytes], size: int = 0) -> None:
    """In parts. Whatever ends it early, a cancelled caller too, the parts are taken back before this returns."""
    import obstore

    stop = asyncio.Event()
    sending = asyncio.ensure_future(
        obstore.put_async(
            place,
            key,
            _until(stop, parts),
            use_multipart=True,
            chunk_size=max(PART, size // _MOST_PARTS),
            max_concurrency=_PARTS,
        )
    )
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({sending}, timeout=_ABORT)
        if sending.done() and not sending.cancelled():
            sending.exception()  # looked at
        raise


async def regrouped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of 8 MiB, the last one shorter: each is a part, and a crossing into obstore."""
    waiting: list[bytes] = []
    size = 0
    async for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        while size >= PART:
            whole = waiting[0] if len(waiting) == 1 else b"".join(waiting)
            yield whole[:PART]
            waiting, size = [whole[PART:]], size - PART
    if size:
        yield b"".join(waiting)


async def with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The piece that was looked at, then the others."""
    yield first
    async for piece in rest:
        yield piece


async def _until(stop: asyncio.Event, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All pieces, or an error as soon as nobody wants them any more."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        async with aclosing(parts):  # type: ignore[type-var]
            while True:
                step = asyncio.ensure_future(anext(parts, None))
                await asyncio.wait({step, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if stop.is_set():
                    step.cancel()
                    await asyncio.gather(step, return_exceptions=True)
                    raise _GivenUp
                if (piece := step.result()) is None:
                    return
                yield piece
    finally:
        stopped.cancel()
