"""Keep in the indexes of tokens only the rows that are looked for in them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Columns, which rows, and whether unique.
PARTIAL = (
    (("user_id", "form_id"), "form_id IS NOT NULL", True),
    (("grant_id",), "grant_id IS NOT NULL", False),
    (("parent_id",), "parent_id IS NOT NULL", False),
    (("expires_at",), "kind <> 'ort'", False),
    (("revoked_at",), "revoked_at IS NOT NULL", False),
)
WHOLE = (("user_id", "form_id"), True), (("grant_id",), False), (("parent_id",), False)


def _name(columns: tuple[str, ...]) -> str:
    return op.f(f"ix_token_{'_'.join(columns)}")


def upgrade() -> None:
    op.drop_index("ix_token_unrevoked_expires_at", "token")
    for columns, _ in WHOLE:
        op.drop_index(_name(columns), "token")
    for columns, where, unique in PARTIAL:
        rows = sa.text(where)
        op.create_index(
            _name(columns), "token", columns, unique=unique, sqlite_where=rows, postgresql_where=rows
        )


def downgrade() -> None:
    for columns, _, _ in PARTIAL:
        op.drop_index(_name(columns), "token")
    for columns, unique in WHOLE:
        op.create_index(_name(columns), "token", columns, unique=unique)
    op.create_index("ix_token_unrevoked_expires_at", "token", ["expires_at"])
