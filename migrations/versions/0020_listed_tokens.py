"""Let a long list of developer tokens be counted and sorted by an index alone."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

LISTED = sa.text("kind = 'dev' AND successor_id IS NULL")
COLUMNS = ["user_id", "kind", "revoked_at", "expires_at", "last_used_at", "description", "successor_id", "id"]


def upgrade() -> None:
    op.create_index("ix_token_listed", "token", COLUMNS, sqlite_where=LISTED, postgresql_where=LISTED)


def downgrade() -> None:
    op.drop_index("ix_token_listed", "token")
