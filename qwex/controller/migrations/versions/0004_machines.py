"""Dev machines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_JSON = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "machines",
        sa.Column("id", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("provider", sa.String(63), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("native_id", sa.Text),
        sa.Column("queue", sa.String(63)),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reason", "message", "node")),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("resources", _JSON, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("image", "home", "home_size")),
        *(sa.Column(name, sa.Float) for name in ("started_at", "stopped_at", "idle", "max_age", "active_at")),
        sa.Column("doing", _JSON, nullable=False),
        sa.Column("host_key", sa.Text, nullable=False),
        *(sa.Column(name, _JSON, nullable=False) for name in ("keys", "door")),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("wanted", sa.String(20), nullable=False),
        sa.Column("fulfilled", sa.Boolean, nullable=False),
    )
    op.create_index("machines_by_name", "machines", ["user", "name"], unique=True)
