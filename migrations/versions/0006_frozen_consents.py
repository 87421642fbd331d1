"""Keep with each question to a user what was shown, and how it was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SHOWN = (("scope", 4000), ("redirect_uri", 2000), ("resource", 2000), ("version", 64))


def upgrade() -> None:
    # Questions of ten minutes' life, of which nobody knows any more what they showed.
    op.execute("DELETE FROM pending_consent")
    with op.batch_alter_table("pending_consent") as table:
        for name, length in SHOWN:
            table.add_column(sa.Column(name, sa.String(length), nullable=False))
        table.add_column(sa.Column("decision", sa.String(8)))
        table.add_column(sa.Column("answer", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("pending_consent") as table:
        for name in ("answer", "decision", *(name for name, _ in reversed(SHOWN))):
            table.drop_column(name)
