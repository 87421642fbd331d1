"""The one error shape of this door: problem documents (RFC 9457), with a challenge (RFC 6750) where a token failed."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from flask import Response, request

from api.answers import Answer
from api.blueprint import blueprint
from latchkey import scopes, settings
from latchkey.access import Fault, InvalidToken, ScopeTooNarrow

REALM = "api"
_BEARER_FORM = re.compile(r"[a-z][a-z0-9]{1,9}_(dev|oat)_[0-9A-Za-z]{36}", re.ASCII)


class Problem(Exception):
    """A refusal. `kind` names it in `type`; the texts are for whoever reads the answer of a failing program."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(title)
        self.status, self.kind, self.title, self.detail = status, kind, title, detail
        self.headers, self.members = headers or {}, members


@blueprint.errorhandler(Problem)
def answer(problem: Problem) -> Response:
    """The problem as a response."""
    body = {
        "type": problem.members.pop("type", f"{settings.current().base_url}/docs/api#problem-{problem.kind}"),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request.environ.get("latchkey.request_id", ""),
        **problem.members,
    }
    text = json.dumps(body, ensure_ascii=False).encode()
    return Answer(text, problem.status, problem.headers, content_type="application/problem+json")


def challenge(**attributes: str) -> dict[str, str]:
    """WWW-Authenticate (RFC 6750 §3) with the address of our metadata (RFC 9728 §5.1). Values are plain ASCII."""
    attributes = {"realm": REALM, **attributes, "resource_metadata": _ours("/.well-known/oauth-protected-resource")}
    return {"WWW-Authenticate": "Bearer " + ", ".join(f'{name}="{value}"' for name, value in attributes.items())}


def _ours(path: str) -> str:
    return settings.current().base_url + path


def no_credential() -> Problem:
    """Nothing came, or another scheme: no `error` attribute then (RFC 6750 §3.1)."""
    detail = f"Send a token as “Authorization: Bearer …”. Make one at {_ours('/tokens/new')}."
    fix_url = _ours("/tokens/new")
    return Problem(401, "no-token", "This call needs a token", detail, headers=challenge(), fix_url=fix_url)


def two_credentials() -> Problem:
    """More than one Authorization value (RFC 6750 §3.1)."""
    detail = "Send exactly one Authorization header with one value."
    headers = challenge(error="invalid_request", error_description=detail)
    return Problem(400, "two-tokens", "More than one credential", detail, headers=headers)


_FAULTS = {
    Fault.UNKNOWN: (
        "unknown-token",
        "The token is unknown",
        "The token is unknown: never issued here, or gone.",
    ),
    Fault.EXPIRED: ("expired-token", "The token has expired", "The token has expired."),
    Fault.REVOKED: ("revoked-token", "The token was revoked", "The token was revoked."),
}
_MALFORMED = (
    "malformed-token",
    "This is not a token",
    "What was sent does not look like a developer or access token: it may be cut off, or be another credential.",
)


def invalid_token(plaintext: str, refusal: InvalidToken) -> Problem:
    """The token does not work; says why, and where to get one that does (RFC 6750 §3.1)."""
    formed = _BEARER_FORM.fullmatch(plaintext)
    kind, title, why = _FAULTS[refusal.fault] if formed else _MALFORMED
    if formed and formed[1] == "oat":
        way = f"The app gets a new one with its refresh token at {_ours('/oauth/token')}, or by asking the user again."
    else:
        way = f"Make a new one at {_ours('/tokens/new')}."
    headers = challenge(error="invalid_token", error_description=f"{why} {way}")
    return Problem(401, kind, title, f"{why} {way}", headers=headers, fix_url=_ours("/tokens/new"))


def _in_words(names: Iterable[str]) -> str:
    catalogue = scopes.catalogue()
    chosen = scopes.serialize(names).split()
    return ", ".join(f"{name} (“{catalogue[name].title}”)" for name in chosen) or "nothing"


def scope_missing(refusal: ScopeTooNarrow) -> Problem:
    """The token works but lacks a scope. `scope` is what is missing, the challenge lists all that the call needs."""
    held = refusal.bearer.scopes
    missing = scopes.serialize(refusal.needed - held)
    needed = scopes.serialize(refusal.needed)
    # For its owner, the form leads on to this very token's page; it holds scope names and an id only (H-04).
    fix_url = _ours(f"/tokens/new?scopes={quote(missing, safe=':')}")
    if refusal.bearer.client_id is None:
        fix_url += f"&token={refusal.bearer.token_id}"
    return Problem(
        403,
        "insufficient-scope",
        "The token lacks a scope",
        f"The token lacks {_in_words(missing.split())}. It has {_in_words(held)}. "
        "Add the scope to the token, or make another token, at the address in fix_url.",
        headers=challenge(error="insufficient_scope", error_description=f"The token lacks {missing}.", scope=needed),
        scope=missing,
        needed=needed,
        held=scopes.serialize(held),
        fix_url=fix_url,
    )


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
