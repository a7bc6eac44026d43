"""All that an attempt said and gave, as its agent leaves it in an artifact store when nobody came for it.

One object: a line of JSON, then the bytes that it counts, one after the other::

    {"version": 1, "attempt": 2, "pod": "<uid>", "exit": {<the last record>},
     "records": <bytes>, "values": {"<name>": <bytes>, …}}
    <the records, whole lines><the first value><the second> …

so that whoever reads it fetches what is wanted of it and no more.
"""

from __future__ import annotations

import contextlib
import json
import os

from . import uploading

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


class Contents(NamedTuple):
    """What a parcel holds: whose it is, how that ended, and byte offset and size of the records and of each value."""

    #: As the pod counts; one that follows another may not have been told its own number.
    attempt: int
    #: Its uid.
    pod: str
    exit: dict[str, Any]
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
    return Contents(int(said["attempt"]), str(said["pod"]), dict(said["exit"]), records, values)


def send(urls: list[str], folder: str, story: Story, pod: str) -> None:
    """Leave it all at the first of the addresses that is free, with one PUT.

    Raises:
        OSError: the store did not take it; the message shows nothing of the address.
    """
    sizes = _sizes(os.path.join(folder, "values"), uploading.MOST - story.size - len(story.tail) - _CHUNK)
    records = story.size + len(story.tail)
    exit = json.loads(story.last())
    said = {
        "version": _VERSION,
        "attempt": story.attempt,
        "pod": pod,
        "exit": exit,
        "records": records,
        "values": sizes,
    }
    line = json.dumps(said, separators=(",", ":")).encode() + b"\n"
    size = len(line) + records + sum(sizes.values())
    for url in urls[:-1]:
        with contextlib.suppress(FileExistsError):
            uploading.put(url, size, lambda: _pieces(line, folder, story, sizes), create=True)
            return
    uploading.put(urls[-1], size, lambda: _pieces(line, folder, story, sizes))


def _sizes(folder: str, room: int) -> dict[str, int]:
    """Of the values that there is room for: the largest stay behind."""
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
