"""An app that proves itself by its secret and the token that it asks about, found in one statement."""

from typing import Any, NamedTuple
from wsgiref.types import WSGIEnvironment

from sqlalchemy import bindparam, case, or_, select
from sqlalchemy.orm import aliased

from latchkey import clock, credentials, ids
from latchkey.clients import Client, ClientSecret
from latchkey.store.drivers.foresight import Wanted
from latchkey.store.prepared import PreparedSelect
from latchkey.store.session import UtcDateTime
from latchkey.tokens import Token, access, bearer
from latchkey.tokens.access import Bearer, Sought
from oauth.protocol import parameters, parties
from oauth.protocol.parameters import Presented


class Asking(NamedTuple):
    """An app that has proved itself, as far as it matters to what it is told of a token; and what was read of that."""

    id: str
    answered_for: bool
    resource_server: bool
    # The secret that proved it, if its use is to be noted.
    due: str | None
    token: Sought | None = None


# Of a token more is told nobody.
LAST = "expires"
_UNREAD = access.unread(LAST)
_unnoted = or_(ClientSecret.last_used_at.is_(None), ClientSecret.last_used_at < bindparam("lately", type_=UtcDateTime))
_asking = (
    Client.owner_id.is_not(None).label("answered_for"),
    Client.resource_server,
    case((_unnoted, ClientSecret.id)).label("due"),
)
_WIDTH = len(_asking)
# Not the app that asks, but the one that the token was issued to.
_issued_to = aliased(Client)
_both = PreparedSelect(
    "Both",
    bearer.beside(
        select(*_asking, *bearer.columns(_issued_to, LAST))
        .select_from(Client)
        .join(ClientSecret, ClientSecret.client_id == Client.id)
        .outerjoin(Token, Token.digest == bindparam("digest")),
        _issued_to,
    ).where(*parties.BY_SECRET),
    row=tuple,
)


def _facts(sent: Presented, token: Sought | None) -> dict[str, Any] | None:
    """By what both are found, where each is one of ours by its form."""
    if token is None or sent.secret is None or not ids.is_id(sent.client_id, "app"):
        return None
    if len(sent.secret) > credentials.LONGEST_FOREIGN:
        return None
    return {"client_id": sent.client_id, "secret": credentials.digest(sent.secret), "digest": token.digest}


def wanted(environ: WSGIEnvironment) -> Wanted | None:
    """What will be read for a request, as its form tells; None: it is to ask by itself."""
    form, sent = parameters.quickly(environ) or ({}, None)
    token = access.sought(form.get("token", ""), clock.now())
    facts = None if sent is None else _facts(sent, token)
    if facts is None or token is None:
        return None
    return Wanted(_both, facts, {"now": token.now, "lately": token.lately})


def find(sent: Presented, text: str | None) -> Asking | None:
    """Both; None: they are still to be asked for, or whoever asks is none of ours by a secret."""
    token = None if text is None else access.sought(text, clock.now())
    facts = _facts(sent, token)
    if facts is None or token is None:
        return None
    row = _both.one(**facts, now=token.now, lately=token.lately)
    if row is None:
        return None
    if row[_WIDTH] is not None:
        token = Sought(token.digest, token.now, token.lately, Bearer._make(row[_WIDTH:] + _UNREAD))
    return Asking._make((sent.client_id, *row[:_WIDTH], token))
