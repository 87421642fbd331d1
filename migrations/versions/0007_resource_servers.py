"""Let an administrator mark apps as resource servers, which introspect without limit."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client", sa.Column("resource_server", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    # Not by a batch: that makes the table anew, and what refers to its rows goes with them.
    op.drop_column("client", "resource_server")
