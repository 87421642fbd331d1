"""Keep by which client_id an app was known in another system, and what that system kept of its secret."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "foreign_client",
        sa.Column("name", sa.LargeBinary(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_foreign_client_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_foreign_client")),
    )
    op.create_index(op.f("ix_foreign_client_client_id"), "foreign_client", ["client_id"])
    op.create_table(
        "foreign_secret",
        sa.Column("secret_id", sa.String(length=40), nullable=False),
        sa.Column("proof", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["client_secret.id"],
            name=op.f("fk_foreign_secret_secret_id_client_secret"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_id", name=op.f("pk_foreign_secret")),
    )


def downgrade() -> None:
    op.drop_table("foreign_secret")
    op.drop_index(op.f("ix_foreign_client_client_id"), table_name="foreign_client")
    op.drop_table("foreign_client")
