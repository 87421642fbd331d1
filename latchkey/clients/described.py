"""What a client says of itself, by the names of RFC 7591 §2: it belongs to nobody here, is public, and uses codes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from latchkey import scopes, texts
from latchkey.clients import redirects, rules
from latchkey.clients.record import Client
from latchkey.clients.rules import BadClient
from latchkey.store.session import db

# Bytes of a whole description.
LONGEST = 16 * 1024
LONGEST_TEXT = 2_000
MOST_LISTED = 20
GRANT_TYPES = ("authorization_code", "refresh_token")
# The authentication methods that are accepted. No secret is issued: the client is public, whichever it names.
METHODS = frozenset({"none", "client_secret_basic", "client_secret_post"})
TEXTS = (
    *("client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks_uri", "scope"),
    *("software_id", "software_version", "software_statement", "token_endpoint_auth_method"),
)
LISTS = ("redirect_uris", "grant_types", "response_types", "contacts")
# The fields of the record, and their names in RFC 7591.
SAID_AS = {"redirect_uris": "redirect_uris", "name": "client_name", "homepage": "client_uri", "scopes": "scope"}


class BadMetadata(Exception):
    """A description cannot be taken; `field` is the first that is wrong, the message says why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class Said(NamedTuple):
    """A description with all that holds of it: what was left out filled in, what cannot be had left out."""

    name: str
    homepage: str
    redirect_uris: list[str]
    scope: str


def read(document: Mapping[str, Any]) -> Said:
    """A description as it holds here. What is not understood is ignored (RFC 7591 §2). Raises `BadMetadata`."""
    _check_kinds(document)
    if document.get("token_endpoint_auth_method", "none") not in METHODS:
        raise BadMetadata("token_endpoint_auth_method", "Only public apps are taken: use none.")
    if "authorization_code" not in document.get("grant_types", GRANT_TYPES):
        raise BadMetadata("grant_types", "authorization_code must be among them.")
    if "code" not in document.get("response_types", ("code",)):
        raise BadMetadata("response_types", "code must be among them.")
    try:
        uris = rules.check_redirect_uris(document.get("redirect_uris", []))
        name = rules.check_name(document.get("client_name", _unnamed(uris)))
        homepage = rules.check_homepage(document.get("client_uri", ""))
    except BadClient as bad:
        raise BadMetadata(SAID_AS[bad.field], str(bad)) from None
    return Said(name, homepage, uris, _scope(document.get("scope", "")))


def _check_kinds(document: Mapping[str, Any]) -> None:
    for field in TEXTS:
        if field in document and not _is_text(document[field]):
            raise BadMetadata(field, f"Write a text of at most {LONGEST_TEXT:,} characters.")
    for field in LISTS:
        if field in document and not _is_list(document[field]):
            raise BadMetadata(field, f"Write a list of at most {MOST_LISTED} texts.")
    if not isinstance(document.get("jwks", {}), dict):
        raise BadMetadata("jwks", "Write an object.")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and not texts.UNKEPT.search(value)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MOST_LISTED and all(map(_is_text, value))


def _unnamed(uris: list[str]) -> str:
    return f"App of {redirects.destination(uris[0])}"[:60] if redirects.destination(uris[0]) else "App on your device"


def offered() -> frozenset[str]:
    """The scopes that any app may ask for, also one that nobody answers for."""
    default = frozenset(name for name, scope in scopes.catalogue().items() if scope.default and not scope.waits)
    return default - scopes.CREDENTIAL


def _scope(asked: str) -> str:
    """Of what is asked for, what can be had, and all of that if nothing is named; nothing is never everything."""
    named = frozenset(asked.split(" ")) - {"", scopes.OFFLINE}
    if not named:
        return scopes.serialize(offered())
    if not named & offered():
        raise BadMetadata("scope", "None of these can be had: see scopes_supported of the resource.")
    return scopes.serialize(named & offered())


def add(said: Said, document_url: str | None = None) -> Client:
    """A new public client that belongs to nobody."""
    kind = {"confidential": False, "pkce_required": True, "trusted": False}
    client = Client(owner_id=None, document_url=document_url, **kind, **said._asdict())
    db.add(client)
    db.flush()
    return client
