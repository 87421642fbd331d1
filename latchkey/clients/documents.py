"""What a metadata document says of the app whose id is its address (draft-ietf-oauth-client-id-metadata-document)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from latchkey import clock, fetching
from latchkey.clients import described, document_urls
from latchkey.clients.described import BadMetadata, Said
from latchkey.clients.keys import changing, record
from latchkey.clients.keys import sets as key_sets
from latchkey.clients.keys.changing import Wanted
from latchkey.clients.keys.sets import BadKeys
from latchkey.clients.record import Client
from latchkey.clients.rules import BadClient
from latchkey.store.session import db

KINDS = frozenset({"application/json"})
# How long the last copy is used while the host does not answer.
KEPT = timedelta(days=7)
# How long it is used past its time while budgets are exhausted, which strangers can cause.
OVERDUE = timedelta(hours=1)
SECRETS = ("client_secret", "client_secret_expires_at")
KEYS = "private_key_jwt"
# The fields that, beside the keys, an administrator looked at before trusting an app.
VOUCHED = frozenset({"name", "redirect_uris"})


def read(url: str, body: bytes) -> tuple[Said, Wanted | None]:
    """What stands in the document at this address, and by which keys its app proves itself. Raises `BadMetadata`."""
    try:
        document = fetching.read_object(body)
    except fetching.NotAnObject:
        raise BadMetadata("document", "It is no JSON object, or a name comes twice in it.") from None
    if document.get("client_id") != url:
        raise BadMetadata("client_id", "It is not the address of the document, character by character.")
    if any(name in document for name in SECRETS):
        raise BadMetadata("client_secret", "A document that everybody reads holds no secret.")
    method = document.get("token_endpoint_auth_method", "none")
    if method not in ("none", KEYS):
        raise BadMetadata("token_endpoint_auth_method", "Only none and private_key_jwt are taken in a document here.")
    named = (
        {"client_name": f"App of {document_urls.host(url)}"[:60]} | document | {"token_endpoint_auth_method": "none"}
    )
    return described.read(named), _keys(document) if method == KEYS else None


def _keys(document: Mapping[str, Any]) -> Wanted:
    """RFC 7591 §2: a key set stands in a document, or its address does."""
    if ("jwks" in document) == ("jwks_uri" in document):
        raise BadMetadata("jwks", "private_key_jwt needs either jwks or jwks_uri.")
    try:
        if "jwks" in document:
            return Wanted(key_sets.check(document["jwks"]))
        return Wanted([], changing.check_url(document["jwks_uri"]))
    except BadKeys as bad:
        raise BadMetadata("jwks", str(bad)) from None
    except BadClient as bad:
        raise BadMetadata("jwks_uri", str(bad)) from None


def keep(url: str, said: Said, keys: Wanted | None, lasting: timedelta) -> tuple[Client, bool]:
    """The client of a document as it was just read, and whether it is new. One that was pinned meanwhile stays."""
    now = clock.now()
    client, new = _row(url, said)
    if client.document_pinned_at is not None:
        return client, new
    changed = [field for field, value in said._asdict().items() if getattr(client, field) != value]
    for field in changed:
        setattr(client, field, getattr(said, field))
    client.document_read_at, client.document_fresh_until = now, now + lasting
    if changed:
        client.updated_at = now
    if _prove(client, keys) or not VOUCHED.isdisjoint(changed):
        # Otherwise “Verified” would stand beside something that nobody has looked at.
        client.trusted = False
    db.flush()
    return client, new


def _prove(client: Client, keys: Wanted | None) -> bool:
    """Let an app prove itself as its document says now, or by nothing; whether that is new."""
    if keys is None:
        client.confidential = client.trusted = client.resource_server = False
        return changing.take(client, by=None)
    client.confidential = True
    known = record.find(client.id)
    # What stands at an address is asked for by whoever needs a key, and kept meanwhile.
    if known is None or not client.keyed or known.url is None or known.url != keys.url:
        return changing.give(client, keys, by=None)
    return False


def _row(url: str, said: Said) -> tuple[Client, bool]:
    statement = select(Client).where(Client.document_url == url).with_for_update(of=Client, key_share=True)
    found = db.scalar(statement.execution_options(populate_existing=True))
    if found is not None:
        return found, False
    try:
        with db.begin_nested():
            return described.add(said, document_url=url), True
    except IntegrityError:
        # Another process read it at the same moment.
        return db.scalars(statement).one(), False
