"""/oauth/check: the bearer decision for gateways, some of which turn every status but 2xx, 401 and 403 into a 500.

Gateways ask it before each call, by any method.
"""

import logging
import string
from functools import lru_cache
from itertools import takewhile
from typing import cast
from urllib.parse import parse_qsl, quote
from wsgiref.types import WSGIEnvironment

from latchkey import clock, credentials, resources, scopes, settings
from latchkey.accounts.throttle import TooMany
from latchkey.resources import Resource
from latchkey.store import prepared
from latchkey.tokens import access
from latchkey.tokens.access import Bearer
from latchkey.tokens.imported import shadow
from latchkey.tokens.imported.lookup import Unproved
from oauth.blueprint import blueprint
from web import ahead, calls
from web.calls import Call, Reply

log = logging.getLogger("latchkey.oauth")

PATH = "/oauth/check"
REALM = "api"
LONGEST_QUERY = 16 * 1024
# Resources in one question: an API has one identifier, or a few while it moves to another.
MOST_RESOURCES = 10
# Characters that are sent unencoded in a header. The percent sign is not among them, so decoding is unambiguous.
SAFE = " " + "".join(sign for sign in string.punctuation if sign != "%")
PLAIN = ("Content-Type", "text/plain; charset=utf-8")
COMMON = [PLAIN, ("Cache-Control", "no-store")]
# How long, at most, a guard that follows endings remembers an answer.
REMEMBERED_SECONDS = 60
# The header by which a guard says that it remembers answers.
GUARD = "HTTP_X_LATCHKEY_GUARD"

# The parameter in which our configuration of Envoy sends the path of the call.
PATH_OF_CALL = "path"
# A token in the address is not looked at, here as at the API (H-01).
PARAMETERS = frozenset({"scope", "resource", "access_token"})

Headers = list[tuple[str, str]]


class UnknownParameter(Exception):
    """The gateway asks for something that nobody here understands: a misspelt scope would be none (H-11)."""


UNCLEAR = (UnknownParameter, scopes.UnknownScope, resources.UnknownResource, credentials.Several)


@blueprint.route(PATH, methods=calls.EVERY_METHOD, provide_automatic_options=False)
@calls.at_arrival
@ahead.foreseen(lambda environ: ahead.bearer(environ, _last(environ)))
def check(call: Call) -> Reply:
    """Whether a call may pass: 200 with identity headers, else 401 or 403 with the challenge (H-11). No cookies."""
    if GUARD not in call.environ:
        status, headers, common = _decided(call)
    else:
        with prepared.primary_alone():
            status, headers, common = _decided(call)
    return Reply(status, b"", common, headers)


def _decided(call: Call) -> tuple[int, Headers, Headers]:
    environ = call.environ
    places: tuple[Resource, ...] = ()
    try:
        wanted, places = _asked(environ["QUERY_STRING"])
        needed = _needed(wanted)
        presented, address = credentials.borne(environ.get("HTTP_AUTHORIZATION")), access.forwarded()
        bearer = access.admit(presented, needed, PATH, places, address=address, last=_last(environ))
    except access.NoCredential:
        return 401, _challenge(places, scope=_offered(places)), COMMON
    except access.InvalidToken as error:
        if error.bearer is not None:
            shadow.compare(presented, error.bearer.token_id, passes=False)
        elif shadow.unasked(presented):
            raise shadow.Unasked(presented or "") from None
        said = {"error": "invalid_token", "error_description": str(error)}
        return 401, _challenge(places, **said, scope=_offered(places)), COMMON
    except access.ScopeTooNarrow as error:
        return 403, _too_narrow(error.needed, places), COMMON
    except UNCLEAR as error:
        return *_unclear(error, places), COMMON
    except Unproved:
        raise
    except Exception as error:  # noqa: BLE001 - fail closed, by a status that every gateway understands
        return 403, _not_now(error, places), COMMON
    call.admitted(bearer.token_id, None)
    shadow.compare(presented, bearer.token_id, passes=True)
    # The API that asks is not told what the token may do at other APIs.
    scope = scopes.serialize(resources.within(bearer.scopes, places)) if places else bearer.scope
    told, guard = _identity(bearer, scope), GUARD in environ
    if guard:
        told += _remembered(bearer)
    return 200, told, _kept(bearer, scope, guard=guard) if settings.current().check_cache_seconds else COMMON


def _last(environ: WSGIEnvironment) -> str:
    """The last field that is read: all of them only if the answer says how long it holds and with what it ends."""
    return access.ALL if GUARD in environ or settings.current().check_cache_seconds else access.WHO


def _asked(query: str) -> tuple[str | None, tuple[Resource, ...]]:
    """The scopes and the APIs that the gateway asks for. Raises what is `UNCLEAR`."""
    if len(query) > LONGEST_QUERY:
        raise scopes.UnknownScope
    wanted, named = _parsed(query)
    if not named:
        return wanted, ()
    if len(named) > MOST_RESOURCES:
        raise resources.UnknownResource
    places = tuple(map(resources.find, named))
    if None in places:
        raise resources.UnknownResource
    return wanted, cast("tuple[Resource, ...]", places)


