"""Keep the public keys by which apps prove themselves, and which of their assertions were used."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("client", sa.Column("keyed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "client_keys",
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("keys", sa.JSON(), nullable=False),
        sa.Column("url", sa.String(500), nullable=True),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.Column("fresh_until", MOMENT, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_client_keys")),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_client_keys_client_id_client"), ondelete="CASCADE"
        ),
    )
    op.create_table(
        "used_assertion",
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("client_id", "digest", name=op.f("pk_used_assertion")),
    )
    op.create_index(op.f("ix_used_assertion_expires_at"), "used_assertion", ["expires_at"])


def downgrade() -> None:
    op.drop_table("used_assertion")
    op.drop_table("client_keys")
    op.drop_column("client", "keyed")
