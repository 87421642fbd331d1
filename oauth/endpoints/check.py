"""/oauth/check: the bearer decision for gateways, some of which turn every status but 2xx, 401 and 403 into a 500.

It is a WSGI application of its own, in front of Flask: gateways ask it before each call, by any method.
"""

import logging
import string
from functools import lru_cache
from urllib.parse import parse_qs, quote
from wsgiref.types import StartResponse, WSGIEnvironment

from latchkey import scopes, settings
from latchkey.tokens import access
from latchkey.tokens.access import Bearer

log = logging.getLogger("latchkey.oauth")

PATH = "/oauth/check"
REALM = "api"
LONGEST_QUERY = 16 * 1024
STATUS = {200: "200 OK", 401: "401 Unauthorized", 403: "403 Forbidden"}
# What may stand in a header as it is; the percent sign is not among it, so that decoding gives back what was encoded.
SAFE = " " + "".join(sign for sign in string.punctuation if sign != "%")
COMMON = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "0"), ("Cache-Control", "no-store")]

Headers = list[tuple[str, str]]


def answer(environ: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    """Whether a call may pass: 200 with identity headers, else 401 or 403 with the challenge (H-11). No cookies."""
    environ["latchkey.route"] = PATH
    status, headers = _decided(environ)
    start(STATUS[status], COMMON + headers)
    return []


def _decided(environ: WSGIEnvironment) -> tuple[int, Headers]:
    try:
        bearer = access.admit(_presented(environ.get("HTTP_AUTHORIZATION", "")), _needed(environ["QUERY_STRING"]), PATH)
    except access.NoCredential:
        return 401, _challenge(scope=scopes.default())
    except access.InvalidToken as error:
        return 401, _challenge(error="invalid_token", error_description=str(error), scope=scopes.default())
    except access.ScopeTooNarrow as error:
        return 403, _too_narrow(error.needed)
    except scopes.UnknownScope:
        # Never "nothing required": the gateway asks for what nobody can have.
        return 403, _too_narrow(frozenset())
    except Exception as error:  # noqa: BLE001 - fail closed, by a status that every gateway understands
        log.error("the gateway check failed: %s", type(error).__qualname__)  # noqa: TRY400 - a traceback may hold input
        return 403, _challenge(error="temporarily_unavailable")
    environ["latchkey.token"] = bearer.token_id
    return 200, _identity(bearer)


def _presented(header: str) -> str | None:
    scheme, _, credential = header.strip().partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


def _needed(query: str) -> frozenset[str]:
    """The scopes that the gateway asks for. Raises `UnknownScope`, also when it names none (H-11)."""
    if len(query) > LONGEST_QUERY:
        raise scopes.UnknownScope
    asked = _asked(query)
    if asked is None:
        return frozenset()
    wanted = scopes.parse(asked)
    if not wanted:
        raise scopes.UnknownScope
    return wanted


@lru_cache(maxsize=256)
def _asked(query: str) -> str | None:
    """What the scope parameters of a query say; a gateway's configuration has a handful of them."""
    named = parse_qs(query, keep_blank_values=True, encoding="utf-8", errors="replace").get("scope")
    return None if named is None else " ".join(named)


def _identity(bearer: Bearer) -> Headers:
    return [
        ("X-Auth-User-Id", bearer.user_id or ""),
        ("X-Auth-Email", quote(bearer.email or "", safe=SAFE)),
        ("X-Auth-Client-Id", bearer.client_id or ""),
        ("X-Auth-Scope", bearer.scope),
        ("X-Auth-Token-Id", bearer.token_id),
    ]


def _too_narrow(needed: frozenset[str]) -> Headers:
    named = {"scope": scopes.serialize(needed)} if needed else {}
    text = "The token lacks a scope that this call needs."
    return _challenge(error="insufficient_scope", error_description=text, **named)


def _challenge(**attributes: str) -> Headers:
    metadata = f"{settings.current().base_url}/.well-known/oauth-protected-resource"
    attributes = {"realm": REALM, **attributes, "resource_metadata": metadata}
    return [("WWW-Authenticate", "Bearer " + ", ".join(f'{name}="{text}"' for name, text in attributes.items()))]
