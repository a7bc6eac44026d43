"""What is known of every job, ended ones too. Reads run on threads of their own; writes go through one ``Writer``."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import Select, Text, cast, func, literal, or_, select, tuple_

from qwex.controller import database
from qwex.controller.problems import StoreUnavailable
from qwex.controller.records import digests_in
from qwex.controller.tables import END, RECORD, jobs, machine_events, machines
from qwex.controller.writer import Writer
from qwex.errors import InvalidSpec
from qwex.state import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection

    from qwex.record import JobRecord

__all__ = ["ORDERS", "Filter", "Page", "Store"]

#: What pages may be sorted by, each from its largest value on; a cursor is the values of a page's last row.
ORDERS = {"created": (jobs.c.seq,), "ended": (END, jobs.c.seq)}
#: One of a cursor's values, as any database can hold it.
_VALUE = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?")

T = TypeVar("T")

_LIVE = jobs.c.state.not_in([state.value for state in TERMINAL])
_SHOWN = [jobs.c[name] for name in RECORD]
#: What names blobs, as text: there may be megabytes of it, and none of it is looked at but for these.
_NAMING = (jobs.c.id, jobs.c.spec, cast(jobs.c.produced, Text))
#: Rows that are in memory at once where all are read.
_AT_ONCE = 500
#: All but the specs, which may be large.
_KEPT = [column for column in jobs.c if column.name not in ("spec",)]


@dataclass(frozen=True)
class Filter:
    """Which jobs; None or empty means any."""

    user: str | None = None
    states: tuple[str, ...] = ()
    queue: str | None = None
    #: The name or the id begins so.
    name: str | None = None
    #: The name or the id contains it, in capitals or not.
    match: str | None = None
    group: str | None = None
    backend: str | None = None
    #: ``(key, value)``; without a value any will do.
    tag: tuple[str, str | None] | None = None
    #: Recorded at or after, seconds since the epoch.
    since: float | None = None
    #: Only these; None means any.
    ids: tuple[str, ...] | None = None

    def takes(self, record: JobRecord) -> bool:
        """Whether a record that is not in the store is one of those."""
        wanted = {"user": self.user, "queue": self.queue, "group": self.group, "backend": self.backend}
        return (
            all(value is None or getattr(record, field) == value for field, value in wanted.items())
            and (not self.states or record.state.value in self.states)
            and (self.name is None or record.name.startswith(self.name) or record.id.startswith(self.name))
            and (self.match is None or any(self.match.lower() in text.lower() for text in (record.name, record.id)))
            and (self.since is None or record.created_at >= self.since)
            and self.tag is None
            and (self.ids is None or record.id in self.ids)
        )


class Page(NamedTuple):
    """Rows in order; ``next_cursor`` leads to the rest, ``total`` counts all that match."""

    rows: list[dict[str, Any]]
    next_cursor: str | None
    total: int


class Store:
    """Make it with a running loop.

    Raises:
        ConfigError: the database cannot be used.
    """

    def __init__(self, url: str, on_full: Callable[[], None] = lambda: None) -> None:
        self._engine = database.connect(url)
        database.prepare(self._engine)
        self._readers = ThreadPoolExecutor(2, "store-reader")
        self.writer = Writer(self._engine, on_full)

    async def close(self) -> None:
        """Write what is left and let go."""
        await self.writer.close()
        self._readers.shutdown()
        self._engine.dispose()

    async def row(self, run_id: str) -> dict[str, Any] | None:
        """Everything about one job but its spec."""
        return await self._one(select(*_KEPT).where(jobs.c.id == run_id))

    async def rows(self, run_ids: Sequence[str]) -> list[dict[str, Any]]:
        """What is shown of those of the jobs that there are, in any order."""
        query = select(*_SHOWN).where(jobs.c.id.in_(run_ids))
        return await self._read(lambda connection: _rows(connection, query)) if run_ids else []

    async def by_key(self, user: str, key: str) -> dict[str, Any] | None:
        """The job that was submitted with that idempotency key."""
        return await self._one(select(*_KEPT).where(jobs.c.user == user, jobs.c.idempotency_key == key))

    async def spec(self, run_id: str) -> str | None:
        """The spec as JSON."""
        row = await self._one(select(jobs.c.spec).where(jobs.c.id == run_id))
        return row["spec"] if row else None

    def live(self) -> list[dict[str, Any]]:
        """Every job that has not ended, oldest first. Blocks; for the start.

        Raises:
            ConfigError: the database is damaged.
        """
        return self._at_start(select(*_KEPT).where(_LIVE).order_by(jobs.c.seq))

    def unsettled(self) -> list[dict[str, Any]]:
        """Jobs that have ended, and whose trackers do not know it yet. Blocks; for the start."""
        return self._at_start(select(*_KEPT).where(~_LIVE, jobs.c.settled.is_(False)).order_by(jobs.c.seq))

    def machines(self) -> list[dict[str, Any]]:
        """Every dev machine, oldest first. Blocks; for the start."""
        return self._at_start(select(machines).order_by(machines.c.created_at, machines.c.id))

    def machine_events(self) -> list[dict[str, Any]]:
        """What became of every dev machine, oldest first. Blocks; for the start."""
        return self._at_start(select(machine_events).order_by(machine_events.c.seq))

    async def ended(self, user: str | None, before: float, after: int, limit: int) -> list[dict[str, Any]]:
        """Jobs (of ``user``) that ended before then and whose trackers know it, in order from number ``after`` on."""
        query = _ended(select(*_KEPT), user, before).where(jobs.c.settled.is_(True), jobs.c.seq > after)
        return await self._read(lambda connection: _rows(connection, query.order_by(jobs.c.seq).limit(limit)))

    async def untold(self, user: str | None, before: float) -> int:
        """How many jobs (of ``user``) ended before then, and some tracker does not know it yet."""
        query = _ended(select(func.count()).select_from(jobs), user, before).where(jobs.c.settled.is_(False))
        return int(await self._read(lambda connection: connection.execute(query).scalar_one()))

    async def users(self) -> list[str]:
        """Whoever has jobs."""
        query = select(jobs.c.user).distinct().order_by(jobs.c.user)
        return list(await self._read(lambda connection: connection.execute(query).scalars().all()))

    async def named(self, user: str, leaving: Collection[str] = ()) -> tuple[set[str], set[str]]:
        """The ids of the user's jobs, and every digest that stands in the spec or the values of one not ``leaving``."""
        query = select(*_NAMING).where(jobs.c.user == user)
        return await self._read(lambda connection: _named(connection, query, leaving))

    async def ids(self) -> set[str]:
        """Of all jobs."""
        return set(await self._read(lambda connection: connection.execute(select(jobs.c.id)).scalars().all()))

    async def page(self, wanted: Filter, limit: int, cursor: str | None, order: str = "created") -> Page:
        """Some of the jobs that match, in one of ``ORDERS``.

        Raises:
            InvalidSpec: the cursor is not one that an earlier page in that order gave.
        """
        columns = ORDERS[order]
        places = [column.label(f"_{number}") for number, column in enumerate(columns)]
        matching = _matching(select(*places, *_SHOWN), wanted)
        matching = matching.order_by(*(column.desc() for column in columns)).limit(limit + 1)
        if cursor is not None:
            values = _values(cursor, len(columns))
            # The first says nothing that the second does not; it is the one that databases look up in the index.
            matching = matching.where(columns[0] <= values[0], tuple_(*columns) < tuple_(*values))
        counting = _matching(select(func.count()).select_from(jobs), wanted)
        return await self._read(lambda connection: _page(connection, matching, counting, limit))

    async def counts(self, wanted: Filter) -> dict[str, int]:
        """How many of the jobs that match are in each state; without the states that none is in."""
        query = _matching(select(jobs.c.state, func.count()), wanted).group_by(jobs.c.state)
        return dict(await self._read(lambda connection: [(row[0], row[1]) for row in connection.execute(query)]))

    async def _one(self, query: Select[Any]) -> dict[str, Any] | None:
        rows = await self._read(lambda connection: _rows(connection, query))
        return rows[0] if rows else None

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._with_connection, work)

    def _with_connection(self, work: Callable[[Connection], T]) -> T:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the store cannot be read: {getattr(error, 'orig', None) or error}") from error

    def _at_start(self, query: Select[Any]) -> list[dict[str, Any]]:
        with database.explained(self._engine), self._engine.connect() as connection:
            return _rows(connection, query)


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _ended(query: Select[Any], user: str | None, before: float) -> Select[Any]:
    query = query.where(~_LIVE, jobs.c.ended_at < before)
    return query if user is None else query.where(jobs.c.user == user)


