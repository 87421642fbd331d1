"""Know which tokens, users and apps came from another system, and what proves a token whose digest is still unknown."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "foreign_token",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("token_id", sa.String(40), nullable=False),
        sa.Column("name", sa.LargeBinary(32), nullable=True),
        sa.Column("placeholder", sa.LargeBinary(32), nullable=True),
        sa.Column("proof", sa.String(500), nullable=True),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("signer_id", sa.LargeBinary(32), nullable=True),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_foreign_token")),
    )
    for column in ("name", "placeholder"):
        rows = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_foreign_token_{column}", "foreign_token", [column], unique=True, sqlite_where=rows, postgresql_where=rows
        )
    op.create_table(
        "foreign_signer",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(1200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_foreign_signer")),
    )
    op.create_table(
        "foreign_record",
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("became", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_foreign_record")),
    )


def downgrade() -> None:
    for name in ("foreign_record", "foreign_signer"):
        op.drop_table(name)
    op.drop_index("ix_foreign_token_placeholder", "foreign_token")
    op.drop_index("ix_foreign_token_name", "foreign_token")
    op.drop_table("foreign_token")
