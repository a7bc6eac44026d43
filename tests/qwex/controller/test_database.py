"""Opening the database: new, current, of an older or newer qwex, damaged."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, inspect, text

from qwex.controller import database
from qwex.controller.tables import REVISION, jobs, machine_events, machines, metadata
from qwex.errors import ConfigError


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'controller.db'}"


def described(engine):
    """Columns and indexes as the database tells them."""
    found = inspect(engine)
    columns = [
        (c["name"], str(c["type"]), c["nullable"])
        for table in sorted(metadata.tables)
        for c in found.get_columns(table)
    ]
    with engine.connect() as connection:
        indexes = connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'index' ORDER BY name"))
        return columns, [str(sql).replace('"', "") for sql in indexes.scalars()]


def test_migrations_lead_to_the_tables_in_the_code(url, tmp_path):
    made = database.connect(url)
    database.prepare(made)
    migrated = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    database._upgrade(migrated)
    assert described(made) == described(migrated)
    with migrated.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == REVISION
    assert set(metadata.tables) == {jobs.name, machine_events.name, machines.name}


def test_an_older_schema_is_brought_up_to_date(url):
    engine = database.connect(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    database._upgrade(engine)
    database.prepare(engine)
    assert inspect(engine).has_table("jobs")


def test_opening_twice_changes_nothing(url):
    database.prepare(database.connect(url))
    database.prepare(database.connect(url))


def test_a_commit_is_on_disk(url):
    with database.connect(url).connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"


def test_newer(url):
    engine = database.connect(url)
    database.prepare(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match=r"controller\.db was written by a newer qwex"):
        database.prepare(database.connect(url))


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_damaged(url, tmp_path, content):
    (tmp_path / "controller.db").write_bytes(content)
    with pytest.raises(ConfigError, match=r"controller\.db cannot be used: .*move it away"):
        database.prepare(database.connect(url))


@pytest.mark.parametrize("wrong", ["nonsense", "oracle9i://x", "sqlite:////no/such/folder/at/all.db"])
def test_unusable_url(wrong):
    with pytest.raises(ConfigError, match="database"):
        database.prepare(database.connect(wrong))