def _needed(asked: str | None) -> frozenset[str]:
    """What a token has to be allowed. Raises `UnknownScope`, also when the gateway names none (H-11)."""
    if asked is None:
        return frozenset()
    wanted = scopes.parse(asked)
    if not wanted:
        raise scopes.UnknownScope
    return wanted


@lru_cache(maxsize=256)
def _parsed(query: str) -> tuple[str | None, tuple[str, ...]]:
    """What the parameters of a query say; a gateway's configuration has a handful of them.

    All of ours that are there hold, also in the caller's own query, which Envoy puts behind the gateway's with the path
    of the call before it: what else stands there is the caller's. Raises `UnknownParameter`.
    """
    given = parse_qsl(query, keep_blank_values=True, encoding="utf-8", errors="replace")
    if not PARAMETERS.issuperset(name for name, _ in takewhile(_gateways, given)):
        raise UnknownParameter
    wanted = [text for name, text in given if name == "scope"]
    return " ".join(wanted) if wanted else None, tuple(text for name, text in given if name == "resource")


def _gateways(parameter: tuple[str, str]) -> bool:
    name, text = parameter
    return name != PATH_OF_CALL and not (name.startswith("/") or text.startswith("/"))


def _identity(bearer: Bearer, scope: str) -> Headers:
    return [
        ("X-Auth-User-Id", bearer.user_id or ""),
        ("X-Auth-Email", _encoded(bearer.email or "")),
        ("X-Auth-Client-Id", bearer.app_id or ""),
        ("X-Auth-Scope", scope),
        ("X-Auth-Token-Id", bearer.token_id),
    ]


def _remembered(bearer: Bearer) -> Headers:
    """For a guard: with what its answer ends, for how long it holds at most, and whether for one address alone."""
    left = str(bearer.seconds_left(clock.now(), REMEMBERED_SECONDS))
    return [("X-Auth-Ends-With", bearer.ends_with), ("X-Auth-Remember", f"{left}; address" if bearer.bound else left)]


def _encoded(text: str) -> str:
    # Nearly all are as they will be, and looking at that is a tenth of the work.
    if text.isascii() and text.isprintable() and "%" not in text:
        return text
    return quote(text, safe=SAFE)


def _kept(bearer: Bearer, scope: str, *, guard: bool) -> Headers:
    """How long a gateway may keep the answer, where the operator wants it: not at all if a scope is sensitive.

    What a replica said may have ended already: only a guard, who is answered by the primary, keeps anything then.
    """
    ours = settings.current()
    known = guard or ours.database_read_url is None
    seconds = bearer.seconds_left(clock.now(), ours.check_cache_seconds) if known else 0
    if not seconds or any(scopes.catalogue()[name].sensitive for name in scope.split()):
        return COMMON
    # The answer about a token that is bound to addresses holds only for this caller.
    apart = "Authorization, X-Forwarded-For" if bearer.bound else "Authorization"
    return [PLAIN, ("Cache-Control", f"max-age={seconds}"), ("Vary", apart)]


def _offered(places: tuple[Resource, ...]) -> str:
    return (places[0] if places else resources.account()).default


def _too_narrow(needed: frozenset[str], places: tuple[Resource, ...]) -> Headers:
    named = {"scope": scopes.serialize(needed)} if needed else {}
    text = "The token lacks a scope that this call needs."
    return _challenge(places, error="insufficient_scope", error_description=text, **named)


def _unclear(error: Exception, places: tuple[Resource, ...]) -> tuple[int, Headers]:
    """Refuse an unclear question; it must never be answered as if nothing were required."""
    if isinstance(error, credentials.Several):
        # 400 where callers are told by ourselves (H-01); gateways understand three statuses.
        text = "The call came with more than one credential."
        return 401, _challenge(places, error="invalid_request", error_description=text)
    if isinstance(error, UnknownParameter):
        text = "The gateway asks with a parameter that is neither scope nor resource."
        return 403, _challenge(places, error="invalid_request", error_description=text)
    # The gateway asks for what nobody can have.
    return 403, _too_narrow(frozenset(), places)


def _not_now(error: Exception, places: tuple[Resource, ...]) -> Headers:
    if not isinstance(error, TooMany):
        log.error("the gateway check failed: %s", type(error).__qualname__)
    return _challenge(places, error="temporarily_unavailable")


def _challenge(places: tuple[Resource, ...], /, **attributes: str) -> Headers:
    metadata = (places[0] if places else resources.account()).metadata
    attributes = {"realm": REALM, **attributes, "resource_metadata": metadata}
    return [("WWW-Authenticate", "Bearer " + ", ".join(f'{name}="{text}"' for name, text in attributes.items()))]
