"""Rows of text in aligned columns, cut to a terminal's width but never in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qwex.cli.screen import cells, fit, paint, safe, width

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["print_table"]

_GAP = "  "
#: A last column that would be narrower is left out.
_NARROWEST = 8


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """Print the rows below their headings; the last column gives way, ``styles`` colour the second, row by row."""
    plain = [[safe(cell) for cell in row] for row in rows]
    table = [list(headings), *plain]
    widths = [max(cells(row[column]) for row in table) for column in range(len(headings))]
    limit = width(sys.stdout)
    if limit is not None:
        widths = _fitted(widths, limit)
    for number, row in enumerate(table):
        style = "" if number == 0 or not styles else styles[number - 1]
        sys.stdout.write(_line(row, widths, style, heading=number == 0) + "\n")


def _fitted(widths: list[int], limit: int) -> list[int]:
    """The widths of the columns that fit, the last of them narrowed."""
    for count in range(len(widths), 1, -1):
        left = limit - sum(widths[: count - 1]) - len(_GAP) * (count - 1)
        if left >= min(widths[count - 1], _NARROWEST):
            return [*widths[: count - 1], min(widths[count - 1], left)]
    return [limit]


def _line(row: list[str], widths: list[int], style: str, *, heading: bool) -> str:
    parts = []
    for column, columns in enumerate(widths):
        text = fit(row[column], columns)
        pad = " " * (columns - cells(text)) if column < len(widths) - 1 else ""
        shown = paint(text, "dim" if heading else style if column == 1 else "", sys.stdout)
        parts.append(shown + pad)
    return _GAP.join(parts).rstrip()
