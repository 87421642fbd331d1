"""Keep who users are upstream, and which sessions rest on its word."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
INDEX = "ix_browser_session_upstream_sid"


def upgrade() -> None:
    op.create_table(
        "identity",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=False),
        sa.Column("signed_out_at", MOMENT, nullable=True),
        sa.Column("administers", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_identity_user_id_user"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identity_issuer_subject")),
    )
    op.create_index(op.f("ix_identity_user_id"), "identity", ["user_id"])
    for table in ("browser_session", "sign_in_step"):
        op.add_column(table, sa.Column("identity_id", sa.String(40), nullable=True))
        op.add_column(table, sa.Column("upstream_sid", sa.String(255), nullable=True))
    op.add_column("browser_session", sa.Column("confirmed_at", MOMENT, nullable=True))
    known = sa.text("upstream_sid IS NOT NULL")
    op.create_index(INDEX, "browser_session", ["upstream_sid"], sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    op.drop_index(INDEX, "browser_session")
    op.drop_column("browser_session", "confirmed_at")
    for table in ("sign_in_step", "browser_session"):
        op.drop_column(table, "upstream_sid")
        op.drop_column(table, "identity_id")
    op.drop_table("identity")
