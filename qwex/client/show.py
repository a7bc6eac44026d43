"""How jobs show themselves: in text, and in a notebook as HTML with everything escaped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.record import JobRecord

__all__ = ["Shown", "ShownMany", "html_table", "text_table"]

_HEAD = ("id", "state", "queue", "age", "took", "message")
_STEPS = ((86400, "d"), (3600, "h"), (60, "m"))


class Shown:
    """One job's ``repr``, from what was last heard of it."""

    record: JobRecord

    @property
    def id(self) -> str:
        """The job's one name in every system."""
        return self.record.id

    def __repr__(self) -> str:
        reason = f" ({self.record.reason})" if self.record.reason else ""
        return f"<{type(self).__name__} {self.id} {self.record.state}{reason}>"

    def _repr_html_(self) -> str:
        return html_table([self.record])


class ShownMany:
    """Several jobs as a table."""

    total: int
    records: list[JobRecord]

    def __repr__(self) -> str:
        return text_table(self.records) + self._rest()

    def _repr_html_(self) -> str:
        return html_table(self.records) + (f"<p>{self._rest().strip()}</p>" if self._rest() else "")

    def _rest(self) -> str:
        shown = len(self.records)
        return f"\n{shown} of {self.total}" if self.total > shown else ""


def text_table(records: Sequence[JobRecord]) -> str:
    """The jobs in aligned columns; control characters in texts that users gave are taken out."""
    rows = [_HEAD, *(_row(record) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def html_table(records: Sequence[JobRecord]) -> str:
    """The jobs as an HTML table."""
    from html import escape

    def cells(tag: str, row: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

    body = "".join(cells("td", _row(record)) for record in records)
    return f'<table class="qwex-jobs"><thead>{cells("th", _HEAD)}</thead><tbody>{body}</tbody></table>'


def _row(record: JobRecord) -> tuple[str, ...]:
    now = time.time()
    took = "" if record.started_at is None else _span((record.ended_at or now) - record.started_at)
    why = record.message or record.reason
    row = (record.id, str(record.state), record.queue or "", _span(now - record.created_at), took, why)
    return tuple("".join(sign if sign.isprintable() else " " for sign in cell) for cell in row)


def _span(seconds: float) -> str:
    """``12s``, ``3m``, ``2h``, ``5d``."""
    for step, unit in _STEPS:
        if seconds >= step:
            return f"{int(seconds // step)}{unit}"
    return f"{max(int(seconds), 0)}s"
