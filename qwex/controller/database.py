"""Opening the database: made new, current, brought up to date, or refused in plain words."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

from qwex.controller.tables import REVISION, metadata
from qwex.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

__all__ = ["MIGRATIONS", "connect", "explained", "prepare"]

MIGRATIONS = Path(__file__).parent / "migrations"

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "cache_size=-4000")


def connect(url: str) -> Engine:
    """An engine for ``url``; on SQLite a commit is on disk when it returns (WAL, synchronous=FULL).

    Raises:
        ConfigError: the URL cannot be read or its driver is not installed.
    """
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(f"database: {error}. It is a SQLAlchemy URL, such as sqlite:////path/to/file.") from None
    if engine.dialect.name == "sqlite":
        _make_private(engine)
        event.listen(engine, "connect", _set_up)
    return engine


def prepare(engine: Engine) -> None:
    """Make sure that the schema is there and current.

    Raises:
        ConfigError: it is newer than this qwex, or damaged; the message names the file and the way out.
    """
    with explained(engine):
        _bring_up_to_date(engine)


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Failures of the database as a ``ConfigError`` that names the file and the way out."""
    try:
        yield
    except DatabaseError as error:
        # SQLite's word for a file that it cannot read or write, other than for one that makes no sense.
        unusable = engine.dialect.name == "sqlite" and isinstance(error, OperationalError)
        way_out = (
            "Its disk may be full or read-only."
            if unusable
            else "If it is damaged, move it away: qwex starts with a new one, and finished jobs are no longer listed."
        )
        raise ConfigError(f"the database {_place(engine)} cannot be used: {error.orig}. {way_out}") from None


def _bring_up_to_date(engine: Engine) -> None:
    found = _revision(engine)
    if found == REVISION:
        return
    if found is None:
        _create(engine)
    elif found in _known():
        _upgrade(engine)
    else:
        raise ConfigError(
            f"the database {_place(engine)} was written by a newer qwex (schema {found}, this one knows {REVISION}). "
            "Install that version again, or set QWEX_HOME to another folder."
        )


def _revision(engine: Engine) -> str | None:
    """The schema's version; None for a database without tables."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _create(engine: Engine) -> None:
    """The newest schema at once: the same as all migrations, without importing alembic (half a second)."""
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})


def _upgrade(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _known() -> set[str]:
    return {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")}


def _place(engine: Engine) -> str:
    return engine.url.database or engine.url.render_as_string()


def _make_private(engine: Engine) -> None:
    """Create the file for its owner only."""
    path = engine.url.database
    if path and path != ":memory:":
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise ConfigError(f"the database {path} cannot be opened: {error.strerror}") from None


def _set_up(connection: Any, _: object) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()
    # SQLite's own knows the letters from A to Z.
    connection.create_function("lower", 1, str.lower, deterministic=True)
