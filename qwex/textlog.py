"""A job's records as plain text, the way a terminal would have shown them; the same live and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TEXT_TYPES", "text_of"]

#: Types of records that show something in a terminal.
TEXT_TYPES = ("stream", "display", "update_display", "result", "error", "notice")


def text_of(type: str, fields: Mapping[str, Any]) -> str:
    """What a record of that type, with these further keys, adds to the text; empty if it shows nothing."""
    if type == "stream":
        return str(fields["text"])
    if type in ("display", "update_display", "result"):
        return _lines(fields.get("data", {}).get("text/plain", ""))
    if type == "error":
        return _lines(fields.get("traceback") or f"{fields['ename']}: {fields['evalue']}")
    if type == "notice":
        return f"[qwex] {fields['message']}\n"
    return ""


def _lines(text: str | list[str]) -> str:
    """nbformat allows a list of lines; a text that is not empty ends with a line's end."""
    whole = text if isinstance(text, str) else "\n".join(line.rstrip("\n") for line in text)
    return whole if not whole or whole.endswith("\n") else whole + "\n"
