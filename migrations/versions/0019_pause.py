"""Let users pause everything that acts for them, and keep from where an app was last used."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("authorization", sa.Column("last_used_address", sa.String(45), nullable=True))


def downgrade() -> None:
    # Who paused everything would have it act again: suspended, nothing does.
    op.execute(sa.text('UPDATE "user" SET disabled_at = paused_at WHERE paused_at IS NOT NULL AND disabled_at IS NULL'))
    op.drop_column("authorization", "last_used_address")
    op.drop_column("user", "paused_at")
