"""How a `Bearer` is read: its columns, up to which of them, and the tokens above it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, case, func, literal_column, or_, select

from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import Grant
from latchkey.store.prepared import PreparedSelect, kept
from latchkey.store.session import UtcDateTime
from latchkey.tokens import usage
from latchkey.tokens.bearer import Bearer, Fault
from latchkey.tokens.lineage import line_of
from latchkey.tokens.record import Token


def fault_of(token: Any, user: Any, grant: Any, client: Any) -> Any:
    """An SQL expression for the `Fault` of a token; empty if nothing is wrong with it."""
    now = bindparam("now", type_=UtcDateTime)
    ended = or_(
        token.revoked_at.is_not(None),
        token.consumed_at.is_not(None),
        user.disabled_at.is_not(None),
        grant.ended_at.is_not(None),
        client.suspended_at.is_not(None),
    )
    over = or_(token.expires_at <= now, grant.expires_at <= now)
    return case(
        (ended, literal_column(f"'{Fault.REVOKED}'")),
        (over, literal_column(f"'{Fault.EXPIRED}'")),
        (user.paused_at.is_not(None), literal_column(f"'{Fault.PAUSED}'")),
        (token.waiting_since.is_not(None), literal_column(f"'{Fault.WAITING}'")),
        else_=literal_column("''"),
    )


# The former string of a regenerated token, while it still works, is of the family of its successor.
FAMILY = func.coalesce(
    case((Token.user_id.is_(None), Grant.client_id)), Token.grant_id, Token.successor_id, Token.id
).label("family")


def columns(client: Any = Client, first: str = "digest", last: str = "above") -> list[Any]:
    """The columns of a `Bearer` from the field `first` to `last`, in their order; their parameters are `moments`."""
    every = [
        Token.digest,
        Token.id.label("token_id"),
        Token.kind,
        fault_of(Token, User, Grant, client).label("fault"),
        kept(Token.last_used_at > bindparam("lately", type_=UtcDateTime)).label("used_lately"),
        Token.parent_id,
        Token.grant_id,
        Token.scope,
        Token.resource,
        Token.allowed_addresses,
        Token.user_id,
        client.id.label("client_id"),
        client.document_url.label("client_url"),
        User.email,
        FAMILY,
        User.name,
        kept(User.email_verified_at).label("email_verified"),
        kept(User.created_at).label("user_created"),
        kept(User.updated_at).label("user_updated"),
        kept(Token.created_at).label("created"),
        kept(Token.expires_at).label("expires"),
        Token.last4,
        Token.replaces_id,
        Token.description,
        client.name.label("client_name"),
        kept(Grant.expires_at).label("grant_expires"),
        Grant.authorization_id,
        literal_column("''").label("above"),
    ]
    return every[Bearer._fields.index(first) : Bearer._fields.index(last) + 1]


def beside(statement: Select[*tuple[Any, ...]], client: Any = Client) -> Select[*tuple[Any, ...]]:
    """The statement, joined with the user, grant and client of a token, which `columns` read as well."""
    return (
        statement.outerjoin(User, User.id == Token.user_id)
        .outerjoin(Grant, Grant.id == Token.grant_id)
        .outerjoin(client, client.id == Grant.client_id)
    )


def selection() -> Select[*tuple[Any, ...]]:
    """A statement whose rows are all fields of `Bearer`s."""
    return beside(select(*columns()).select_from(Token))


def moments(now: datetime) -> dict[str, datetime]:
    """The parameters of `columns`: now, and since when a use counts as noted lately."""
    return {"now": now, "lately": now - usage.NOTED_EVERY}


def unread(after: str, before: str | None = None) -> tuple[Any, ...]:
    """The defaults of the fields after one and before another (None: up to the last), for those that were not read."""
    end = None if before is None else Bearer._fields.index(before)
    return tuple(Bearer._field_defaults[name] for name in Bearer._fields[Bearer._fields.index(after) + 1 : end])


def _reading(last: str) -> PreparedSelect:
    found = beside(select(*columns(first="token_id", last=last)).select_from(Token))
    found = found.where(Token.digest == bindparam("digest"))
    return PreparedSelect("Bearer", found, row=tuple, replica=True)


# Every column costs about as much as a function call. So a caller names the last field that it needs: `WHO` reads up to
# the e-mail address, which gateways are told, `PERSON` up to the end of the user's record.
WHO, PERSON, ALL = "email", "user_updated", "above"
read_to = {last: (_reading(last), unread(last)) for last in (WHO, PERSON, ALL)}


def _ancestry() -> PreparedSelect:
    above = line_of(bindparam("parent_id"))
    held = (Token.scope, Token.resource, Token.allowed_addresses, Token.parent_id, FAMILY)
    ends = (Token.id, Token.grant_id, Grant.authorization_id, Grant.client_id, Token.expires_at)
    grant_ends = Grant.expires_at.label("grant_expires_at")
    fault = fault_of(Token, User, Grant, Client).label("fault")
    statement = select(*held, *ends, grant_ends, fault).select_from(Token).join(above, above.c.id == Token.id)
    return PreparedSelect("Ancestor", beside(statement), replica=True)


ancestors = _ancestry()
