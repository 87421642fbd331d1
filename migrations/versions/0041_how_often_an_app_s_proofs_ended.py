"""Count how often all secrets or keys of an app ended at once, so that what they proved before begins nothing after."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("proofs_ended", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("client", "proofs_ended")
