"""Millions of access tokens that ended long ago, and among them some that work: in a minute or two.

Rows are made within the database, with what its indexes hold in ascending order, so that each only grows at its end;
digests are spread evenly over all that there can be, as those of real tokens are.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, LargeBinary, bindparam, cast, create_engine, func, update

from benchmarks import many
from latchkey import clock, credentials
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.store.session import db, engines
from latchkey.tokens import Token

SIGN_INS, LIVE = 100_000, 5_000
# So old that nothing needs them any more, however long such things are kept.
AGE = timedelta(days=400)
# The bytes of a digest that count up, and those that follow.
COUNTING, REST = 7, 25
# It is thrown away in a quarter of an hour, and whole until then.
QUICKLY = {
    "sqlite": ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-200000"),
    "postgresql": ("SET session_replication_role = replica", "SET synchronous_commit = off"),
}


def _digests(connection: Connection, count: int) -> Any:
    """A function of a row's number that gives its digest."""
    step = 256**COUNTING // (count + 1)
    if connection.dialect.name == "postgresql":
        return lambda n: func.decode(
            func.lpad(func.to_hex(cast(n, BigInteger) * step), 2 * COUNTING, "0").concat("5a" * REST), "hex"
        )
    driver: Any = connection.connection.dbapi_connection
    driver.create_function("spread", 1, lambda n: (n * step).to_bytes(COUNTING, "big") + b"\x5a" * REST)
    return lambda n: func.spread(n, type_=LargeBinary)


def _revived(connection: Connection, count: int, now: datetime) -> Iterator[str]:
    """Let some of them, all over the table, be tokens that work."""
    live = min(LIVE, count // 2)
    places = [1 + number * count // live for number in range(live)]
    texts = [credentials.generate(Kind.ACCESS) for _ in places]
    # So that no use falls due to be noted while it is measured: in steady use few do.
    values = {"expires_at": now + AGE, "last_used_at": now + timedelta(hours=1), "digest": bindparam("fresh")}
    table: Any = Token.__table__
    statement = update(table).where(Token.id == bindparam("which")).values(values)
    found = zip(places, texts, strict=True)
    connection.execute(
        statement,
        [{"which": f"tok_{'0' * 19}{many.FIRST + n}", "fresh": credentials.digest(text)} for n, text in found],
    )
    yield from texts


def fill(user: User, client: Client, count: int) -> list[str]:
    """Make so many, under sign-ins of an app; the plaintexts of those that work."""
    now, sign_ins = clock.now(), max(1, min(SIGN_INS, count // 10))
    owned = {"user_id": user.id, "scope": "account:read", "created_at": now - AGE}
    going_on = {"client_id": client.id, "expires_at": now + AGE}
    dead = {"kind": "oat", "last4": "0000", "created_address": "", "created_agent": "", "expires_at": now - AGE}
    places = {
        "id": lambda n: many.id_of("tok", n),
        "grant_id": lambda n: many.id_of("grt", 1 + (n - 1) // (count // sign_ins)),
    }
    db.remove()
    engine = create_engine(engines().write.url)
    for used in (engines().read, engines().write):
        used.dispose()
    with engine.connect() as connection:
        for statement in QUICKLY[connection.dialect.name]:
            connection.exec_driver_sql(statement)
        connection.commit()
        connection.execute(many.copied(Grant, owned | going_on, sign_ins, id=lambda n: many.id_of("grt", n)))
        digest = _digests(connection, count)
        connection.execute(many.copied(Token, owned | dead, count, digest=digest, **places))
        plaintexts = list(_revived(connection, count, now))
        connection.commit()
    engine.dispose()
    if not engines().embedded:
        many.settle()
    return plaintexts
