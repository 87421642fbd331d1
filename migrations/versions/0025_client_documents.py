"""Know apps by the address of their metadata document, and where a sign-in led back to."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("client", sa.Column("document_url", sa.String(500), nullable=True))
    op.add_column("client", sa.Column("document_read_at", MOMENT, nullable=True))
    op.add_column("client", sa.Column("document_fresh_until", MOMENT, nullable=True))
    op.create_index(op.f("ix_client_document_url"), "client", ["document_url"], unique=True)
    op.add_column("grant", sa.Column("redirect_uri", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("grant", "redirect_uri")
    op.execute("DELETE FROM client WHERE document_url IS NOT NULL")
    op.drop_index(op.f("ix_client_document_url"), "client")
    for column in ("document_fresh_until", "document_read_at", "document_url"):
        op.drop_column("client", column)
