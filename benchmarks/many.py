"""Makes a hundred thousand of a record out of one, within the database and in a second or two."""

from typing import Any

from sqlalchemy import ColumnElement, Insert, LargeBinary, String, cast, insert, literal, select, text

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import Authorization
from latchkey.journal.activity import Event
from latchkey.mail.outbox import Letter
from latchkey.store.session import Base, engines
from latchkey.tokens import Token

# Numbers stand in texts with nine digits, so that they sort.
FIRST = 100_000_000


def numbers(count: int) -> Any:
    """A table of the numbers from 1 on, as both databases make one."""
    counted = select(literal(1).label("n")).cte("numbers", recursive=True)
    return counted.union_all(select(counted.c.n + 1).where(counted.c.n < count))


def ending(start: str, number: ColumnElement[int]) -> ColumnElement[str]:
    """A text that ends with a number."""
    return literal(start) + cast(number + FIRST, String)


def id_of(prefix: str, number: ColumnElement[int]) -> ColumnElement[str]:
    """An id, as old as can be."""
    return ending(f"{prefix}_{'0' * 19}", number)


def copied(record: type[Base], values: dict[str, Any], count: int, **each: Any) -> Insert:
    """What makes so many rows with these values; `each` are functions of the row's number."""
    rows = numbers(count)
    columns = {column.name: column for column in record.__table__.columns}
    same = {name: literal(value, columns[name].type) for name, value in values.items()}
    told = same | {name: make(rows.c.n) for name, make in each.items()}
    return insert(record).from_select(list(told), select(*told.values()), include_defaults=False)


def copies(record: type[Base], values: dict[str, Any], count: int, **each: Any) -> None:
    """Make them."""
    with engines().write.begin() as connection:
        connection.execute(copied(record, values, count, **each))


def people(count: int) -> None:
    """So many users with an address and a name each."""
    now = clock.now()
    values = {
        "password_hash": "x", "password_changed_at": now, "email_verified_at": now, "is_admin": False, "epoch": 0,
        "reminders": True, "created_at": now, "updated_at": now,
    }  # fmt: skip
    emails = {name: lambda n: ending("somebody", n) + literal("@example.com") for name in ("email", "email_key")}
    copies(User, values, count, id=lambda n: id_of("usr", n), name=lambda n: ending("Somebody ", n), **emails)


def belongings(count: int, apps: int = 2_000) -> None:
    """For each of so many people a token, an event, a letter and an authorization, of so many apps in all."""
    now, theirs = clock.now(), {"user_id": lambda n: id_of("usr", n)}
    scope = {"scope": "account:read", "created_at": now}
    copies(
        Token,
        scope | {"kind": "dev", "last4": "0000", "created_address": "", "created_agent": ""},
        count,
        id=lambda n: id_of("tok", n),
        digest=lambda n: cast(ending("d" * 23, n), LargeBinary),
        description=lambda n: ending("Nightly export ", n),
        **theirs,
    )
    copies(
        Client,
        scope
        | {
            "homepage": "", "redirect_uris": [], "waiting_scope": "", "optional_scope": "", "confidential": True,
            "pkce_required": True, "trusted": False, "device_flow": False, "resource_server": False,
            "suspended_for": "", "updated_at": now,
        },
        apps,
        id=lambda n: id_of("app", n),
        name=lambda n: ending("App ", n),
        owner_id=lambda n: id_of("usr", n),
    )  # fmt: skip
    copies(
        Authorization,
        scope | {"declined_scope": "", "unasked_scope": "", "updated_at": now},
        count,
        id=lambda n: id_of("ath", n),
        client_id=lambda n: id_of("app", 1 + n % apps),
        **theirs,
    )
    event = {"kind": "sign_in.succeeded", "at": now, "address": "192.0.2.1", "agent": "", "request_id": "r"}
    copies(Event, event | {"detail": {}}, count, id=lambda n: id_of("evt", n), seq=lambda n: n, **theirs)
    letter = {"name": "test", "subject": "A letter", "created_at": now, "attempts": 1, "sent_at": now}
    copies(
        Letter,
        letter,
        count,
        id=lambda n: id_of("ltr", n),
        recipient=lambda n: ending("somebody", n) + literal("@example.com"),
    )


def settle() -> None:
    """Tell the database how many there are, as it would find out by itself."""
    if engines().embedded:
        with engines().write.begin() as connection:
            connection.execute(text("ANALYZE"))
        return
    # With VACUUM, as autovacuum would sooner or later: what its plans cost depends on it.
    with engines().write.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
