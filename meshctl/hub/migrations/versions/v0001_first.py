"""The first tables: nodes, their reports, lines by hour, presence by hour, refusals."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _make_node_tables()
    _make_line_tables()
    op.create_table(
        "presence_hour",
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("most", sa.Integer, nullable=False),
    )
    op.create_table(
        "refusal",
        sa.Column("reason", sa.String(32), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


def _make_node_tables() -> None:
    op.create_table(
        "node",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("key", sa.String(44), nullable=False),
        sa.Column("boot", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.Column("gap", sa.Double),
        sa.Column("monotonic", sa.Double, nullable=False),
        sa.Column("wall", sa.Double, nullable=False),
        sa.Column("trusted", sa.Boolean, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("homes", sa.Integer, nullable=False),
        sa.Column("guests", sa.Integer, nullable=False),
        sa.Column("repairs", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_table(
        "report",
        sa.Column("node", sa.String(32), primary_key=True),
        sa.Column("boot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.Column("monotonic", sa.Double, nullable=False),
        sa.Column("wall", sa.Double, nullable=False),
        sa.Column("trusted", sa.Boolean, nullable=False),
        sa.Column("homes", sa.Integer, nullable=False),
        sa.Column("guests", sa.Integer, nullable=False),
        sa.Column("repairs", sa.BigInteger, nullable=False),
        sa.Column("failing", sa.Text, nullable=False),
    )
    op.create_index("report_received", "report", ["received"])


def _make_line_tables() -> None:
    op.create_table(
        "line",
        sa.Column("node", sa.String(32), primary_key=True),
        sa.Column("line", sa.String(64), primary_key=True),
        sa.Column("direction", sa.String(4), primary_key=True),
        sa.Column("boot", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("carried", sa.BigInteger, nullable=False),
        sa.Column("capacity", sa.Double, nullable=False),
        sa.Column("busy", sa.Double, nullable=False),
        sa.Column("fairness", sa.Double),
    )
    op.create_table(
        "line_hour",
        sa.Column("node", sa.String(32), primary_key=True),
        sa.Column("line", sa.String(64), primary_key=True),
        sa.Column("direction", sa.String(4), primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("carried", sa.BigInteger, nullable=False),
    )
    op.create_index("line_hour_hour", "line_hour", ["hour"])
