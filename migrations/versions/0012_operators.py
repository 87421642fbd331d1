"""Keep what operators do, whom they invite, and indexes by which they look through everybody's things."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
# Each holds only the rows that are looked for in it.
PARTIAL = (
    ("ix_user_admins", "user", "is_admin"),
    ("ix_user_suspended", "user", "disabled_at IS NOT NULL"),
    ("ix_user_unverified", "user", "email_verified_at IS NULL"),
    ("ix_client_suspended", "client", "suspended_at IS NOT NULL"),
    ("ix_client_trusted", "client", "trusted"),
    ("ix_client_resource_servers", "client", "resource_server"),
    ("ix_token_developer", "token", "kind = 'dev'"),
)


def upgrade() -> None:
    op.create_table(
        "act",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("doer", sa.String(20), nullable=False),
        sa.Column("actor_id", sa.String(40), nullable=False),
        sa.Column("actor_name", sa.String(80), nullable=False),
        sa.Column("target_id", sa.String(40), nullable=False),
        sa.Column("target", sa.String(320), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_act")),
    )
    op.create_index(op.f("ix_act_at"), "act", ["at"])
    op.create_index(op.f("ix_act_target_id"), "act", ["target_id"])
    op.create_table(
        "invitation",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(254), nullable=False),
        sa.Column("as_admin", sa.Boolean(), nullable=False),
        sa.Column("invited_by_id", sa.String(40), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["invited_by_id"], ["user.id"], name=op.f("fk_invitation_invited_by_id_user"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
        sa.UniqueConstraint("digest", name=op.f("uq_invitation_digest")),
        sa.UniqueConstraint("email_key", name=op.f("uq_invitation_email_key")),
    )
    op.create_index(op.f("ix_invitation_invited_by_id"), "invitation", ["invited_by_id"])
    for name, table, rows in PARTIAL:
        where = sa.text(rows)
        op.create_index(name, table, ["id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, table, _ in PARTIAL:
        op.drop_index(name, table)
    op.drop_table("invitation")
    op.drop_table("act")
