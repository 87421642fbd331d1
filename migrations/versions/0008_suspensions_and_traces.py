"""Why clients are suspended, which tokens made or changed them, when a token's string was replaced, chains of tokens."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

DEEPEST = 5
TOO_DEEP = """
    UPDATE token SET revoked_at = :now WHERE revoked_at IS NULL AND id IN (
        WITH RECURSIVE chain(id, depth) AS (
            SELECT id, 0 FROM token WHERE parent_id IS NULL
            UNION ALL SELECT token.id, chain.depth + 1 FROM token JOIN chain ON token.parent_id = chain.id
        )
        SELECT id FROM chain WHERE depth > :deepest
    )
"""
OF_DISABLED = """
    UPDATE client SET suspended_for = CASE suspended_for WHEN '' THEN 'owner' ELSE suspended_for || ' owner' END,
        suspended_at = coalesce(suspended_at, :now), last_suspended_at = :now
    WHERE owner_id IN (SELECT id FROM "user" WHERE disabled_at IS NOT NULL)
"""


def upgrade() -> None:
    op.add_column("client", sa.Column("suspended_for", sa.String(length=60), server_default="", nullable=False))
    op.add_column("client", sa.Column("suspension_reason", sa.String(length=200), nullable=True))
    op.add_column("client", sa.Column("last_suspended_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "client_trace",
        sa.Column("client_id", sa.String(length=40), nullable=False),
        sa.Column("source_id", sa.String(length=40), nullable=False),
        sa.Column("made", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_client_trace_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", "source_id", name=op.f("pk_client_trace")),
    )
    op.create_index(op.f("ix_client_trace_source_id"), "client_trace", ["source_id"])
    _bring_up_to_date()


def _bring_up_to_date() -> None:
    now = sa.bindparam("now", datetime.now(UTC).replace(tzinfo=None), sa.DateTime())
    if op.get_bind().dialect.name == "postgresql":
        now = sa.bindparam("now", datetime.now(UTC), sa.DateTime(timezone=True))
    op.execute(
        "UPDATE client SET suspended_for = 'administrator', last_suspended_at = suspended_at "
        "WHERE suspended_at IS NOT NULL"
    )
    op.execute(sa.text(OF_DISABLED).bindparams(now))
    op.execute(sa.text(TOO_DEEP).bindparams(now, sa.bindparam("deepest", DEEPEST)))


def downgrade() -> None:
    op.drop_index(op.f("ix_client_trace_source_id"), "client_trace")
    op.drop_table("client_trace")
    for column in ("last_suspended_at", "suspension_reason", "suspended_for"):
        op.drop_column("client", column)
