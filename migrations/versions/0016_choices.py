"""Keep which scopes people may untick, what they kept from an app, and when its access is over."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ADDED = (
    ("client", "optional_scope"),
    ("authorization", "declined_scope"),
    ("pending_consent", "optional_scope"),
    ("pending_consent", "known_scope"),
)


def upgrade() -> None:
    for table, column in ADDED:
        op.add_column(table, sa.Column(column, sa.String(4000), server_default="", nullable=False))
    op.add_column("authorization", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    # What was to be over by itself would stand for ever.
    op.execute(sa.text('DELETE FROM "authorization" WHERE expires_at IS NOT NULL'))
    op.drop_column("authorization", "expires_at")
    for table, column in ADDED:
        op.drop_column(table, column)
