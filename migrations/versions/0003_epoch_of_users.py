"""Count for each user how often everything that was proved before stopped counting."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    # Not by a batch: that makes the table anew, and what refers to its rows goes with them.
    op.drop_column("user", "epoch")
