"""Let tokens and apps wait for an administrator."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
WAITS = sa.text("waiting_since IS NOT NULL")


def upgrade() -> None:
    op.add_column("token", sa.Column("waiting_since", MOMENT, nullable=True))
    op.add_column("client", sa.Column("waiting_since", MOMENT, nullable=True))
    op.add_column("client", sa.Column("waiting_scope", sa.String(4000), nullable=False, server_default=""))
    for table in ("token", "client"):
        op.create_index(f"ix_{table}_waiting", table, ["id"], sqlite_where=WAITS, postgresql_where=WAITS)


def downgrade() -> None:
    for table in ("token", "client"):
        op.drop_index(f"ix_{table}_waiting", table)
    op.drop_column("client", "waiting_scope")
    op.drop_column("client", "waiting_since")
    op.drop_column("token", "waiting_since")
