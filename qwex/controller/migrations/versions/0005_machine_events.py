"""What became of dev machines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table; of what became of machines before nothing is known."""
    op.create_table(
        "machine_events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("machine", sa.String(63), nullable=False),
        sa.Column("ts", sa.Float, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reason", "message", "node")),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("asked", sa.String(20), nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("machine_events_by_machine", "machine_events", ["machine", "seq"])
