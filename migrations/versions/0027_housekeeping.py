"""Keep who clears away, and find what is to be removed by an index; PostgreSQL looks after what changes most, early."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
LAST = sa.text("name = 'account_deleted'")
ENDING = sa.text("kind = 'dev'")
# What is written and removed most. By default a fifth of a table has to be dead before anybody looks after it.
BUSY = (
    *("token", "grant", "authorization_code", "pending_consent", "device_code", "browser_session", "attempt"),
    *("event", "chain_link", "refusal", "call_count", "call_place", "letter", "idempotent_request"),
)
OPTIONS = ("autovacuum_vacuum_scale_factor", "autovacuum_analyze_scale_factor")


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("holder", sa.String(80), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_index(op.f("ix_browser_session_created_at"), "browser_session", ["created_at"])
    op.create_index(op.f("ix_link_expires_at"), "link", ["expires_at"])
    op.create_index("ix_letter_last", "letter", ["id"], sqlite_where=LAST, postgresql_where=LAST)
    op.create_index("ix_token_ending", "token", ["expires_at", "id"], sqlite_where=ENDING, postgresql_where=ENDING)
    if op.get_bind().dialect.name == "postgresql":
        for table in BUSY:
            op.execute(f'ALTER TABLE "{table}" SET ({", ".join(f"{option} = 0.02" for option in OPTIONS)})')


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in BUSY:
            op.execute(f'ALTER TABLE "{table}" RESET ({", ".join(OPTIONS)})')
    op.drop_index("ix_token_ending", "token")
    op.drop_index("ix_letter_last", "letter")
    op.drop_index(op.f("ix_link_expires_at"), "link")
    op.drop_index(op.f("ix_browser_session_created_at"), "browser_session")
    op.drop_table("lease")
