"""Whole lines of a log as plain text."""

from __future__ import annotations

import json
import re
from typing import Any

from qwex.controller.records import type_of
from qwex.events import OUTPUT_TYPES
from qwex.textlog import TEXT_TYPES, text_of

__all__ = ["last_line", "text_of_lines"]

_SHOWN = frozenset(type.encode() for type in TEXT_TYPES)
#: What the job itself says.
_SAID = frozenset(type.encode() for type in OUTPUT_TYPES.intersection(TEXT_TYPES))
#: Control sequences (ECMA-48), those with a text of their own (titles, links) whole.
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
#: Controls that end no line, and signs that change a text's direction or take no place.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_SIGNS = str.maketrans("\t\r", " \n")
#: Characters at the end of what was said that are looked at.
_LONGEST = 8192


def text_of_lines(lines: bytes) -> str:
    """What the lines add to the text; those that show nothing are not parsed."""
    return "".join(_text(_parsed(line)) for line in lines.split(b"\n") if type_of(line) in _SHOWN)


def last_line(lines: bytes, attempt: int) -> str:
    """The last line that the job said in that attempt and that is not blank, without colours and controls.

    It may have been said in pieces; of what a carriage return overwrites only the last stays.
    """
    said = ""
    for record in map(_parsed, filter(_is_said, reversed(lines.split(b"\n")))):
        if record.get("attempt", attempt) != attempt:
            break
        piece = _text(record)
        said = (piece + said)[-_LONGEST:]
        if ("\n" in piece or "\r" in piece) and "\n" in _plain(said):
            break
    return _plain(said).rpartition("\n")[2].strip()


def _plain(text: str) -> str:
    """The text to its last sign that shows; every line ends alike."""
    return _CONTROLS.sub("", _SEQUENCES.sub("", text)).translate(_SIGNS).rstrip()


def _is_said(line: bytes) -> bool:
    return type_of(line) in _SAID


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}  # damaged; the stream of events says so
    return record


def _text(record: dict[str, Any]) -> str:
    return text_of(record["type"], record) if record else ""
