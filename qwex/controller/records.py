"""Finding the few records that matter in a stream of lines, without parsing the others."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from qwex.events import OUTPUT_TYPES, encode
from qwex.state import Position

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DROPPABLE",
    "are_streams",
    "damaged",
    "digests_in",
    "find",
    "last_position",
    "lines_of",
    "type_of",
    "values_in",
]

#: Output that a full log or disk may lose; all other records are part of the job's state.
DROPPABLE = frozenset(type.encode() for type in OUTPUT_TYPES - {"error"})

_POSITION = re.compile(rb'\{"type":"[^"]*","ts":[^,]*,"attempt":(\d+),"seq":(\d+)')

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_HEAD = b'{"type":"'
_STREAM = _HEAD + b'stream"'


def type_of(line: bytes) -> bytes:
    """The record's type, from its first key; empty when the line is no record, as in a file that was damaged."""
    if not (line.startswith(_HEAD) and line.endswith((b"}", b"}\n"))):
        return b""
    return line[len(_HEAD) : line.find(b'"', len(_HEAD))]


def are_streams(lines: bytes) -> bool:
    """Whether all of ``lines`` (whole lines) are records of type ``stream``, at a fraction of the cost of each type."""
    return lines.count(b"\n" + _STREAM) + lines.startswith(_STREAM) == lines.count(b"\n")


def damaged(number: int) -> bytes:
    """What stands for a line that is no record."""
    message = f"record {number} of the job's log is damaged and cannot be shown"
    return encode("notice", 0.0, 1, level="warning", code="damaged", message=message)[:-1]


def digests_in(text: str) -> set[str]:
    """Every digest that stands there, wherever."""
    return set(_DIGEST.findall(text))


def find(lines: bytes, *types: str) -> Iterator[dict[str, Any]]:
    """The records of those types in ``lines`` (whole lines), in order of ``types``, then of the lines."""
    for type in types:
        for line in lines_of(lines, type):
            with contextlib.suppress(ValueError):  # damaged; readers are told so
                yield json.loads(line)


def values_in(lines: bytes) -> Iterator[dict[str, Any]]:
    """The ``value`` records, but those that are none: a job's own code may have written any."""
    return filter(_is_value, find(lines, "value"))


def lines_of(lines: bytes, type: str) -> Iterator[bytes]:
    """The lines that are records of that type, without their ends."""
    for at in _starts(lines, b'{"type":"%b"' % type.encode()):
        yield lines[at : lines.index(b"\n", at)]


def _starts(lines: bytes, start: bytes) -> Iterator[int]:
    """Where the lines that begin with ``start`` lie."""
    if lines.startswith(start):
        yield 0
    at = lines.find(b"\n" + start)
    while at >= 0:
        yield at + 1
        at = lines.find(b"\n" + start, at + 1)


def last_position(lines: bytes) -> Position | None:
    """Where the runner's last record in ``lines`` (whole lines) stands, or None if there is none of the runner's."""
    end = len(lines)
    while end > 0:
        begin = lines.rfind(b"\n", 0, end - 1) + 1
        if match := _POSITION.match(lines, begin):
            return Position(int(match[1]), int(match[2]))
        end = begin
    return None


def _is_value(record: dict[str, Any]) -> bool:
    name, digest = record.get("name"), record.get("digest")
    return (
        isinstance(name, str)
        and name.isidentifier()
        and isinstance(digest, str)
        and _DIGEST.fullmatch(digest) is not None
        and _is_natural(record.get("size"))
        and _is_natural(record.get("attempt"))
        and all(_is_text(record.get(key, "")) for key in ("path", "type_name", "format", "python"))
    )


def _is_natural(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _is_text(text: object) -> bool:
    """Whether it can be stored and sent: no text with half a surrogate pair can."""
    return isinstance(text, str) and not any("\ud800" <= sign <= "\udfff" for sign in text)
