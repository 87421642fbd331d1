"""/oauth/check: the bearer decision for gateways, some of which turn every status but 2xx, 401 and 403 into a 500."""

import logging
import string
from urllib.parse import quote

from flask import Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

from latchkey import access, scopes, settings
from latchkey.access import Bearer
from latchkey.db import db
from oauth.blueprint import blueprint

log = logging.getLogger("latchkey.oauth")

REALM = "api"
# What may stand in a header as it is; the percent sign is not among it, so that decoding gives back what was encoded.
SAFE = " " + "".join(sign for sign in string.punctuation if sign != "%")


def check() -> Response:
    """Whether a call may pass: 200 with identity headers, else 401 or 403 with the challenge (H-11). No cookies."""
    try:
        return _passed(access.admit(_presented(), _needed()))
    except access.NoCredential:
        return _challenge(401)
    except access.InvalidToken as error:
        return _challenge(401, error="invalid_token", error_description=str(error))
    except access.ScopeTooNarrow as error:
        return _too_narrow(error.needed)
    except scopes.UnknownScope:
        # Never "nothing required": the gateway asks for what nobody can have.
        return _too_narrow(frozenset())
    except Exception as error:  # noqa: BLE001 - fail closed, by a status that every gateway understands
        log.error("the gateway check failed: %s", type(error).__qualname__)  # noqa: TRY400 - a traceback may hold input
        db.rollback()
        return _challenge(403, error="temporarily_unavailable")


def _presented() -> str | None:
    scheme, _, credential = request.headers.get("Authorization", "").strip().partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


def _needed() -> frozenset[str]:
    """The scopes that the gateway asks for. Raises `UnknownScope`, also when it names none (H-11)."""
    if not request.query_string:
        return frozenset()
    asked = request.args.getlist("scope")
    wanted = scopes.parse(" ".join(asked))
    if asked and not wanted:
        raise scopes.UnknownScope
    return wanted


def _passed(bearer: Bearer) -> Response:
    request.environ["latchkey.token"] = bearer.token_id
    response = Response(b"", 200, content_type="text/plain; charset=utf-8")
    headers = response.headers
    headers["X-Auth-User-Id"] = bearer.user_id or ""
    headers["X-Auth-Email"] = quote(bearer.email or "", safe=SAFE)
    headers["X-Auth-Client-Id"] = bearer.client_id or ""
    headers["X-Auth-Scope"] = bearer.scope
    headers["X-Auth-Token-Id"] = bearer.token_id
    headers["Cache-Control"] = "no-store"
    return response


def _too_narrow(needed: frozenset[str]) -> Response:
    named = {"scope": scopes.serialize(needed)} if needed else {}
    text = "The token lacks a scope that this call needs."
    return _challenge(403, error="insufficient_scope", error_description=text, **named)


def _challenge(status: int, **attributes: str) -> Response:
    metadata = f"{settings.current().base_url}/.well-known/oauth-protected-resource"
    attributes = {"realm": REALM, **attributes, "resource_metadata": metadata}
    response = Response(b"", status, content_type="text/plain; charset=utf-8")
    response.headers["WWW-Authenticate"] = "Bearer " + ", ".join(
        f'{name}="{text}"' for name, text in attributes.items()
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.record
def route(state: BlueprintSetupState) -> None:
    """Every method, which Flask's own decorators cannot say: some gateways ask with the one of the original call."""
    state.app.view_functions["oauth.check"] = check
    state.app.url_map.add(Rule("/oauth/check", endpoint="oauth.check", methods=None))
