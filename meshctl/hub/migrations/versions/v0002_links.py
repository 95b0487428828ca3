"""Links between nodes, and the gateway that each node uses."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them; nodes that do not tell yet use no gateway."""
    for column in (
        sa.Column("gateway", sa.String(32)),
        sa.Column("via", sa.String(32)),
        sa.Column("gateway_since", sa.Double),
    ):
        op.add_column("node", column)
    op.create_table(
        "link",
        sa.Column("node", sa.String(32), primary_key=True),
        sa.Column("far", sa.String(32), primary_key=True),
        sa.Column("device", sa.String(32), primary_key=True),
        sa.Column("reach", sa.Double, nullable=False),
        sa.Column("cost", sa.Integer, nullable=False),
        sa.Column("rtt_ms", sa.Double),
        sa.Column("up", sa.Boolean, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("poor", sa.Double),
    )
