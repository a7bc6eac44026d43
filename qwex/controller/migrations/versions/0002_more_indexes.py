"""Indexes for jobs in the order of their ends, and for counts of a user's jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the indexes."""
    end = sa.text("coalesce(ended_at, 253402300800.0)")
    op.create_index("jobs_by_user_and_state", "jobs", ["user", "state"])
    op.create_index("jobs_by_end", "jobs", [end, "seq"])
    op.create_index("jobs_by_user_and_end", "jobs", ["user", end, "seq"])
