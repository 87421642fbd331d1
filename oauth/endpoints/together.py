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
from latchkey.tokens import Token, access
from latchkey.tokens.access import Bearer, Read
from latchkey.tokens.bearer import reading
from oauth.protocol import parameters, parties
from oauth.protocol.parameters import Presented


class Asking(NamedTuple):
    """An authenticated app, as far as that matters to what it is told, and the token that it asked about."""

    id: str
    resource_server: bool
    # The secret that proved it, if its use is to be noted.
    due: str | None
    token: Read | None = None
    answered_for: bool = True


# The app that the token was issued to, as opposed to the app that asks.
_issued_to = aliased(Client)
# All that introspection tells of a token: never a name or an address.
TOLD = [
    *reading.columns(_issued_to, "token_id", "client_url"),
    *reading.columns(_issued_to, "created", "expires"),
]
_UNTOLD, _UNREAD = reading.unread("client_url", "created"), reading.unread("expires")
_unnoted = or_(ClientSecret.last_used_at.is_(None), ClientSecret.last_used_at < bindparam("lately", type_=UtcDateTime))
_both = PreparedSelect(
    "Both",
    reading.beside(
        select(Client.resource_server, case((_unnoted, ClientSecret.id)), *TOLD)
        .select_from(Client)
        .join(ClientSecret, ClientSecret.client_id == Client.id)
        .outerjoin(Token, Token.digest == bindparam("digest")),
        _issued_to,
        # Who is told nothing is nobody's, and no resource server: it goes the other way.
    ).where(*parties.BY_SECRET, or_(Client.resource_server, Client.owner_id.is_not(None))),
    row=tuple,
)


def _facts(sent: Presented, text: str | None) -> dict[str, Any] | None:
    """The parameters that find both; None unless client id, secret and token all have the form of ours."""
    secret = sent.secret
    if text is None or credentials.kind_of(text) not in access.BEARERS:
        return None
    if secret is None or not parties.may_be_secret(secret) or not ids.is_id(sent.client_id, "app"):
        return None
    return {"client_id": sent.client_id, "secret": credentials.digest(secret), "digest": credentials.digest(text)}


def wanted(environ: WSGIEnvironment) -> Wanted | None:
    """What to read ahead for a request, by its form; None if it has to read by itself."""
    sent = parameters.quickly(environ)
    facts = None if sent is None else _facts(sent.presented, sent.form.parameters.get("token"))
    return None if facts is None else Wanted(_both, facts, reading.moments(clock.now()))


def find(sent: Presented, text: str | None) -> Asking | None:
    """Both; None: they are still to be asked for, or whoever asks is none of ours by a secret."""
    facts = _facts(sent, text)
    row = None if facts is None else _both.one(**facts, **reading.moments(clock.now()))
    if facts is None or row is None:
        return None
    digest: bytes = facts["digest"]
    resource_server, due, token_id, *told, created, expires = row
    known = None
    if token_id is not None:
        known = tuple.__new__(Bearer, (digest, token_id, *told, *_UNTOLD, created, expires, *_UNREAD))
    return Asking(sent.client_id, resource_server, due, (digest, known))
