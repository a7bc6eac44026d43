"""The table of jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table and its indexes."""
    json = sa.JSON(none_as_null=True)
    op.create_table(
        "jobs",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(52), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("backend", sa.String(63), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("native_id", sa.Text),
        sa.Column("queue", sa.String(63)),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("exit_code", sa.Integer),
        sa.Column("queued_at", sa.Float),
        sa.Column("admitted_at", sa.Float),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("resources", json, nullable=False),
        sa.Column("outputs", json, nullable=False),
        sa.Column("group", sa.String(63)),
        sa.Column("tags", json, nullable=False),
        sa.Column("notebook", json),
        sa.Column("links", json, nullable=False),
        sa.Column("peak_memory", sa.Integer),
        sa.Column("cpu_time", sa.Float),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("environment", sa.String(64)),
        sa.Column("variables", json, nullable=False),
        sa.Column("produced", json, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_state", "jobs", ["state", "seq"])
    op.create_index("jobs_by_user", "jobs", ["user", "seq"])
    op.create_index("jobs_by_group", "jobs", ["group", "seq"])
    op.create_index("jobs_by_time", "jobs", ["created_at"])
    op.create_index("jobs_by_key", "jobs", ["user", "idempotency_key"], unique=True)
