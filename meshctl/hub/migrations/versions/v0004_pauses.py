"""How many pauses stewards decided, and how many are in force; never of whom, nor why."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add them; nodes that do not tell yet have paused nobody."""
    for name in ("pauses", "pauses_now"):
        op.add_column("node", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "pause_day",
        sa.Column("node", sa.String(32), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("begun", sa.BigInteger, nullable=False),
    )
