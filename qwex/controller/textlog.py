"""Whole lines of a log as plain text."""

from __future__ import annotations

import json

from qwex.controller.records import type_of
from qwex.textlog import TEXT_TYPES, text_of

__all__ = ["text_of_lines"]

_SHOWN = frozenset(type.encode() for type in TEXT_TYPES)


def text_of_lines(lines: bytes) -> str:
    """What the lines add to the text; those that show nothing are not parsed."""
    return "".join(_text(line) for line in lines.split(b"\n") if type_of(line) in _SHOWN)


def _text(line: bytes) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return ""  # damaged; the stream of events says so
    return text_of(record["type"], record)
