"""How jobs and queues show themselves: in text, and in a notebook as HTML with everything escaped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qwex.wording import age, queue_row, ran

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.record import JobRecord
    from qwex.state import QueueInfo

__all__ = ["Queues", "Shown", "ShownMany", "Table", "job_table"]


class Table:
    """Rows of text under headings; control characters in texts that users gave are taken out."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.headings = tuple(headings)
        self.rows = [tuple(_printable(cell) for cell in row) for row in rows]

    def __repr__(self) -> str:
        table = [self.headings, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.headings))]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)

    def _repr_html_(self) -> str:
        from html import escape

        def cells(tag: str, row: Sequence[str]) -> str:
            return "<tr>" + "".join(f'<{tag} style="text-align:left">{escape(cell)}</{tag}>' for cell in row) + "</tr>"

        head = cells("th", self.headings).replace("<th ", '<th scope="col" ')
        body = "".join(cells("td", row) for row in self.rows)
        return f'<table class="qwex-table"><thead>{head}</thead><tbody>{body}</tbody></table>'


class Shown:
    """One job's ``repr``, from what was last heard of it: it asks nobody, so that it never waits and never fails."""

    record: JobRecord

    @property
    def id(self) -> str:
        """The job's one name in every system."""
        return self.record.id

    def __repr__(self) -> str:
        reason = f" ({self.record.reason})" if self.record.reason else ""
        return f"<{type(self).__name__} {self.id} {self.record.state}{reason}>"

    def _repr_html_(self) -> str:
        return job_table([self.record])._repr_html_()


class ShownMany:
    """Several jobs as a table, from what was last heard of each."""

    total: int
    records: list[JobRecord]

    def __repr__(self) -> str:
        return repr(job_table(self.records)) + self._rest()

    def _repr_html_(self) -> str:
        return job_table(self.records)._repr_html_() + (f"<p>{self._rest().strip()}</p>" if self._rest() else "")

    def _rest(self) -> str:
        shown = len(self.records)
        return f"\n{shown} of {self.total}" if self.total > shown else ""


class Queues(list["QueueInfo"]):
    """The queues a job may name; shows itself as a table."""

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        return Table(("queue", "backend", "waiting", "running", "in use", ""), [queue_row(queue) for queue in self])


def job_table(records: Sequence[JobRecord]) -> Table:
    """The jobs, one line each."""
    now = time.time()
    return Table(("id", "state", "queue", "age", "ran", "message"), [_row(record, now) for record in records])


def _row(record: JobRecord, now: float) -> tuple[str, ...]:
    why = record.message or record.reason
    return (record.id, str(record.state), record.queue or "", age(record, now), ran(record, now), why)


def _printable(text: Any) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in str(text))
