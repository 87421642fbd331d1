"""A sign-in that an app's owner tries out: under no authorization, so it is in no list, and over in a moment."""

from collections.abc import Iterable
from datetime import timedelta

from latchkey import clients, clock, scopes
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants.record import Grant
from latchkey.store.session import db

# A trial is ended when it is over; this bounds one whose process was killed.
LIFETIME = timedelta(minutes=1)


class NotYours(Exception):
    """Only its owner tries an app out, and only as themselves."""


def begin(user: User, client: Client, wanted: Iterable[str], resource: str | None, redirect_uri: str) -> Grant:
    """Let a user's own app act for them. Raises `NotYours`, `users.UserGone`, `clients.ClientGone`."""
    users.hold(user.id)
    if clients.share(client.id).owner_id != user.id:
        raise NotYours
    grant = Grant(
        client_id=client.id,
        user_id=user.id,
        authorization_id=None,
        scope=scopes.serialize(wanted),
        resource=resource,
        redirect_uri=redirect_uri,
        expires_at=clock.now() + LIFETIME,
    )
    db.add(grant)
    db.flush()
    return grant
