"""Keep which scopes an app has because it was trusted, so that people are asked about them when it is no more."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("authorization", sa.Column("unasked_scope", sa.String(length=4000), nullable=False, server_default=""))
    # Whether people were asked before an app was trusted, nothing tells: they are asked once too often.
    op.execute(
        'UPDATE "authorization" SET unasked_scope = scope WHERE client_id IN (SELECT id FROM client WHERE trusted)'
    )


def downgrade() -> None:
    op.drop_column("authorization", "unasked_scope")
