"""Number what ends, for guards that remember answers; keep which guards follow, and which resources there were."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
NUMBERS = sa.Sequence("ending_seq")


def upgrade() -> None:
    op.create_table(
        "ending",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(13), nullable=False),
        sa.Column("target_id", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ending")),
    )
    if op.get_bind().dialect.supports_sequences:
        op.execute(CreateSequence(NUMBERS))
    op.create_table(
        "known_resource",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_known_resource")),
    )
    op.create_table(
        "guard",
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=True),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_guard_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", "name", name=op.f("pk_guard")),
    )
    op.create_index(op.f("ix_guard_seen_at"), "guard", ["seen_at"])


def downgrade() -> None:
    op.drop_table("guard")
    op.drop_table("known_resource")
    if op.get_bind().dialect.supports_sequences:
        op.execute(DropSequence(NUMBERS))
    op.drop_table("ending")
