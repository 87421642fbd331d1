"""Keep apps as themselves out of indexes by user and authorization, which each of their tokens paid for."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_token_user_id_kind_id": ("token", ["user_id", "kind", "id"]),
    "ix_grant_user_id": ("grant", ["user_id"]),
    "ix_grant_authorization_id": ("grant", ["authorization_id"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        known = sa.text(f"{columns[0]} IS NOT NULL")
        op.drop_index(name, table)
        op.create_index(name, table, columns, sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.drop_index(name, table)
        op.create_index(name, table, columns)
