"""Find letters that wait or failed, and addresses that fell together, by an index: administrators look at them first."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_letter_waiting": ("letter", sa.text("next_attempt_at IS NOT NULL")),
    "ix_letter_failed": ("letter", sa.text("sent_at IS NULL AND last_error IS NOT NULL")),
    "ix_user_fallen_together": ("user", sa.text("lower(email) <> email_key")),
}


def upgrade() -> None:
    for name, (table, where) in INDEXES.items():
        op.create_index(name, table, ["id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table)
