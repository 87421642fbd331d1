"""Tokens that are renewed with the former string beside them, bound to addresses, and told of before they end."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COLUMNS = {
    "replaces_id": sa.String(length=40),
    "allowed_addresses": sa.String(length=2400),
    "term_seconds": sa.Integer(),
    "renewed_at": sa.DateTime(timezone=True),
    "reminded_days": sa.Integer(),
    "told_disused_at": sa.DateTime(timezone=True),
}
# How long a token was let work when it was made.
SECONDS = {
    "sqlite": "CAST(round((julianday(expires_at) - julianday(created_at)) * 86400) AS INTEGER)",
    "postgresql": "CAST(round(EXTRACT(EPOCH FROM expires_at - created_at)) AS INTEGER)",
}
# Ids rise with time: the last of the former strings is the one that was replaced last.
FORMER = """
    UPDATE token SET
        replaces_id = (SELECT max(f.id) FROM token f WHERE f.kind = 'dev' AND f.successor_id = token.id),
        renewed_at = (SELECT max(f.revoked_at) FROM token f WHERE f.kind = 'dev' AND f.successor_id = token.id)
    WHERE id IN (SELECT successor_id FROM token WHERE kind = 'dev' AND successor_id IS NOT NULL)
"""


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("token", sa.Column(name, kind, nullable=True))
    op.add_column("user", sa.Column("reminders", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("user", sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True))
    length = SECONDS[op.get_bind().dialect.name]
    op.execute(f"UPDATE token SET term_seconds = {length} WHERE kind = 'dev' AND expires_at IS NOT NULL")
    op.execute(FORMER)


def downgrade() -> None:
    # A former string that still works would be an ordinary token to what comes before.
    op.execute(
        "UPDATE token SET revoked_at = expires_at WHERE kind = 'dev' AND successor_id IS NOT NULL AND revoked_at IS NULL"
    )
    for column in ("reminded_at", "reminders"):
        op.drop_column("user", column)
    for column in reversed(COLUMNS):
        op.drop_column("token", column)
