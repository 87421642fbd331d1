"""Find a user's live tokens by an index, however many have ended: each new one is made after they were counted."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

UNREVOKED = sa.text("kind = 'dev' AND revoked_at IS NULL")


def upgrade() -> None:
    columns = ["user_id", "expires_at"]
    op.create_index("ix_token_unrevoked", "token", columns, sqlite_where=UNREVOKED, postgresql_where=UNREVOKED)


def downgrade() -> None:
    op.drop_index("ix_token_unrevoked", "token")
