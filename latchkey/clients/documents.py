"""What a metadata document says of the app whose id is its address (draft-ietf-oauth-client-id-metadata-document)."""

import re
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from latchkey import clock, fetching
from latchkey.clients import described, document_urls
from latchkey.clients.described import BadMetadata, Said
from latchkey.clients.record import Client
from latchkey.store.session import db

KINDS = frozenset({"application/json"})
# How long a document is not asked for again, whatever its host says, and if it says nothing.
SHORTEST, LONGEST, USUAL = timedelta(minutes=1), timedelta(hours=24), timedelta(hours=1)
# How long what was read last holds while its host does not answer.
KEPT = timedelta(days=7)
MAX_AGE = re.compile(r'max-age\s*=\s*"?([0-9]{1,9})', re.ASCII)
UNCACHED = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])", re.ASCII)
SECRETS = ("client_secret", "client_secret_expires_at")


def read(url: str, body: bytes) -> Said:
    """What stands in the document at this address. Raises `BadMetadata`."""
    try:
        document = fetching.read_object(body)
    except fetching.NotAnObject:
        raise BadMetadata("document", "It is no JSON object, or a name comes twice in it.") from None
    if document.get("client_id") != url:
        raise BadMetadata("client_id", "It is not the address of the document, character by character.")
    if any(name in document for name in SECRETS):
        raise BadMetadata("client_secret", "A document that everybody reads holds no secret.")
    if document.get("token_endpoint_auth_method", "none") != "none":
        raise BadMetadata("token_endpoint_auth_method", "Only none is taken in a document here.")
    return described.read({"client_name": f"App of {document_urls.host(url)}"[:60]} | document)


def lifetime(cache_control: str) -> timedelta:
    """How long an answer holds, by what its host says and within bounds (RFC 9111 §5.2.2)."""
    said = cache_control.lower()
    if UNCACHED.search(said):
        return SHORTEST
    found = MAX_AGE.search(said)
    return min(max(timedelta(seconds=int(found[1])), SHORTEST), LONGEST) if found is not None else USUAL


def keep(url: str, said: Said, lasting: timedelta) -> tuple[Client, bool]:
    """The client of a document as it was just read, and whether it is new."""
    now = clock.now()
    client, new = _row(url, said)
    changed = [field for field, value in said._asdict().items() if getattr(client, field) != value]
    for field in changed:
        setattr(client, field, getattr(said, field))
    client.document_read_at, client.document_fresh_until = now, now + lasting
    if changed:
        client.updated_at = now
    db.flush()
    return client, new


def _row(url: str, said: Said) -> tuple[Client, bool]:
    statement = select(Client).where(Client.document_url == url).with_for_update(of=Client, key_share=True)
    found = db.scalar(statement.execution_options(populate_existing=True))
    if found is not None:
        return found, False
    try:
        with db.begin_nested():
            return described.add(said, document_url=url), True
    except IntegrityError:
        # Read by another process in the same moment.
        return db.scalars(statement).one(), False
