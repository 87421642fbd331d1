"""Clients registered, changed and removed by their owner."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial

from sqlalchemy import delete, func, select

from latchkey import clock, endings, origin, settings
from latchkey import scopes as catalogue
from latchkey.accounts import users
from latchkey.accounts.limits import QuotaReached
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.clients import rules
from latchkey.clients.keys import record as keys
from latchkey.clients.record import Client, made_by
from latchkey.clients.rules import BadClient
from latchkey.clients.secrets import add_secret
from latchkey.store.session import db

# The settings of a trusted client that only an administrator may change.
PROTECTED = frozenset({"name", "redirect_uris", "pkce_required"})


class AppsClosed(QuotaReached):
    """Only administrators register apps here."""

    def __init__(self) -> None:
        super().__init__("Only an administrator registers apps here. Ask one to do it for you.")


class AlreadyRegistered(Exception):
    """This form was sent before; `.client` is what it registered then."""

    def __init__(self, client: Client) -> None:
        super().__init__("this form was sent before")
        self.client = client


def register(
    owner: User,
    *,
    name: str,
    redirect_uris: Sequence[str],
    scopes: Iterable[str],
    confidential: bool,
    optional_scopes: Iterable[str] = (),
    homepage: str = "",
    pkce_required: bool = True,
    device_flow: bool = False,
    trusted: bool = False,
    form_id: str | None = None,
) -> tuple[Client, str | None]:
    """A new client and, if it is confidential, the plaintext of its secret, once.

    Raises `BadClient` with everything that is wrong, `AlreadyRegistered` for a form that is sent again, `QuotaReached`
    and `users.UserGone`.
    """
    wanted = rules.check(name, homepage, redirect_uris, scopes, trusted=trusted, optional=optional_scopes)
    if not confidential:
        _check_public(pkce_required=pkce_required, trusted=trusted)
    # Locked, so that two requests of one user go one after the other.
    users.hold(owner.id)
    if not may_register(owner):
        raise AppsClosed
    if form_id is not None and (registered := made_by(owner, form_id)):
        raise AlreadyRegistered(registered)
    _check_quota(owner)
    client = Client(
        owner=owner,
        confidential=confidential,
        pkce_required=pkce_required,
        device_flow=device_flow,
        trusted=trusted,
        form_id=form_id,
        **wanted._asdict() | _split(wanted.scope, frozenset()),
    )
    client.waiting_since = clock.now() if client.waiting_scope else None
    db.add(client)
    db.flush()
    return client, add_secret(client) if confidential else None


def _split(asked: str, held: frozenset[str]) -> dict[str, str]:
    """Of what a client asks for, what it may have now, and what it has to wait for, unless an operator does it."""
    operator = origin.current.get().actor.doer in origin.OPERATORS
    wait = frozenset() if operator else catalogue.waiting(catalogue.held(asked) - held)
    have = catalogue.held(asked) - wait
    return {"scope": catalogue.serialize(have), "waiting_scope": catalogue.serialize(wait)}


def may_register(owner: User) -> bool:
    """Whether a user may have a new app; an operator registers one for anybody."""
    open_to_all = settings.current().apps == "everybody"
    return open_to_all or identities.administers(owner) or origin.current.get().actor.doer in origin.OPERATORS


def _check_quota(owner: User) -> None:
    most = settings.current().quota_apps
    if db.scalars(select(func.count()).where(Client.owner_id == owner.id)).one() >= most:
        raise QuotaReached(f"An account has at most {most:,} apps. Delete one first.")


def _check_public(*, pkce_required: bool, trusted: bool) -> None:
    if trusted:
        raise BadClient(trusted="Only a confidential app can be trusted: anybody can pretend to be a public one.")
    if not pkce_required:
        raise BadClient(pkce_required="A public app always uses PKCE.")


def change(
    client: Client,
    *,
    name: str,
    homepage: str,
    redirect_uris: Sequence[str],
    scopes: Iterable[str],
    optional_scopes: Iterable[str],
    pkce_required: bool,
    device_flow: bool,
    by: User | None,
) -> list[str]:
    """Give a client other settings; the names of those that changed. The client is locked.

    A trusted one with another name is not trusted any more: people would read “Verified” beside a name that nobody
    has looked at. Raises `BadClient`, and `OnlyAdministrator` depending on who it is done by.
    """
    may = partial(rules.check, trusted=client.trusted, ceiling=client.ceiling, optional=optional_scopes)
    wanted = may(name, homepage, redirect_uris, scopes)
    if not client.confidential:
        _check_public(pkce_required=pkce_required, trusted=False)
    values = wanted._asdict() | _split(wanted.scope, client.scopes) | {"pkce_required": pkce_required}
    values["device_flow"] = device_flow
    changed = [field for field, value in values.items() if getattr(client, field) != value]
    for field in PROTECTED.intersection(changed):
        rules.spare(client, by, field)
    if not frozenset(values["scope"].split()) <= client.scopes:
        # It gets scopes that were not counted so far.
        client.counted_since = clock.now()
    for field in changed:
        setattr(client, field, values[field])
    if "waiting_scope" in changed:
        client.waiting_since = clock.now() if client.waiting_scope else None
    if client.trusted and "name" in changed:
        client.trusted = False
        changed.append("trusted")
    if changed:
        client.updated_at = clock.now()
    db.flush()
    return changed


def trust(client: Client, *, on: bool) -> bool:
    """Let a client skip the question, or not; whether that is new. The client is locked. Raises `BadClient`."""
    if on and not client.confidential:
        _check_public(pkce_required=True, trusted=True)
    if client.trusted is on:
        return False
    client.trusted, client.updated_at = on, clock.now()
    db.flush()
    return True


def add_redirect_uri(client: Client, uri: str, *, by: User | None) -> bool:
    """Lead people back to one more address; whether it is new. The client is locked.

    Raises `BadClient`, `OnlyAdministrator`.
    """
    rules.spare(client, by, "redirect_uris")
    rules.check_redirect_uris([uri])
    if uri in client.redirect_uris:
        return False
    _set_redirect_uris(client, [*client.redirect_uris, uri])
    return True


def remove_redirect_uri(client: Client, uri: str, *, by: User | None) -> bool:
    """Lead nobody to an address any more; whether it was there. The client is locked.

    Raises `BadClient`, `OnlyAdministrator`.
    """
    rules.spare(client, by, "redirect_uris")
    if uri not in client.redirect_uris:
        return False
    if len(client.redirect_uris) == 1:
        raise BadClient(redirect_uris="An app needs at least one redirect URI. Add another one first.")
    _set_redirect_uris(client, [kept for kept in client.redirect_uris if kept != uri])
    return True


def _set_redirect_uris(client: Client, uris: list[str]) -> None:
    client.redirect_uris = rules.check_redirect_uris(uris)
    client.updated_at = clock.now()
    db.flush()


def set_logo(client: Client, picture: bytes | None, *, by: User | None) -> None:
    """Give a client a logo, a PNG that was made here, or none; `logo_version` changes with it.

    Raises `OnlyAdministrator`.
    """
    rules.spare(client, by, "logo")
    client.logo = picture
    client.logo_version = hashlib.sha256(picture).hexdigest()[:16] if picture else None
    client.updated_at = clock.now()
    db.flush()


def mark_resource_server(client: Client, *, on: bool) -> bool:
    """Let a client introspect everybody's tokens without limit, or no longer; an administrator's verb (F-06).

    Whether that is new. The client is locked. Raises `BadClient` for a public client, which introspects nothing.
    """
    if on and not client.confidential:
        raise BadClient(resource_server="Only a confidential app can be a resource server: a public one cannot ask.")
    if client.resource_server is on:
        return False
    client.resource_server, client.updated_at = on, clock.now()
    db.flush()
    return True


def pin(client: Client, *, on: bool) -> bool:
    """Keep what was read of a client's own document and keys, or follow it again; whether that is new. It is locked.

    Raises `BadClient` for one without a document, or whose keys at an address nobody has read.
    """
    if client.document_url is None:
        raise BadClient(document="Only an app that is known by a metadata document has a copy to pin.")
    if (client.document_pinned_at is not None) is on:
        return False
    if on and keys.unread(client.id):
        raise BadClient(document="Its keys were never read: they are when it first needs them. Pin it after that.")
    client.document_pinned_at = clock.now() if on else None
    db.flush()
    return True


def remove(client: Client) -> None:
    """Delete a client with all that hangs on it."""
    endings.note(endings.Kind.CLIENT, client.id)
    db.execute(delete(Client).where(Client.id == client.id))
    db.expunge(client)
