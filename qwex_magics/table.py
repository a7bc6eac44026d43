"""Tables and answers as a person reads them: text in a terminal, HTML in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from qwex.quantities import format_bytes
from qwex_magics.card import waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.state import QueueInfo, QuotaLine, Why

__all__ = ["Table", "queue_table", "why_text"]


class Table:
    """Rows of text under headings."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.headings = tuple(headings)
        self.rows = [tuple(row) for row in rows]

    def __repr__(self) -> str:
        table = [self.headings, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.headings))]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)

    def _repr_html_(self) -> str:
        style = 'style="text-align:left"'
        head = "".join(f'<th scope="col" {style}>{escape(text)}</th>' for text in self.headings)
        body = "".join(
            "<tr>" + "".join(f"<td {style}>{escape(text)}</td>" for text in row) + "</tr>" for row in self.rows
        )
        return f'<table class="qwex-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def queue_table(queues: Sequence[QueueInfo]) -> Table:
    """The queues, one line each."""
    rows = [
        (
            queue.name + (" (default)" if queue.default and queue.name != "default" else ""),
            queue.backend,
            str(queue.waiting),
            str(queue.running),
            ", ".join(f"{_used(line)} {line.resource}" for line in queue.quota),
            queue.description + (" (stopped)" if queue.stopped else ""),
        )
        for queue in queues
    ]
    return Table(("queue", "backend", "waiting", "running", "in use", ""), rows)


def why_text(why: Why) -> str:
    """Where the job stands, what it needs of what there is, and what would help."""
    asked = [line for line in why.quota if line.requested]
    lines = [f"  {line.resource}: asks for {_amount(line, line.requested)}; {_used(line)} in use" for line in asked]
    return "\n".join([waiting(why.as_dict()), *lines, *(f"  → {suggestion}" for suggestion in why.suggestions)])


def _used(line: QuotaLine) -> str:
    allowed = "" if line.nominal is None else f" of {_amount(line, line.nominal)}"
    return f"{_amount(line, line.used)}{allowed}"


def _amount(line: QuotaLine, amount: float) -> str:
    return format_bytes(amount) if line.resource == "memory" else f"{amount:g}"
