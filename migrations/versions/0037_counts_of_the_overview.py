"""Count the authorizations that stand by those that were withdrawn, which are few."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

WITHDRAWN = sa.text("withdrawn_at IS NOT NULL")


def upgrade() -> None:
    name = "ix_authorization_withdrawn"
    op.create_index(name, "authorization", ["id"], sqlite_where=WITHDRAWN, postgresql_where=WITHDRAWN)


def downgrade() -> None:
    op.drop_index("ix_authorization_withdrawn", "authorization")
