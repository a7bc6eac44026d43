"""What an agent leaves in its own output when nobody came for the job's story: written there, and read again here.

::

    qwex-log 1 {"attempt": …, "first": …, "last": …, "records": …, "dropped": …, "size": …, "sha256": …}
    <base64 of the zlib-compressed records, in lines of at most 4 KiB>
    qwex-log end
    qwex-value {"name": …, "size": …, "sha256": …}
    <base64 of the value>
    qwex-value end

``first`` and ``last`` are numbers of records, 0 without any; ``records`` counts the lines that were left, ``dropped``
those that had no place: a ``notice`` (code ``output-lost``) stands where they were, with the number of the first of
them. ``size`` and ``sha256`` are those of what is encoded, before compression.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import zlib

from .eventfile import encode_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NamedTuple

    from .story import Story
else:
    from .tuples import NamedTuple

__all__ = ["Leftovers", "parse", "write"]

#: Bytes of a line, before base64.
_LINE = 3000
_CHUNK = 1 << 20
#: Bytes of records that are compressed at most, however well that goes; a reader need not take more either.
_LONGEST = 64 << 20
_NUMBER = re.compile(rb'"seq":(\d+)')


class Leftovers(NamedTuple):
    """An attempt's records, whole lines, and those of its values that fitted."""

    records: bytes
    values: dict[str, bytes]


def write(fd: int, folder: str, story: Story, keep: int) -> None:
    """Write about ``keep`` bytes at most: the records, or their beginning and end, then values as they fit."""
    left = keep - _write_records(fd, story, keep)
    values = os.path.join(folder, "values")
    for name in sorted(os.listdir(values)) if os.path.isdir(values) else ():
        path = os.path.join(values, name)
        if name.isidentifier() and os.path.isfile(path) and (size := _encoded(os.path.getsize(path))) <= left:
            with open(path, "rb") as file:
                data = file.read()
            _put(fd, "qwex-value", {"name": name, **_fingerprint(data)}, data)
            left -= size


def parse(text: str) -> Leftovers:
    """What stands in an agent's output; nothing where it left nothing.

    Raises:
        ValueError: it is damaged, as when it was cut; says what.
    """
    records, values = b"", {}
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("qwex-log "):
            version, _, said = line[len("qwex-log ") :].partition(" ")
            if version != "1":
                raise ValueError(f"the records were left by another version of qwex, in format {version!r}")
            records = _read(lines, "qwex-log end", said, "the records", compressed=True)
        elif line.startswith("qwex-value "):
            said = line[len("qwex-value ") :]
            name = str(_header(said, "a value").get("name"))
            values[name] = _read(lines, "qwex-value end", said, f"the value {name!r}")
    return Leftovers(records, values)


def _read(lines: Iterator[str], end: str, said: str, what: str, *, compressed: bool = False) -> bytes:
    header = _header(said, what)
    parts: list[str] = []
    for line in lines:
        if line == end:
            break
        parts.append(line)
    else:
        raise ValueError(f"what is left of {what} has no end")
    try:
        data = base64.b64decode("".join(parts), validate=True)
        data = _unpack(data) if compressed else data
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ValueError(f"what is left of {what} is damaged: {error}") from error
    if {key: header.get(key) for key in ("size", "sha256")} != _fingerprint(data):
        raise ValueError(f"what is left of {what} is not what was written")
    return data


def _header(said: str, what: str) -> dict[str, Any]:
    try:
        header = json.loads(said)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise ValueError(f"what is left of {what} has a damaged first line")
    return header


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, _LONGEST + _CHUNK)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("its compressed form is not whole")
    return unpacked


def _write_records(fd: int, story: Story, keep: int) -> int:
    """The bytes that were written."""
    records, dropped = story.read(0, story.size) + story.tail if story.size <= _LONGEST else b"", 0
    packed = _pack(records, keep) if story.size <= _LONGEST else None
    if packed is None:
        records, packed, dropped = _shortened(story, keep)
    said = {
        "attempt": story.attempt,
        "first": _number(records[: records.find(b"\n")]),
        "last": _number(records[records.rfind(b"\n", 0, -1) + 1 :]),
        "records": records.count(b"\n"),
        "dropped": dropped,
    }
    _put(fd, "qwex-log 1", {**said, **_fingerprint(records)}, packed)
    return _encoded(len(packed))


def _shortened(story: Story, keep: int) -> tuple[bytes, bytes, int]:
    """The first and the last records with a notice between them: plain and compressed, and how many are missing."""
    budget = min(story.size, _LONGEST)
    while True:
        records, dropped = _ends(story, budget)
        packed = _pack(records, keep)
        if packed is not None or budget < _LINE:
            return records, zlib.compress(records) if packed is None else packed, dropped
        budget = budget * 3 // 4


def _ends(story: Story, budget: int) -> tuple[bytes, int]:
    """A quarter of the budget from the beginning, the rest from the end; never without the last record."""
    first = story.read(0, budget // 4)
    first = first[: first.rfind(b"\n") + 1]
    start = max(story.size - budget * 3 // 4, len(first))
    last = story.read(start, story.size - start)
    if start > len(first):
        last = last[last.find(b"\n") + 1 :]
    last = (last or story.read(story.offset(story.count - 1), story.size)) + story.tail
    before = first.count(b"\n")
    dropped = story.count - before - last.count(b"\n")
    message = f"Nobody fetched the output in time; {dropped:,} records between the first and the last are not kept."
    notice = encode_body("notice", level="warning", code="output-lost", message=message, lost=dropped)
    return (first + story.line(notice, before + 1) + last if dropped else first + last), dropped


def _pack(records: bytes, keep: int) -> bytes | None:
    """None when it is more than ``keep`` bytes of text; found out without compressing all of it."""
    packer = zlib.compressobj()
    parts = []
    left = keep
    for at in range(0, len(records), _CHUNK):
        parts.append(packer.compress(memoryview(records)[at : at + _CHUNK]))
        left -= _encoded(len(parts[-1]))
        if left < 0:
            return None
    parts.append(packer.flush())
    return b"".join(parts) if _encoded(len(parts[-1])) <= left else None


def _encoded(size: int) -> int:
    """The characters of so many bytes in base64, with line ends."""
    return size * 4 // 3 + size // _LINE + 8


def _number(line: bytes) -> int:
    match = _NUMBER.search(line)
    return int(match[1]) if match else 0


def _fingerprint(data: bytes) -> dict[str, Any]:
    # Here, since OpenSSL takes five megabytes, and an agent seldom leaves anything.
    import hashlib

    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _put(fd: int, mark: str, said: dict[str, Any], data: bytes) -> None:
    _print(fd, [f"{mark} {json.dumps(said)}"])
    _print(fd, (base64.b64encode(data[at : at + _LINE]).decode() for at in range(0, len(data), _LINE)))
    _print(fd, [f"{mark.split()[0]} end"])


def _print(fd: int, lines: Iterable[str]) -> None:
    for line in lines:
        data = memoryview(line.encode() + b"\n")
        while data:
            data = data[os.write(fd, data) :]
