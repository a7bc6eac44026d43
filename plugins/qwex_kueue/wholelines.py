"""Records as they come in chunks of any size, in whole lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["whole_lines"]


async def whole_lines(chunks: AsyncIterator[bytes], source: str) -> AsyncIterator[bytes]:
    """The same bytes, one or more whole lines at a time.

    Raises:
        BackendUnavailable: they end in the middle of one; names their source.
    """
    rest = b""
    async for chunk in chunks:
        whole, newline, tail = chunk.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = tail
        else:
            rest += tail
    if rest:
        raise BackendUnavailable(f"{source} sent half a record")
