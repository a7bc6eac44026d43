"""How far each tracker has come with a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; of older jobs no tracker has heard."""
    op.add_column("jobs", sa.Column("tracked", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
