"""The endpoints that programs post forms to: token (RFC 6749 §3.2) and revocation (RFC 7009)."""

from authlib.oauth2.rfc6749 import InvalidRequestError

from latchkey import grants, tokens
from latchkey.accounts.throttle import TooMany
from latchkey.credentials import Kind
from latchkey.grants import EndReason
from latchkey.store.session import db
from latchkey.tokens import Token
from latchkey.tokens.imported import lookup
from oauth.blueprint import blueprint
from oauth.protocol import cross_origin, parties
from oauth.protocol.parameters import Form, Presented
from oauth.protocol.parties import TooOften
from oauth.protocol.settling import Body, answered
from oauth.token import flows
from web import calls
from web.calls import Call, Later, Reply


@blueprint.post("/oauth/token", provide_automatic_options=False)
@calls.hot
@cross_origin.for_apps
def token(call: Call) -> Reply | Later:
    """RFC 6749 §3.2."""
    return answered(call, "token", flows.tokens_for, needed="grant_type")


@blueprint.post("/oauth/revoke", provide_automatic_options=False)
@cross_origin.for_apps
def revoke(call: Call) -> Reply | Later:
    """RFC 7009 §2."""
    return answered(call, "revoke", _revoked)


def _revoked(form: Form, sent: Presented) -> Body:
    """The client's own token ends, and with it its grant (F-05); a hint is only a hint.

    Another's is as unknown as one that does not exist (F-04). F-02: the same empty object, whether there was something
    to end or not; clients read no other type.
    """
    party = parties.proved(sent, parties.METHODS, "revocation")
    party.note_use()
    text = form.parameters.get("token")
    if text is None:
        raise InvalidRequestError("The token is missing.")
    token = tokens.find(text, Kind.ACCESS, Kind.REFRESH) or _learned(text)
    if token is not None and token.grant is not None and token.grant.client_id == party.id:
        grants.end(token.grant.id, EndReason.REVOKED)
    db.commit()
    return {}


def _learned(text: str) -> Token | None:
    """The token of another system that this is, which was never used here. Raises `TooOften`."""
    try:
        known = lookup.proved(text)
    except TooMany as many:
        raise TooOften(many.wait, "Too many tokens that take long to compare. Wait before the next try.") from None
    return tokens.find(text, Kind.ACCESS, Kind.REFRESH) if known else None


@blueprint.route("/oauth/token", methods=["OPTIONS"], endpoint="ask_token")
@blueprint.route("/oauth/revoke", methods=["OPTIONS"], endpoint="ask_revoke")
@blueprint.route("/oauth/device_authorization", methods=["OPTIONS"], endpoint="ask_device_authorization")
def ask_endpoint(call: Call) -> Reply:
    """A browser asks whether a page of a public app may post here."""
    return cross_origin.preflight(call)
