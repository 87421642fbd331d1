"""The chain over all events: a place for each, links that stay, gaps that are known, and where it ends.

Events that are there already are closed by the worker, in the order of their ids, when it starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

OPEN = sa.text("seq IS NULL")


def upgrade() -> None:
    op.add_column("event", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_event_id"), "event", ["id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "chain_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed_key", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(32), nullable=False),
        sa.Column("sealed_to", sa.BigInteger(), nullable=False),
        sa.Column("sealed_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("proof", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_head")),
    )
    op.create_table(
        "chain_link",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("owner", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("mac", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_chain_link")),
        sa.UniqueConstraint("event_id", name=op.f("uq_chain_link_event_id")),
    )
    op.create_table(
        "chain_gap",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("owner", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("before", sa.String(40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proof", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_gap")),
    )
    op.create_index(op.f("ix_chain_gap_at"), "chain_gap", ["at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_chain_gap_at"), "chain_gap")
    for table in ("chain_gap", "chain_link", "chain_head"):
        op.drop_table(table)
    op.drop_index(op.f("ix_event_id"), "event")
    op.drop_column("event", "seq")
