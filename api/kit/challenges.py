"""Refusals of a token, as problems with the challenge that RFC 6750 §3 asks for."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from api.kit.problems import Problem
from latchkey import resources, scopes, settings
from latchkey.resources import Resource
from latchkey.tokens.access import Bearer, Fault, InvalidToken, ScopeTooNarrow

REALM = "api"
GUIDE = "/docs/oauth"
_BEARER_FORM = re.compile(r"[a-z][a-z0-9]{1,9}_(dev|oat)_[0-9A-Za-z]{36}", re.ASCII)


def challenge(at: Resource | None = None, /, **attributes: str) -> dict[str, str]:
    """WWW-Authenticate (RFC 6750 §3) with the address of the metadata (RFC 9728 §5.1) of an API, else of /v1's.

    Values are plain ASCII.
    """
    attributes = {"realm": REALM, **attributes, "resource_metadata": (at or resources.account()).metadata}
    return {"WWW-Authenticate": "Bearer " + ", ".join(f'{name}="{value}"' for name, value in attributes.items())}


def _ours(path: str) -> str:
    return settings.current().base_url + path


def no_credential(at: Resource | None = None) -> Problem:
    """Nothing came, or another scheme: no `error` attribute then (RFC 6750 §3.1)."""
    detail = f"Send a token as “Authorization: Bearer …”. Make one at {_ours('/tokens/new')}."
    fix_url = _ours("/tokens/new")
    headers = challenge(at, scope=(at or resources.account()).default)
    return Problem(401, "no-token", "This call needs a token", detail, headers=headers, fix_url=fix_url)


def two_credentials(at: Resource | None = None) -> Problem:
    """More than one Authorization value (RFC 6750 §3.1)."""
    detail = "Send exactly one Authorization header with one value."
    headers = challenge(at, error="invalid_request", error_description=detail)
    return Problem(400, "two-tokens", "More than one credential", detail, headers=headers)


_FAULTS = {
    Fault.UNKNOWN: (
        "unknown-token",
        "The token is unknown",
        "The token is unknown: cut off or mistyped, another credential, or never issued here, or gone.",
    ),
    Fault.EXPIRED: ("expired-token", "The token has expired", "The token has expired."),
    Fault.REVOKED: ("revoked-token", "The token was revoked", "The token was revoked."),
    Fault.PAUSED: ("token-paused", "The token is paused", "The user has paused everything that acts for them."),
    Fault.WAITING: (
        "token-waiting",
        "The token waits for an administrator",
        "The token waits for an administrator, because of one of its scopes.",
    ),
    Fault.ELSEWHERE: ("wrong-resource", "The token is for another API", "The token works, but for another API."),
}


def invalid_token(plaintext: str, refusal: InvalidToken, at: Resource | None = None) -> Problem:
    """The token does not work; says why, and where to get one that does (RFC 6750 §3.1)."""
    formed = _BEARER_FORM.fullmatch(plaintext)
    # H-03: what is no token at all is told like one that nobody knows.
    kind, title, why = _FAULTS[refusal.fault]
    if refusal.fault is Fault.PAUSED:
        fix_url = _ours("/authorized-apps")
        way = f"It works again when they resume, at {fix_url}."
    elif formed and formed[1] == "oat":
        way = f"The app gets a new one with its refresh token at {_ours('/oauth/token')}, or by asking the user again."
        fix_url = _ours(GUIDE)
    elif refusal.fault is Fault.WAITING:
        fix_url, way = _ours("/tokens"), "Its owner gets an e-mail when that is decided."
    else:
        fix_url = _ours("/tokens/new")
        way = f"Make a new one at {fix_url}."
    described = {"error_description": f"{why} {way}", "scope": (at or resources.account()).default}
    headers = challenge(at, error="invalid_token", **described)
    return Problem(401, kind, title, f"{why} {way}", headers=headers, fix_url=fix_url)


def _in_words(names: Iterable[str]) -> str:
    catalogue = scopes.catalogue()
    chosen = scopes.serialize(names).split()
    return ", ".join(f"{name} (“{catalogue[name].title}”)" for name in chosen) or "nothing"


def scope_missing(refusal: ScopeTooNarrow, at: Resource | None = None) -> Problem:
    """The token works but lacks a scope. `scope` is what is missing, the challenge lists all that the call needs."""
    held = refusal.bearer.scopes
    missing, needed = scopes.serialize(refusal.needed - held), scopes.serialize(refusal.needed)
    return Problem(
        403,
        "insufficient-scope",
        "The token lacks a scope",
        f"The token lacks {_in_words(missing.split())}. It has {_in_words(held)}. {_way(refusal.bearer)}",
        headers=challenge(
            at, error="insufficient_scope", error_description=f"The token lacks {missing}.", scope=needed
        ),
        scope=missing,
        needed=needed,
        held=scopes.serialize(held),
        fix_url=_fix(refusal.bearer, missing),
    )


def _way(caller: Bearer) -> str:
    """What its owner can do about a token that lacks a scope; an app's has no owner who could."""
    if caller.client_id is None:
        return "Add the scope to the token, or make another token, at the address in fix_url."
    if caller.user_id is None:
        return "The app asks for it when it gets its next token, if it is registered for the scope; fix_url says how."
    return "The app has to ask the user again, with this scope, at the authorization endpoint; fix_url says how."


