"""Find what was refused of a user's tokens lately, without a look at all that ever was."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_refusal_user_id_at", "refusal", ["user_id", "at"])
    op.drop_index("ix_refusal_user_id", "refusal")


def downgrade() -> None:
    op.create_index("ix_refusal_user_id", "refusal", ["user_id"])
    op.drop_index("ix_refusal_user_id_at", "refusal")
