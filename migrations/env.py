"""What Alembic runs to bring a database to the schema of the records, or to propose the next step towards it."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrationScript

import app  # noqa: F401 - brings every record into the metadata
from latchkey.store import migrations
from latchkey.store.session import Base, UtcDateTime


def render_item(kind: str, item: Any, _autogen: AutogenContext) -> str | Literal[False]:
    """Our timestamp as the plain one, so that old migrations never import new code."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def skip_empty(_context: Any, _revision: Any, directives: list[MigrationScript]) -> None:
    """No file when nothing changed."""
    if directives[0].upgrade_ops is None or directives[0].upgrade_ops.is_empty():
        directives.clear()


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    render_item=render_item,
    include_object=migrations.described,
    process_revision_directives=skip_empty,
)
with context.begin_transaction():
    context.run_migrations()
