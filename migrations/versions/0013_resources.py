"""Keep for which APIs grants and tokens are, where an app named them; until then there was one API."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("grant", sa.Column("resource", sa.Text(), nullable=True))
    op.add_column("token", sa.Column("resource", sa.Text(), nullable=True))
    op.drop_column("authorization_code", "resource")
    op.drop_column("pending_consent", "resource")


def downgrade() -> None:
    # What was issued for one API must not work at the only one that there is then.
    op.execute(sa.text('DELETE FROM "grant" WHERE resource IS NOT NULL'))
    # Codes live for a minute and questions for ten: nobody waits for those of before.
    op.execute(sa.text("DELETE FROM authorization_code"))
    op.execute(sa.text("DELETE FROM pending_consent"))
    for table in ("authorization_code", "pending_consent"):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("resource", sa.String(2000), nullable=False, server_default=""))
            batch.alter_column("resource", server_default=None)
    op.drop_column("token", "resource")
    op.drop_column("grant", "resource")
