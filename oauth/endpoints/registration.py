"""Dynamic registration (RFC 7591): a client that nobody here knows describes itself, and gets an id for that."""

from typing import Any

from authlib.oauth2 import OAuth2Error
from werkzeug.exceptions import MethodNotAllowed, NotFound

from latchkey import fetching, origin, settings
from latchkey.accounts import limits
from latchkey.accounts.throttle import TooMany
from latchkey.clients import BadMetadata, Client, described
from latchkey.grants import self_registered
from latchkey.store.session import db
from oauth.blueprint import blueprint
from oauth.protocol import answers, server
from oauth.protocol.cross_origin import EVERYBODY
from oauth.protocol.parties import TooOften
from web import calls
from web.calls import Call, Reply

PREFLIGHT = [
    EVERYBODY,
    ("Access-Control-Allow-Methods", "POST"),
    ("Access-Control-Allow-Headers", "*"),
    ("Access-Control-Max-Age", "600"),
]


@blueprint.route("/oauth/register", methods=calls.EVERY_METHOD, provide_automatic_options=False)
def register(call: Call) -> Reply:
    """RFC 7591 §3. While nobody may register there is nothing here, by whatever method it is asked for."""
    if settings.current().client_registration == "off":
        raise NotFound
    if call.method == "OPTIONS":
        return Reply(204, b"", PREFLIGHT, [])
    if call.method != "POST":
        raise MethodNotAllowed(valid_methods=["OPTIONS", "POST"])
    return _readable(_answered(call))


def _answered(call: Call) -> Reply:
    try:
        said = described.read(_document(call))
        _count()
    except BadMetadata as bad:
        error = "invalid_redirect_uri" if bad.field == "redirect_uris" else "invalid_client_metadata"
        return server.refusal(OAuth2Error(str(bad), error=error))
    except TooOften as often:
        return server.refusal(often)
    client = self_registered.register(said)
    db.commit()
    return answers.as_json(201, _registered(client))


def _document(call: Call) -> dict[str, Any]:
    if call.mimetype != "application/json":
        raise BadMetadata("body", "Send the description as application/json.")
    if len(call.body) > described.LONGEST:
        raise BadMetadata("body", f"The description is longer than {described.LONGEST:,} bytes.")
    try:
        return fetching.read_object(call.body)
    except fetching.NotAnObject:
        raise BadMetadata("body", "It is no JSON object, or a name comes twice in it.") from None


def _count() -> None:
    try:
        limits.registration(origin.current.get().network)
    except TooMany as many:
        raise TooOften(many.wait, "Too many registrations from this network. Wait before the next one.") from None


def _registered(client: Client) -> dict[str, Any]:
    """RFC 7591 §3.2.1: the values that hold, whatever was asked for."""
    body = {
        "client_id": client.id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": list(described.GRANT_TYPES),
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": client.scope,
    }
    return body | ({"client_uri": client.homepage} if client.homepage else {})


def _readable(reply: Reply) -> Reply:
    """Allow pages of every origin, since no cookie is used here."""
    return reply._replace(headers=[*reply.headers, EVERYBODY])
