"""Count the authorizations that stand, and those that were given lately, without a look at any of them."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

STANDING = sa.text("withdrawn_at IS NULL")


def upgrade() -> None:
    name = "ix_authorization_standing"
    op.create_index(name, "authorization", ["created_at"], sqlite_where=STANDING, postgresql_where=STANDING)


def downgrade() -> None:
    op.drop_index("ix_authorization_standing", "authorization")
