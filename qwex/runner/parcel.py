"""All that an attempt said and gave, as its agent leaves it in an artifact store when nobody came for it.

One object: a line of JSON, then the bytes that it counts, one after the other::

    {"version": 1, "attempt": 2, "records": <bytes>, "values": {"<name>": <bytes>, …}}
    <the records, whole lines><the first value><the second> …

so that whoever reads it fetches what is wanted of it and no more.
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NamedTuple

    from .story import Story
else:
    from .tuples import NamedTuple

__all__ = ["Contents", "contents", "send"]

_VERSION = 1
_CHUNK = 1 << 20
#: Bytes that a store takes in one request (Amazon's limit); values beyond it stay behind, the largest first.
_MOST = 5 << 30
#: Seconds in which the store takes the next bytes, or answers; and before each further try.
_SECONDS = 60.0
_AGAIN = (1.0, 5.0, 15.0)


class Contents(NamedTuple):
    """What a parcel holds: its attempt, and byte offset and size of the records and of each value."""

    attempt: int
    records: tuple[int, int]
    values: dict[str, tuple[int, int]]


def contents(line: bytes) -> Contents:
    """What a parcel's first line says.

    Raises:
        ValueError: that is none, or it was left by a newer version.
    """
    said = json.loads(line)
    if not isinstance(said, dict) or said.get("version") != _VERSION:
        raise ValueError("it was left by another version of qwex")
    records, values = (len(line), int(said["records"])), {}
    at = sum(records)
    for name, size in said["values"].items():
        values[name] = (at, int(size))
        at += int(size)
    return Contents(int(said["attempt"]), records, values)


def send(url: str, folder: str, story: Story) -> None:
    """Leave it all at ``url`` with one PUT, which needs no more than the address.

    Raises:
        OSError: the store did not take it; the message shows nothing of the address.
    """
    sizes = _sizes(os.path.join(folder, "values"), _MOST - story.size - len(story.tail) - _CHUNK)
    records = story.size + len(story.tail)
    said = {"version": _VERSION, "attempt": story.attempt, "records": records, "values": sizes}
    line = json.dumps(said, separators=(",", ":")).encode() + b"\n"
    for pause in (*_AGAIN, None):
        try:
            _put(url, len(line) + records + sum(sizes.values()), _pieces(line, folder, story, sizes))
            return
        except OSError as error:
            refused = 400 <= getattr(error, "code", 500) < 500  # the address has expired, say
            if pause is None or refused:
                raise
            time.sleep(pause)


def _sizes(folder: str, room: int) -> dict[str, int]:
    """Of the values that there is room for, the smallest first."""
    taken = {}
    for size, name in sorted(_found(folder)):
        if size <= room:
            taken[name] = size
            room -= size
    return taken


def _found(folder: str) -> Iterator[tuple[int, str]]:
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if name.isidentifier() and os.path.isfile(path) and not os.path.islink(path):
            yield os.path.getsize(path), name


def _pieces(line: bytes, folder: str, story: Story, sizes: dict[str, int]) -> Iterator[bytes]:
    yield line
    for at in range(0, story.size, _CHUNK):
        yield story.read(at, min(_CHUNK, story.size - at))
    yield story.tail
    for name, size in sizes.items():
        with open(os.path.join(folder, "values", name), "rb") as file:
            while size and (piece := file.read(min(_CHUNK, size))):
                size -= len(piece)
                yield piece
        if size:
            raise OSError(f"the value {name} has become shorter")


def _put(url: str, size: int, pieces: Iterator[bytes]) -> None:
    from http.client import HTTPException
    from urllib.request import Request, urlopen

    # Azure wants to be told what kind of blob it is; the others ignore that.
    headers: dict[str, Any] = {
        "Content-Length": str(size),
        "Content-Type": "application/octet-stream",
        "x-ms-blob-type": "BlockBlob",
    }
    request = Request(url, pieces, headers, method="PUT")  # noqa: S310 - the controller's own address
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            answer.read()
    except HTTPException as error:
        raise OSError(f"the artifact store broke off: {type(error).__name__}") from error
