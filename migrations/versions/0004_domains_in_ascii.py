"""Keep the domains of mail addresses in ASCII (IDNA 2008).

Two accounts that fall together stay two: the one that came second keeps the key that it had, in lower case, and
`latchkey doctor` names it. What was proved by a letter that IDNA 2003 led to another domain was proved there.
"""

from collections.abc import Callable

import idna
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

user = sa.table(
    "user",
    sa.column("id", sa.String),
    sa.column("email", sa.String),
    sa.column("email_key", sa.String),
    sa.column("email_verified_at", sa.DateTime),
)
LONGEST = 254


def to_ascii(email: str) -> str:
    """The address with its domain in ASCII; unchanged where that is none of IDNA or would not fit."""
    local, _, domain = email.rpartition("@")
    if email.isascii():
        return email
    try:
        found = f"{local}@{idna.encode(domain, uts46=True, std3_rules=True).decode()}"
    except idna.IDNAError:
        return email
    return found if len(found) <= LONGEST else email


def from_ascii(email: str) -> str:
    """The address as the version before kept it."""
    local, _, domain = email.rpartition("@")
    try:
        return f"{local}@{idna.decode(domain)}" if "xn--" in domain else email
    except idna.IDNAError:
        return email


def led_elsewhere(email: str, found: str) -> bool:
    """Whether letters for an address went to another domain than it names: Python's codec is IDNA 2003."""
    try:
        return email.rpartition("@")[2].encode("idna").decode() != found.rpartition("@")[2]
    except UnicodeError:
        return False


def respell(spell: Callable[[str], str]) -> None:
    """Write every address in another way, in the three tables that hold one."""
    connection = op.get_bind()
    rows = connection.execute(sa.select(user.c.id, user.c.email, user.c.email_key).order_by(user.c.id)).all()
    taken = {row.email_key for row in rows if spell(row.email) == row.email}
    for row in rows:
        found = spell(row.email)
        if found == row.email:
            continue
        key = found.casefold() if found.casefold() not in taken else row.email.lower()
        taken.add(key)
        changed: dict[str, object] = {"email": found, "email_key": key}
        if found.isascii() and led_elsewhere(row.email, found):
            changed["email_verified_at"] = None
        connection.execute(sa.update(user).where(user.c.id == row.id).values(changed))
    for table, column in (("link", "email"), ("letter", "recipient")):
        kept = sa.table(table, sa.column("id", sa.String), sa.column(column, sa.String))
        for row_id, email in connection.execute(sa.select(kept.c.id, kept.c[column])).all():
            if spell(email) != email:
                connection.execute(sa.update(kept).where(kept.c.id == row_id).values({column: spell(email)}))


def upgrade() -> None:
    respell(to_ascii)


def downgrade() -> None:
    respell(from_ascii)