def _named(connection: Connection, query: Select[Any], leaving: Collection[str]) -> tuple[set[str], set[str]]:
    ids: set[str] = set()
    digests: set[str] = set()
    for run_id, spec, produced in connection.execution_options(yield_per=_AT_ONCE).execute(query):
        ids.add(run_id)
        if run_id not in leaving:
            digests |= digests_in(spec) | digests_in(produced or "")
    return ids, digests


def _page(connection: Connection, matching: Select[Any], counting: Select[Any], limit: int) -> Page:
    rows = _rows(connection, matching)
    more = _cursor(rows[limit - 1]) if len(rows) > limit else None
    return Page(rows[:limit], more, connection.execute(counting).scalar_one())


def _cursor(row: dict[str, Any]) -> str:
    return "-".join(str(value) for name, value in row.items() if name.startswith("_"))


def _values(cursor: str, count: int) -> list[Any]:
    parts = cursor.split("-")
    if len(parts) != count or not all(_VALUE.fullmatch(part) for part in parts):
        raise InvalidSpec.of("cursor", "not a cursor of an earlier page in this order")
    return [literal(float(part) if "." in part else int(part)) for part in parts]


def _matching(query: Select[Any], wanted: Filter) -> Select[Any]:
    for name in ("user", "queue", "group", "backend"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(jobs.c[name] == value)
    if wanted.name is not None:
        # train finds the job that was named "train the model", and one without a name by its id, train-7k3f9q.
        begins = (column.startswith(wanted.name, autoescape=True) for column in (jobs.c.name, jobs.c.id))
        query = query.where(or_(*begins))
    if wanted.match is not None:
        has = jobs.c.name.icontains(wanted.match, autoescape=True)
        query = query.where(or_(has, jobs.c.id.contains(wanted.match.lower(), autoescape=True)))
    if wanted.ids is not None:
        query = query.where(jobs.c.id.in_(wanted.ids))
    if wanted.states:
        query = query.where(jobs.c.state.in_(wanted.states))
    if wanted.since is not None:
        query = query.where(jobs.c.created_at >= wanted.since)
    if wanted.tag:
        key, value = wanted.tag
        found = jobs.c.tags[key].as_string()
        query = query.where(found == value if value is not None else found.is_not(None))
    return query
