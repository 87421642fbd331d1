"""An app that proves itself and the token that it asks about, found in one statement."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from wsgiref.types import WSGIEnvironment

from sqlalchemy import bindparam
from sqlalchemy.orm import aliased

from latchkey import clock, ids
from latchkey.clients import Client
from latchkey.store.drivers.foresight import Wanted
from latchkey.store.prepared import PreparedSelect
from latchkey.tokens import Token, access, bearer
from latchkey.tokens.access import Bearer, Sought
from oauth.protocol import parameters, parties
from oauth.protocol.parameters import Presented


class Found(NamedTuple):
    """What was read of an app, a row a secret, and of the token; None: they are still to be asked for."""

    party: Sequence[Any] | None
    token: Sought | None


_WIDTH = len(parties.PROOF.selected_columns)
# Of a token more is told nobody.
LAST = "expires"
_UNREAD = access.unread(LAST)
# Not the app that asks, but the one that the token was issued to.
_issued_to = aliased(Client)
_both = PreparedSelect(
    "Both",
    bearer.beside(
        parties.PROOF.add_columns(*bearer.columns(_issued_to, LAST)).outerjoin(
            Token, Token.digest == bindparam("digest")
        ),
        _issued_to,
    ).where(*parties.BY_ID),
    row=tuple,
)


def wanted(environ: WSGIEnvironment) -> Wanted | None:
    """What will be read for a request, as its form tells; None: it is to ask by itself."""
    form, sent = parameters.quickly(environ) or ({}, None)
    token = access.sought(form.get("token", ""), clock.now())
    if token is None or sent is None or not ids.is_id(sent.client_id, "app"):
        return None
    facts = {"client_id": sent.client_id, "digest": token.digest}
    return Wanted(_both, facts, {"now": token.now, "lately": token.lately})


def find(sent: Presented, text: str | None) -> Found:
    """Both, where each is one of ours by its form."""
    if text is None or not ids.is_id(sent.client_id, "app"):
        return Found(None, None)
    token = access.sought(text, clock.now())
    if token is None:
        return Found(None, None)
    rows = _both.all(client_id=sent.client_id, digest=token.digest, now=token.now, lately=token.lately)
    party = [parties.Facts._make(row[:_WIDTH] + parties.UNASKED) for row in rows]
    known = rows[0][_WIDTH:] if rows else (None,)
    if known[0] is None:
        return Found(party, token)
    return Found(party, Sought(token.digest, token.now, token.lately, Bearer._make(known + _UNREAD)))
