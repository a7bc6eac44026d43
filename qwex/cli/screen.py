"""The terminal: colours where they are wanted, its width, text that cannot harm it, one line that changes in place."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "LiveLine",
    "Style",
    "cells",
    "coloured",
    "fit",
    "note",
    "print_json",
    "print_json_line",
    "safe",
    "say",
    "uncoloured",
    "width",
]

#: SGR parameters, ECMA-48 section 8.3.117.
Style = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


def coloured(stream: TextIO) -> bool:
    """Whether to colour what is written there: a terminal, and nobody said no (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO) -> str:
    """The text in that style, where the stream shows colours."""
    return f"\x1b[{Style[style]}m{text}\x1b[0m" if style and text and coloured(stream) else text


def uncoloured(text: str) -> str:
    """The text without the colours in it."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def width(stream: TextIO) -> int | None:
    """Columns of the terminal; None for a file or a pipe, where nothing is cut."""
    if not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    return int(told) if told.isdigit() and int(told) else os.get_terminal_size(stream.fileno()).columns or 80


def safe(text: str) -> str:
    """The text with control characters (escape sequences, changes of direction) written out."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def cells(text: str) -> int:
    """Columns the text takes in a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def fit(text: str, columns: int) -> str:
    """The text in at most so many columns; what is cut ends in an ellipsis."""
    if cells(text) <= columns:
        return text
    kept = text[: max(columns, 1)]
    while cells(kept) > columns - 1 and kept:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def say(text: str = "", style: str = "") -> None:
    """A line of the answer, on stdout."""
    sys.stdout.write(paint(text, style, sys.stdout) + "\n")


def note(text: str, style: str = "", *, over: bool = False) -> None:
    """A line beside the answer, on stderr; ``over`` the ``^C`` that a terminal has just shown."""
    sys.stdout.flush()
    start = "\r" if over and sys.stderr.isatty() else ""
    sys.stderr.write(start + paint(text, style, sys.stderr) + "\n")
    sys.stderr.flush()


def print_json(document: Any) -> None:
    """One document."""
    import json

    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_json_line(document: Mapping[str, Any]) -> None:
    """One of several documents, at once."""
    import json

    sys.stdout.write(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n")
    sys.stdout.flush()


class LiveLine:
    """One line on stderr that is written over; nothing at all where stderr is no terminal."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, text: str, style: str = "") -> None:
        """Replace what stands there."""
        columns = width(sys.stderr)
        if columns and text != self._shown:
            sys.stderr.write("\r\x1b[K" + paint(fit(text, columns - 1), style, sys.stderr))
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Leave the line empty, for the next output."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = ""
