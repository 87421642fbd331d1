"""An app is given keys in place of its secret, other ones, or a secret in place of its keys."""

from datetime import datetime
from typing import NamedTuple

from latchkey import clock
from latchkey.accounts.users import User
from latchkey.clients import document_urls, redirects, rules, secrets
from latchkey.clients.keys import proving, record, sets
from latchkey.clients.keys.record import ClientKeys
from latchkey.clients.keys.sets import BadKeys, Jwk
from latchkey.clients.record import Client
from latchkey.clients.rules import BadClient
from latchkey.fetching import NotFetched
from latchkey.store.session import db


class Wanted(NamedTuple):
    """A key set as it was pasted, or as it stood at an address, and until when that holds."""

    keys: list[Jwk]
    url: str | None = None
    fresh_until: datetime | None = None


def pasted(text: str) -> Wanted:
    """A key set that somebody wrote. Raises `BadClient`."""
    try:
        return Wanted(sets.read(text.encode("utf-8", "surrogatepass")))
    except BadKeys as bad:
        raise BadClient(jwks=str(bad)) from None


def at(url: str, person: str) -> Wanted:
    """A key set at an address, which is asked for it; so no transaction is open. Raises `BadClient`."""
    check_url(url)
    try:
        answer = proving.ask(url, person)
        keys = sets.read(answer.body, most=sets.LONGEST_FETCHED)
    except (NotFetched, BadKeys) as error:
        raise BadClient(jwks_uri=f"We asked this address and could not use it: {error}") from None
    return Wanted(keys, url, clock.now() + proving.holds(answer))


def check_url(url: str) -> str:
    """An https address of a key set; while developing also http on this machine. Raises `BadClient`."""
    wrong = BadClient(jwks_uri="Write an https address, such as https://app.example.com/jwks.json.")
    if len(url) > record.LONGEST_URL or not url.startswith(("https://", "http://")):
        raise wrong
    try:
        redirects.check(url)
    except redirects.BadRedirectURI as bad:
        raise BadClient(jwks_uri=str(bad)) from None
    if not url.startswith("https://") and not document_urls.local(url):
        raise wrong
    return url


def give(client: Client, wanted: Wanted, *, by: User | None) -> bool:
    """Let an app prove itself by these keys alone; its secrets end at once. Whether that is new. It is locked.

    Raises `BadClient`, `OnlyAdministrator`.
    """
    rules.spare(client, by, "keys")
    if not client.confidential:
        raise BadClient(confidential="A public app proves itself by nothing: it has no keys.")
    found, now = record.find(client.id), clock.now()
    same = found is not None and (found.url, found.keys) == (wanted.url, wanted.keys) and client.keyed
    if not client.keyed:
        secrets.end_secrets(client)
    found = found or _made(client)
    found.keys, found.url = wanted.keys, wanted.url
    # What was only named is asked for when a key is needed.
    found.read_at = found.asked_at = now if wanted.fresh_until else None
    found.fresh_until = wanted.fresh_until
    if not same:
        client.keyed, found.changed_at, client.updated_at = True, now, now
    db.flush()
    return not same


def _made(client: Client) -> ClientKeys:
    made = ClientKeys(client_id=client.id, keys=[])
    db.add(made)
    return made


def take(client: Client, *, by: User | None) -> bool:
    """Let an app use a secret again, of which it has none yet; whether it had keys. It is locked.

    Raises `OnlyAdministrator`.
    """
    rules.spare(client, by, "keys")
    if not client.keyed:
        return False
    if found := record.find(client.id):
        db.delete(found)
    client.keyed, client.updated_at = False, clock.now()
    db.flush()
    return True
