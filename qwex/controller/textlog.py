"""Whole lines of a log as plain text."""

from __future__ import annotations

import json

from qwex.controller.records import type_of
from qwex.textlog import TEXT_TYPES, text_of

__all__ = ["text_of_lines"]

_SHOWN = frozenset(type.encode() for type in TEXT_TYPES)


def text_of_lines(lines: bytes) -> str:
    """What the lines add to the text; those that show nothing are not parsed."""
    records = (json.loads(line) for line in lines.splitlines() if type_of(line) in _SHOWN)
    return "".join(text_of(record["type"], record) for record in records)
