"""Keep in the index of tokens that wait for an administrator none that was revoked, and the others by their end."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

NAME = "ix_token_waiting"
BEFORE = sa.text("waiting_since IS NOT NULL")
NOW = sa.text("waiting_since IS NOT NULL AND revoked_at IS NULL")


def upgrade() -> None:
    op.drop_index(NAME, "token")
    op.create_index(NAME, "token", ["expires_at", "id"], sqlite_where=NOW, postgresql_where=NOW)


def downgrade() -> None:
    op.drop_index(NAME, "token")
    op.create_index(NAME, "token", ["id"], sqlite_where=BEFORE, postgresql_where=BEFORE)
