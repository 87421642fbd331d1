"""Keep the origins of redirect URIs apart, so that a preflight looks one up by an index."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

URI = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:[/?].*)?", re.ASCII)
DEFAULT_PORTS = {"http": "80", "https": "443"}
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


def origin(uri: str) -> str | None:
    found = URI.fullmatch(uri)
    if found is None:
        return None
    scheme, host, port = found.groups()
    portless = port in (None, DEFAULT_PORTS[scheme]) or host in LOOPBACK
    return f"{scheme}://{host}" if portless else f"{scheme}://{host}:{port}"


def upgrade() -> None:
    table = op.create_table(
        "client_origin",
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("origin", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["client.id"], name=op.f("fk_client_origin_client_id_client"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", "origin", name=op.f("pk_client_origin")),
    )
    op.create_index(op.f("ix_client_origin_origin"), "client_origin", ["origin"])
    client = sa.table("client", sa.column("id", sa.String), sa.column("redirect_uris", sa.JSON))
    for client_id, uris in op.get_bind().execute(sa.select(client.c.id, client.c.redirect_uris)).all():
        found = {origin(uri) for uri in uris} - {None}
        if found:
            op.bulk_insert(table, [{"client_id": client_id, "origin": each} for each in sorted(found)])


def downgrade() -> None:
    op.drop_table("client_origin")
