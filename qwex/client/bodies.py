"""What is sent to a controller: data as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qwex.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["encoded"]


def encoded(data: Any) -> bytes:
    """The data as JSON.

    Raises:
        InvalidSpec: a text in it is none, as an argument may be whose bytes are not UTF-8.
    """
    try:
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        field, text = next(each for each in _texts(data) if not _is_sayable(each[1]))
        raise InvalidSpec.of(field or "body", f"{text!r} is not text in UTF-8") from None


def _texts(data: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text in it, by its field; the names of fields are the texts of what they are in."""
    if isinstance(data, str):
        yield field, data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield field, str(name)
            yield from _texts(value, f"{field}.{name}".lstrip("."))
    elif isinstance(data, (list, tuple)):
        for at, value in enumerate(data):
            yield from _texts(value, f"{field}.{at}".lstrip("."))


def _is_sayable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
