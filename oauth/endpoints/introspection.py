"""/oauth/introspect (RFC 7662): what a live token is, for an app that proved itself; never a name or an address.

Where the operator wants it, only for those that an administrator marked as resource servers: to others none is active.
"""

from collections.abc import Callable
from functools import partial

from authlib.oauth2.rfc6749 import InvalidRequestError

from latchkey import addresses, clients, settings
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter, TooMany
from latchkey.tokens import access
from latchkey.tokens.access import Bearer
from latchkey.tokens.imported.lookup import Unproved
from oauth.blueprint import blueprint
from oauth.endpoints import together
from oauth.endpoints.together import Asking
from oauth.protocol import parties
from oauth.protocol.parameters import Form, Presented
from oauth.protocol.parties import TooOften
from oauth.protocol.settling import answered
from web import ahead, calls
from web.calls import Call, Later, Reply
from web.encoding import quoted

PATH = "/oauth/introspect"

# The form field for the address of the caller. Without it a token that is bound to addresses is inactive.
ADDRESS = "client_address"


def described(token: Bearer | None) -> str:
    """RFC 7662 §2.2, put together by hand; whatever is wrong with a token, the answer is the same (F-07)."""
    if token is None:
        return '{"active": false}'
    audience = ", ".join([quoted(resource.identifier) for resource in token.resources])
    text = (
        f'{{"active": true, "scope": {quoted(token.scope)}, "token_type": "Bearer", '
        f'"sub": {quoted(token.user_id or token.app_id or "")}, "aud": [{audience}], '
        f'"iss": {quoted(settings.current().base_url)}, "iat": {int(token.created_at.timestamp())}'
    )
    if (app := token.app_id) is not None:
        text += f', "client_id": {quoted(app)}'
    if (expires := token.expires_at) is not None:
        text += f', "exp": {int(expires.timestamp())}'
    return text + "}"


@blueprint.post(PATH)
@calls.at_arrival
@ahead.foreseen(together.wanted)
def introspect(call: Call) -> Reply | Later:
    """RFC 7662 §2.1."""
    return answered(call, "introspect", _decided)


def _decided(form: Form, sent: Presented) -> str | Callable[[], str]:
    """The bearer decision, for an app that may be told. A refresh token is not a bearer credential: inactive (E-12)."""
    text = form.parameters.get("token")
    asking = together.find(sent, text) or _proved(sent)
    if text is None:
        raise InvalidRequestError("The token is missing.")
    bearer = _live(text, asking, form.parameters.get(ADDRESS, ""))
    if asking.due is not None:
        clients.note_secret_use_soon(asking.due)
    if bearer is not None or asking.resource_server:
        return described(bearer)
    return partial(_counted, asking.id)


def _proved(sent: Presented) -> Asking:
    party = parties.proved(sent, parties.PROVING_METHODS, "introspection")
    return Asking(party.id, party.resource_server, party.due, answered_for=party.answered_for)


def _live(text: str, asking: Asking, address: str) -> Bearer | None:
    """`address` is that of the resource server's caller, as it says."""
    if asking.resource_server or (asking.answered_for and settings.current().introspection == "any"):
        try:
            return access.admit(text, call=PATH, address=address, known=asking.token)
        except access.InvalidToken:
            pass
        except Unproved as unproved:
            # Tries are counted by the caller that a marked resource server names; another app could name any it likes.
            unproved.address = addresses.parse(address) if asking.resource_server else ""
            raise
        except TooMany as many:
            raise TooOften(many.wait, "Too many tokens that take long to compare. Wait before the next try.") from None
    return None


def _counted(client_id: str) -> str:
    """What is not active, counted for an app that nobody marked.

    Raises `TooOften` when it asks for too many that are none.
    """
    wait = throttle.hit(Counter(f"inactive:{client_id}", (settings.current().quota_introspection,)))
    if wait:
        raise TooOften(wait, "Too many tokens that are not active. Wait before the next try.")
    return described(None)