def _fix(caller: Bearer, missing: str) -> str:
    """The form for what is missing, naming the developer token, so that its owner can be led on to that one (H-04).

    An app asks its user again: for it there is the guide.
    """
    if caller.client_id is not None:
        return _ours(GUIDE)
    return _ours(f"/tokens/new?scopes={quote(missing, safe=':')}&token={caller.token_id}")


def too_wide(caller: Bearer, wanted: frozenset[str]) -> Problem:
    """A token may not give what it does not have (I-06)."""
    missing = scopes.serialize(wanted - caller.scopes)
    detail = f"The new token would have {missing}, which the token that asks for it does not have."
    return Problem(
        403,
        "scope-too-wide",
        "A token cannot give what it does not have",
        detail,
        headers=challenge(error="insufficient_scope", error_description=detail, scope=missing),
        scope=missing,
        held=scopes.serialize(caller.scopes),
        fix_url=_fix(caller, missing),
    )


def not_its_own() -> Problem:
    """A token renews itself and what it made."""
    detail = "A token regenerates itself and the tokens that it made, and no others. Use that token, or the portal."
    headers = challenge(error="insufficient_scope", error_description=detail)
    return Problem(403, "not-its-own", "This token is not its own to renew", detail, headers=headers)


def unverified() -> Problem:
    """A user whose address is not proved makes no credential (L-08)."""
    fix_url = _ours("/verify-email")
    detail = f"The user's e-mail address is not verified yet. Open {fix_url} to have a link sent."
    return Problem(
        403, "email-unverified", "Verify the e-mail address first", detail, headers=challenge(), fix_url=fix_url
    )


def trusted_app() -> Problem:
    """Nobody is asked about a trusted app, so what it is stays an administrator's to change (K-02)."""
    detail = "This app is trusted: its name, redirect URIs, PKCE and secret are changed by an administrator alone."
    return Problem(403, "trusted-app", "Only an administrator can change this", detail, headers=challenge())


def apps_closed(detail: str) -> Problem:
    """Only administrators register apps here (LATCHKEY_APPS)."""
    return Problem(403, "apps-closed", "Only an administrator registers apps here", detail, headers=challenge())


def chain_too_long(most: int) -> Problem:
    """A token made by a token made by a token, and so on."""
    detail = f"The token is the last of {most} that were made by one another. Use one that was made less indirectly."
    return Problem(403, "chain-too-long", "This token makes no others", detail, headers=challenge())


def closed() -> Problem:
    """A view that declares no scope is open to no token (H-05)."""
    detail = "This call is not open to tokens: it declares no scope."
    headers = challenge(error="insufficient_scope", error_description=detail)
    return Problem(403, "closed", "This call is closed", detail, headers=headers)


def no_user() -> Problem:
    """An app that acts as itself (RFC 6749 §4.4) called something that belongs to a user."""
    detail = "The token belongs to an app that acts as itself. This call needs a token that acts for a user."
    headers = challenge(error="insufficient_scope", error_description=detail)
    return Problem(403, "no-user", "The token acts for no user", detail, headers=headers)
