"""Let apps register themselves, which nobody owns."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

STRICT, LOOSE = "owner_id VARCHAR(40) NOT NULL", "owner_id VARCHAR(40)"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rewrite(STRICT, LOOSE)
    else:
        op.alter_column("client", "owner_id", existing_type=sa.String(40), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM client WHERE owner_id IS NULL")
    if op.get_bind().dialect.name == "sqlite":
        _rewrite(LOOSE, STRICT)
    else:
        op.alter_column("client", "owner_id", existing_type=sa.String(40), nullable=False)


def _rewrite(before: str, after: str) -> None:
    """Change what SQLite holds of the table to be true (https://www.sqlite.org/lang_altertable.html, section 7).

    Copying the table instead would drop the old one, and all that hangs on its rows with it.
    """
    version = op.get_bind().scalar(sa.text("PRAGMA schema_version"))
    op.execute("PRAGMA writable_schema=ON")
    changed = op.get_bind().execute(
        sa.text("UPDATE sqlite_master SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name = 'client'"),
        {"before": before, "after": after},
    )
    if changed.rowcount != 1:
        raise RuntimeError("the table of clients is not there")
    op.execute(f"PRAGMA schema_version={version + 1}")
    op.execute("PRAGMA writable_schema=RESET")
