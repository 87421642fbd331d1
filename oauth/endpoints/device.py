"""/oauth/device_authorization (RFC 8628 §3.1): a device that has no browser asks to be signed in by one that has."""

from authlib.oauth2.rfc6749 import UnauthorizedClientError

from latchkey import origin, resources, scopes, settings
from latchkey.accounts import limits
from latchkey.accounts.throttle import TooMany
from latchkey.store.session import db
from latchkey.tokens.issued import device_codes
from oauth.blueprint import blueprint
from oauth.protocol import cross_origin, parties, scoping
from oauth.protocol.parameters import Form, Presented
from oauth.protocol.parties import TooOften
from oauth.protocol.party import Party
from oauth.protocol.settling import Body, answered
from oauth.token import targets
from web.calls import Call, Later, Reply

PATH = "/oauth/device_authorization"
NOT_ALLOWED = "The app may not sign in devices. Its owner can allow it."
TOO_MANY = "Too many devices ask to be signed in by this app. Wait before the next try."


@blueprint.post(PATH, provide_automatic_options=False)
@cross_origin.for_apps
def device_authorization(call: Call) -> Reply | Later:
    """RFC 8628 §3.1."""
    return answered(call, "device_authorization", _begun)


def _begun(form: Form, sent: Presented) -> Body:
    party = parties.proved(sent, parties.METHODS, "device_authorization")
    party.note_use()
    if not party.device_flow:
        raise UnauthorizedClientError(NOT_ALLOWED)
    named = targets.named(form.resources)
    wanted = _wanted(form.parameters.get("scope", ""), resources.within(party.scopes, named) if named else party.scopes)
    if not party.confidential:
        _count(party)
    begun = device_codes.begin(party.id, scopes.serialize(wanted), resources.serialize(named) if named else None)
    db.commit()
    page, code = f"{settings.current().base_url}/device", device_codes.shown(begun.user_code)
    return {
        "device_code": begun.device_code,
        "user_code": code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={code}",
        "expires_in": int(device_codes.LIFETIME.total_seconds()),
        "interval": device_codes.INTERVAL,
    }


def _wanted(asked: str, allowed: frozenset[str]) -> frozenset[str]:
    """What is asked for, or all that may be. Raises `InvalidScopeError`."""
    wanted = scoping.named(asked) or allowed
    if not wanted or not wanted <= allowed:
        raise scoping.TooWide(asked, allowed)
    return wanted


def _count(party: Party) -> None:
    """Anybody can ask in the name of an app that has no secret."""
    try:
        limits.device(party.id, origin.current.get().network)
    except TooMany as many:
        raise TooOften(many.wait, TOO_MANY) from None
