"""Count the calls that come with tokens, and keep why some were refused."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "call_count",
        sa.Column("source_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("shape", sa.String(length=32), nullable=False),
        sa.Column("call", sa.String(length=60), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_call_count_user_id_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "person_id", "day", "status", "shape", name="pk_call_count"),
    )
    op.create_index("ix_call_count_day", "call_count", ["day"])
    op.create_index("ix_call_count_user_id", "call_count", ["user_id"])
    op.create_table(
        "call_place",
        sa.Column("token_id", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("agent", sa.String(length=200), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_call_place_user_id_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_id", "address", "agent", name="pk_call_place"),
    )
    op.create_index("ix_call_place_last_at", "call_place", ["last_at"])
    op.create_index("ix_call_place_user_id", "call_place", ["user_id"])
    _extend_refusals()
    for table in ("token", "client"):
        op.add_column(table, sa.Column("counted_since", MOMENT, nullable=True))
        op.add_column(table, sa.Column("dropped_scope", sa.String(length=4000), nullable=True))
        op.add_column(table, sa.Column("dropped_at", MOMENT, nullable=True))
    # What is there already is counted from now on. Tokens of apps are counted under their apps.
    op.execute("UPDATE token SET counted_since = CURRENT_TIMESTAMP WHERE kind = 'dev'")
    op.execute("UPDATE client SET counted_since = CURRENT_TIMESTAMP")


def _extend_refusals() -> None:
    with op.batch_alter_table("refusal") as table:
        table.alter_column("client_id", existing_type=sa.String(length=40), nullable=True)
        table.add_column(sa.Column("token_id", sa.String(length=40), nullable=True))
        table.add_column(sa.Column("user_id", sa.String(length=40), nullable=True))
        table.add_column(sa.Column("call", sa.String(length=60), server_default="", nullable=False))
        table.add_column(sa.Column("detail", sa.String(length=200), server_default="", nullable=False))
        table.add_column(sa.Column("times", sa.Integer(), server_default="1", nullable=False))
        table.add_column(sa.Column("address", sa.String(length=45), server_default="", nullable=False))
        table.create_foreign_key("fk_refusal_user_id_user", "user", ["user_id"], ["id"], ondelete="CASCADE")
        table.create_index("ix_refusal_token_id_at", ["token_id", "at"])
        table.create_index("ix_refusal_user_id", ["user_id"])


def downgrade() -> None:
    for table in ("token", "client"):
        for column in ("counted_since", "dropped_scope", "dropped_at"):
            op.drop_column(table, column)
    op.execute("DELETE FROM refusal WHERE client_id IS NULL OR endpoint = 'call'")
    with op.batch_alter_table("refusal") as changed:
        changed.drop_index("ix_refusal_user_id")
        changed.drop_index("ix_refusal_token_id_at")
        changed.drop_constraint("fk_refusal_user_id_user", type_="foreignkey")
        for column in ("token_id", "user_id", "call", "detail", "times", "address"):
            changed.drop_column(column)
        changed.alter_column("client_id", existing_type=sa.String(length=40), nullable=False)
    op.drop_table("call_place")
    op.drop_table("call_count")
