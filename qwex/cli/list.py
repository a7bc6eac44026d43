"""``qwex list``: jobs, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwex.cli import describe, exits
from qwex.cli.command import JSON, Command, Flag, Given
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json
from qwex.cli.table import print_table
from qwex.client.show import Others
from qwex.errors import UnknownQueue, nearest
from qwex.state import JobState
from qwex.wording import job_row, other_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.client import Client
    from qwex.client.listing import Page
    from qwex.record import JobRecord

__all__ = ["COMMAND"]

_DEFAULT = 50
#: The most one answer of the API holds.
_PAGE = 1000
_FLAGS = (
    Flag("user", "--user", "jobs of this user; me is you", "-u", str, metavar="NAME"),
    Flag(
        "state", "--status", "jobs in these states: queued,running", "-s", str, many=True, metavar="STATE",
        complete="state",
    ),
    Flag("queue", "--queue", "jobs of this queue", "-q", str, metavar="NAME", complete="queue"),
    Flag("name", "--name", "jobs whose name or id begins so", "-n", str, metavar="NAME"),
    Flag(
        "where", "--where", "jobs for which a condition of MLflow's holds: 'metrics.loss < 0.1'", "", str,
        metavar="CONDITION",
    ),
    Flag("limit", "--limit", f"at most so many (default {_DEFAULT})", "", int, metavar="N"),
    Flag("all", "--all", "all of them"),
    JSON,
)  # fmt: skip


def _run(given: Given) -> int:
    states = _states(given["state"])
    limit = None if given["all"] else given["limit"] if given["limit"] is not None else _DEFAULT
    if limit is not None and limit < 1:
        raise exits.UsageError(f"--limit: at least 1, not {limit}")
    filters = {name: given[name] for name in ("user", "queue", "name")}
    connection = client()
    records, last = _fetch(connection, limit, {**filters, "state": states, "where": given["where"]})
    others = Others([] if given["where"] else connection.elsewhere(**filters, state=states), limit)
    if not records and not others and given["queue"]:
        _check_queue(connection, given["queue"])
    if given["json"]:
        jobs, elsewhere = ([record.as_dict() for record in each] for each in (records, others))
        more = {"next_cursor": last.next_cursor, "total": last.total, "missing": last.missing}
        print_json({"jobs": jobs, **more, "elsewhere": elsewhere})
    elif not records and not others:
        note("no jobs" if not any([states, given["where"], *filters.values()]) else "no such jobs")
    else:
        _show(records, others, last.total)
    if last.missing:
        note(f"there may be more: {last.missing}", "yellow")
    return exits.OK


def _states(texts: Sequence[str]) -> list[str]:
    """The states named, by commas or by repeating the flag.

    Raises:
        UsageError: there is no such state.
    """
    named = [word.strip().upper() for text in texts for word in text.split(",") if word.strip()]
    known = [state.value for state in JobState]
    for name in named:
        if name not in known:
            close = nearest(name, known).lower()
            raise exits.UsageError(
                f"--status: no state {name.lower()!r}.{close.replace('did', 'Did')} States: {', '.join(known).lower()}"
            )
    return named


def _check_queue(client: Client, name: str) -> None:
    """Refuse a queue that is not there; jobs of one that was once are found before this is asked.

    Raises:
        UnknownQueue: there is none of that name.
    """
    known = [queue.name for queue in client.queues()]
    if known and name not in known:
        message = f"no queue {name!r}. There is: {', '.join(known)}.{nearest(name, known)}"
        raise UnknownQueue(message, problems=[("queue", message)])


def _fetch(client: Client, limit: int | None, filters: dict[str, Any]) -> tuple[list[JobRecord], Page]:
    """At most ``limit`` jobs, page by page, and the last page."""
    records: list[JobRecord] = []
    cursor: str | None = None
    while True:
        wanted = _PAGE if limit is None else min(limit - len(records), _PAGE)
        page = client.list(**filters, limit=wanted, cursor=cursor)
        records += page.records
        cursor = page.next_cursor
        if cursor is None or not page.records or len(records) == limit:
            return records, page


def _show(records: Sequence[JobRecord], others: Others, total: int) -> None:
    """The jobs of this controller, and apart from them those that others have in the same places."""
    placed = len({record.backend for record in (*records, *others)}) > 1
    if records:
        _print(("ID", "STATE", "QUEUE", "AGE", "RAN", ""), [*map(job_row, records)], records, placed=placed)
    if total > len(records):
        note(f"{len(records)} of {total}; all of them: --all", "dim")
    if others:
        note(f"{others.title}:", "dim")
        _print(("ID", "STATE", "QUEUE", "AGE", "RAN", "USER", ""), [*map(other_row, others)], others, placed=placed)


def _print(
    headings: Sequence[str], rows: Sequence[Sequence[str]], records: Sequence[JobRecord], *, placed: bool
) -> None:
    """A table; ``placed`` has each job's backend beside its queue."""
    if placed:
        headings = (*headings[:3], "BACKEND", *headings[3:])
        rows = [(*row[:3], record.backend, *row[3:]) for row, record in zip(rows, records, strict=True)]
    print_table(headings, rows, [describe.STYLES[record.state] for record in records])


COMMAND = Command(
    "list jobs, newest first",
    _run,
    flags=_FLAGS,
    examples=("qwex list --user me --status running", "qwex list --where 'metrics.loss < 0.1' --all --json"),
)
