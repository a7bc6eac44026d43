"""How jobs, queues and GPUs show themselves: in text, and in a notebook as HTML with everything escaped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qwex import gpuwords
from qwex.wording import job_row, other_row, queue_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qwex.gpus import GpuKind, GpuQuota, GpuReport
    from qwex.record import JobRecord
    from qwex.state import QueueInfo

__all__ = ["CARD", "Gpus", "Others", "Queues", "Shown", "ShownMany", "Table", "job_table"]


#: A job that JupyterLab with qwex's extension draws as a live card; the record, and what else is known.
CARD = "application/vnd.qwex.job.v1+json"


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

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {CARD: self.record.as_dict()}


class ShownMany:
    """Several jobs as a table, from what was last heard of each."""

    total: int
    records: list[JobRecord]
    #: Shown below them, where somebody asked for these too.
    others: Others | None = None

    def __repr__(self) -> str:
        below = f"\n\n{self.others!r}" if self.others else ""
        return repr(job_table(self.records)) + self._rest() + below

    def _repr_html_(self) -> str:
        rest = f"<p>{self._rest().strip()}</p>" if self._rest() else ""
        below = self.others._repr_html_() if self.others else ""
        return job_table(self.records)._repr_html_() + rest + below

    def _rest(self) -> str:
        shown = len(self.records)
        return f"\n{shown} of {self.total}" if self.total > shown else ""


class Others(list["JobRecord"]):
    """Jobs that other controllers look after, at most ``limit`` of them; shows itself as a table below a title."""

    def __init__(self, records: Sequence[JobRecord], limit: int | None) -> None:
        super().__init__(records[:limit])
        self.total = len(records)

    @property
    def title(self) -> str:
        """What they are, and how many of them are shown when not all are."""
        some = f", {len(self)} of {self.total}" if self.total > len(self) else ""
        return f"looked after by other controllers{some}"

    def __repr__(self) -> str:
        return f"{self.title}:\n{self._table()!r}"

    def _repr_html_(self) -> str:
        return f"<p>{self.title}:</p>{self._table()._repr_html_()}"

    def _table(self) -> Table:
        now = time.time()
        headings = ("id", "state", "queue", "age", "ran", "user", "message")
        return Table(headings, [other_row(record, now) for record in self])


class Queues(list["QueueInfo"]):
    """The queues a job may name; shows itself as a table, and below it the backends that do not tell theirs."""

    def __init__(self, queues: Iterable[QueueInfo] = (), away: Mapping[str, str] | None = None) -> None:
        super().__init__(queues)
        #: Why a backend does not tell its queues, by its name.
        self.away = dict(away or {})

    @property
    def notes(self) -> list[str]:
        """A line for each backend that does not tell its queues."""
        return [_printable(f"the queues of {backend} cannot be told: {why}") for backend, why in self.away.items()]

    def __repr__(self) -> str:
        return "\n".join([repr(self._table()), *self.notes])

    def _repr_html_(self) -> str:
        from html import escape

        return self._table()._repr_html_() + "".join(f"<p>{escape(note)}</p>" for note in self.notes)

    def _table(self) -> Table:
        return Table(("queue", "backend", "waiting", "running", "in use", ""), [queue_row(queue) for queue in self])


class Gpus(list["GpuKind"]):
    """The GPUs that jobs and machines may ask for; shows itself as tables, and what could not be read below them."""

    def __init__(self, reports: Mapping[str, GpuReport] | None = None, away: Mapping[str, str] | None = None) -> None:
        #: What each backend says, by its name.
        self.reports = dict(reports or {})
        #: Why a backend does not tell its GPUs, by its name.
        self.away = dict(away or {})
        super().__init__(kind for report in self.reports.values() for kind in report.kinds)

    @property
    def quotas(self) -> list[GpuQuota]:
        """What each queue has left of them."""
        return [quota for report in self.reports.values() for quota in report.quotas]

    @property
    def notes(self) -> list[str]:
        """A line for each thing that the tables do not say, or that could not be read."""
        several = len(self.reports) + len(self.away) > 1
        told = [
            f"{name}: {note}" if several else note for name, report in self.reports.items() for note in report.notes
        ]
        away = [f"the GPUs of {name} cannot be told: {why}" for name, why in self.away.items()]
        return [_printable(note) for note in [*gpuwords.remarks(self), *told, *away]]

    def tables(self) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
        """Headings and rows: the GPUs, and the queues' quotas; which backend only where there are several."""
        kinds, quotas = gpuwords.kind_rows(self), gpuwords.quota_rows(self.quotas)
        both: list[tuple[tuple[str, ...], list[tuple[str, ...]]]] = [(gpuwords.KINDS, kinds), (gpuwords.QUOTAS, quotas)]
        found = [table for table in both if table[1]]
        several = len({row[1] for _, rows in found for row in rows}) > 1
        return found if several else [(_without(head), [_without(row) for row in rows]) for head, rows in found]

    def __repr__(self) -> str:
        shown = [repr(Table([word.lower() for word in head], rows)) for head, rows in self.tables()]
        return "\n\n".join([*(shown or [gpuwords.NONE]), *(["\n".join(self.notes)] if self.notes else [])])

    def _repr_html_(self) -> str:
        from html import escape

        shown = [Table([word.lower() for word in head], rows)._repr_html_() for head, rows in self.tables()]
        notes = [f"<p>{escape(note)}</p>" for note in self.notes]
        return "".join([*(shown or [f"<p>{gpuwords.NONE}</p>"]), *notes])


def job_table(records: Sequence[JobRecord]) -> Table:
    """The jobs, one line each."""
    now = time.time()
    return Table(("id", "state", "queue", "age", "ran", "message"), [job_row(record, now) for record in records])


def _without(row: tuple[str, ...]) -> tuple[str, ...]:
    """The row without its second column, the backend."""
    return (row[0], *row[2:])


def _printable(text: Any) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in str(text))
