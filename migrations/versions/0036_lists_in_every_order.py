"""Let SQLite count a long list of tokens by what stands in an index, and read it in each of its orders."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

LISTED = sa.text("kind = 'dev' AND successor_id IS NULL")
OF_LISTED = ["kind", "successor_id", "revoked_at", "expires_at"]
NEWEST = sa.text("id DESC")
INDEXES = {
    "ix_token_counted": ["scope", *OF_LISTED, "last_used_at", "description", "last4", "last_used_address"],
    "ix_token_by_use": ["last_used_at", "id", *OF_LISTED],
    "ix_token_by_end": ["expires_at", NEWEST, *OF_LISTED[:3]],
    "ix_token_by_name": [sa.text("description COLLATE NOCASE"), NEWEST, *OF_LISTED],
}
FORMER = ["user_id", "kind", "revoked_at", "expires_at", "last_used_at", "description", "successor_id", "id"]


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    op.drop_index("ix_token_listed", "token")
    for name, columns in INDEXES.items():
        op.create_index(name, "token", ["user_id", *columns], sqlite_where=LISTED)


def downgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in reversed(INDEXES):
        op.drop_index(name, "token")
    op.create_index("ix_token_listed", "token", FORMER, sqlite_where=LISTED)
