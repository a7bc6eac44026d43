"""The store's tables. A change here needs a migration beside it (a test compares them)."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    literal_column,
)

__all__ = ["END", "MUTABLE", "RECORD", "REVISION", "jobs", "machine_events", "machines", "metadata"]

#: The newest migration in ``migrations/versions``.
REVISION = "0005"

_JSON = JSON(none_as_null=True)

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(52), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("backend", String(63), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("native_id", Text),
    Column("queue", String(63)),
    Column("priority", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("exit_code", Integer),
    Column("queued_at", Float),
    Column("admitted_at", Float),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("resources", _JSON, nullable=False),
    Column("outputs", _JSON, nullable=False),
    Column("group", String(63)),
    Column("tags", _JSON, nullable=False),
    Column("notebook", _JSON),
    Column("links", _JSON, nullable=False),
    Column("peak_memory", Integer),
    Column("cpu_time", Float),
    # What the API does not show in a record.
    Column("spec", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("idempotency_key", Text),
    Column("environment", String(64)),
    Column("variables", _JSON, nullable=False),
    Column("produced", _JSON, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("tracked", _JSON, nullable=False, server_default="{}"),
    Index("jobs_by_state", "state", "seq"),
    Index("jobs_by_user", "user", "seq"),
    Index("jobs_by_user_and_state", "user", "state"),
    Index("jobs_by_group", "group", "seq"),
    Index("jobs_by_time", "created_at"),
    Index("jobs_by_key", "user", "idempotency_key", unique=True),
    sqlite_autoincrement=True,
)

machines = Table(
    "machines",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("user", Text, nullable=False),
    Column("provider", String(63), nullable=False),
    Column("state", String(20), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("native_id", Text),
    Column("queue", String(63)),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("resources", _JSON, nullable=False),
    Column("image", Text, nullable=False),
    Column("home", Text, nullable=False),
    Column("home_size", Text, nullable=False),
    Column("started_at", Float),
    Column("stopped_at", Float),
    Column("idle", Float),
    Column("max_age", Float),
    Column("active_at", Float),
    Column("doing", _JSON, nullable=False),
    Column("host_key", Text, nullable=False),
    Column("keys", _JSON, nullable=False),
    Column("door", _JSON, nullable=False),
    # What the API does not show in a record.
    Column("spec", Text, nullable=False),
    Column("wanted", String(20), nullable=False),
    Column("fulfilled", Boolean, nullable=False),
    Index("machines_by_name", "user", "name", unique=True),
)

machine_events = Table(
    "machine_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("machine", String(63), nullable=False),
    Column("ts", Float, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("asked", String(20), nullable=False),
    Column("user", Text, nullable=False),
    Index("machine_events_by_machine", "machine", "seq"),
    sqlite_autoincrement=True,
)

#: When a job ended; later than any that has, of one that has not (the year 10000). Written as in its index, so that
#: databases see that the two are the same.
END = func.coalesce(jobs.c.ended_at, literal_column("253402300800.0"))
Index("jobs_by_end", END, jobs.c.seq)
Index("jobs_by_user_and_end", jobs.c.user, END, jobs.c.seq)

#: The columns that make a ``JobRecord``, in its order.
RECORD = tuple(column.name for column in jobs.columns)[1 : jobs.columns.keys().index("spec")]

#: What may change after the row was inserted; written together.
MUTABLE = (
    *("state", "native_id", "reason", "message", "attempt", "exit_code", "queued_at", "admitted_at", "started_at"),
    *("ended_at", "links", "peak_memory", "cpu_time", "variables", "produced", "tracked", "failures", "losses"),
    *("cancelling", "settled"),
)
