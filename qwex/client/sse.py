"""Server-sent events, as the controller writes them: lines end with LF, a frame with an empty line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Frame", "frames"]


class Frame(NamedTuple):
    """One event: ``id`` is 0 for a frame that cannot be resumed from."""

    id: int
    event: str
    data: bytes


async def frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """The whole frames in a body; comments and an unfinished last frame are left out."""
    buffer = bytearray()
    async for chunk in chunks:
        searched = max(len(buffer) - 1, 0)
        buffer += chunk
        end = buffer.rfind(b"\n\n", searched)
        if end >= 0:
            whole = bytes(buffer[:end])
            del buffer[: end + 2]
            for block in whole.split(b"\n\n"):
                frame = _frame(block)
                if frame is not None:
                    yield frame


def _frame(block: bytes) -> Frame | None:
    """The fields of one frame; None for a comment or one without data."""
    head, _, data = block.partition(b"\ndata: ")
    id, _, event = head.partition(b"\nevent: ")
    if (
        id.startswith(b"id: ") and event and b"\n" not in data
    ):  # what the controller writes; below is all that SSE allows
        return Frame(int(id[4:]), event.decode(), data)
    fields: dict[bytes, list[bytes]] = {}
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        fields.setdefault(name, []).append(value.removeprefix(b" "))
    if b"data" not in fields:
        return None
    id = fields.get(b"id", [b"0"])[-1]
    event = fields.get(b"event", [b"message"])[-1]
    return Frame(int(id) if id.isdigit() else 0, event.decode(), b"\n".join(fields[b"data"]))
