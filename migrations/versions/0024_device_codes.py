"""Keep device codes, and which apps may sign in devices."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
INDEXED = ("expires_at", "user_id", "grant_id")


def upgrade() -> None:
    op.add_column("client", sa.Column("device_flow", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "device_code",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_code", sa.String(8), nullable=False),
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(4000), nullable=False),
        sa.Column("resource", sa.Text(), nullable=True),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("polled_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("user_id", sa.String(40), nullable=True),
        sa.Column("session_id", sa.String(40), nullable=True),
        sa.Column("handle", sa.LargeBinary(32), nullable=True),
        sa.Column("shown_scope", sa.String(4000), nullable=False),
        sa.Column("optional_scope", sa.String(4000), nullable=False),
        sa.Column("version", sa.String(64), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decision", sa.String(8), nullable=True),
        sa.Column("grant_id", sa.String(40), nullable=True),
        sa.Column("consumed_at", MOMENT, nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [f"{name}_id"], [f"{name}.id"], name=op.f(f"fk_device_code_{name}_id_{name}"), ondelete="CASCADE"
            )
            for name in ("client", "user", "grant")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_code")),
        *(
            sa.UniqueConstraint(name, name=op.f(f"uq_device_code_{name}"))
            for name in ("digest", "user_code", "handle")
        ),
    )
    op.create_index(op.f("ix_device_code_client_id_created_at"), "device_code", ["client_id", "created_at"])
    for name in INDEXED:
        op.create_index(op.f(f"ix_device_code_{name}"), "device_code", [name])


def downgrade() -> None:
    op.drop_table("device_code")
    op.drop_column("client", "device_flow")
