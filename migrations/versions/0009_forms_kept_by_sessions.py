"""Let a session keep what was typed into a form before its user had to sign in."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("browser_session", sa.Column("kept", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("browser_session", "kept")
