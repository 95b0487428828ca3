"""The newest version that was seen of each signed list."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "list_version",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("signer", sa.String(44), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
