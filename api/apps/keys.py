"""The keys of apps, as /v1/apps takes and answers them."""

from collections.abc import Collection
from typing import Any

from api.kit import problems
from latchkey import clients, notices
from latchkey.accounts.users import User
from latchkey.clients import BadClient, Client
from latchkey.clients.keys import changing, record, sets
from latchkey.clients.keys.changing import Wanted
from latchkey.clients.keys.sets import BadKeys
from latchkey.store.session import db


def shown(client: Client) -> dict[str, Any]:
    """How an app proves itself, and by which keys."""
    if not client.keyed:
        method = "client_secret_basic" if client.confidential else "none"
        return {"token_endpoint_auth_method": method, "jwks": None, "jwks_uri": None}
    found = record.find(client.id)
    keys, url = (found.keys, found.url) if found is not None else ([], None)
    return {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": keys}, "jwks_uri": url}


def wanted(given: dict[str, Any], person: str) -> Wanted | None:
    """The keys among what was sent, which are taken out of it; an address is asked for them. Raises `Problem`."""
    both = given.keys() >= {"jwks", "jwks_uri"}
    written, address = given.pop("jwks", None), given.pop("jwks_uri", None)
    if both:
        raise problems.wrong_fields({"jwks": "Send jwks or jwks_uri, not both."})
    # Nothing is held while the address is asked.
    db.rollback()
    try:
        if address is not None:
            return changing.at(address, person)
        return None if written is None else Wanted(sets.check(written))
    except BadKeys as bad:
        raise problems.wrong_fields({"jwks": str(bad)}) from None
    except BadClient as bad:
        raise problems.wrong_fields(bad.errors) from None


def register(user: User, *, keys: Wanted | None, **settings: Any) -> tuple[Client, str | None]:
    """A new app, with keys in place of a secret where it has some. Raises `BadClient`, `QuotaReached`."""
    client, secret = clients.register(user, **settings)
    if keys is None:
        return client, secret
    changing.give(client, keys, by=user)
    return client, None


def change(client: Client, sent: Collection[str], keys: Wanted | None, by: User) -> bool:
    """Other keys, or none; whether that is new. Its owner hears of it. Raises `BadClient`, `OnlyAdministrator`.

    Null for a field that is null changes nothing: whoever sends back what they read takes no keys away.
    """
    now = shown(client)
    if keys is None and all(now[name] is None for name in sent):
        return False
    new = changing.take(client, by=by) if keys is None else changing.give(client, keys, by=by)
    if new:
        notices.app_keys_changed(by, client)
    return new
