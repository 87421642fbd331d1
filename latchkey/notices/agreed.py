"""What a user last agreed to of an app, and what of the app is another since."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from latchkey.clients import redirects
from latchkey.clients.keys import record as keys
from latchkey.grants import Authorization, Grant
from latchkey.journal.activity import Event, EventKind
from latchkey.store.session import db

# Sign-ins of one app; of earlier ones nobody asks where they led back to.
MOST = 500


class Since(NamedTuple):
    """When the user last agreed; `changed` are the parts of the app that are others now, `name` what it was called."""

    at: datetime
    changed: list[str]
    name: str


def since(standing: Authorization, redirect_uri: str = "") -> Since | None:
    """What changed of an app that stands allowed; None when what is kept no longer tells when that was."""
    agreed = _last(standing)
    if agreed is None:
        return None
    client, name = standing.client, str(agreed.detail.get("app", ""))
    changed = []
    if name and name != client.name:
        changed.append("name")
    if redirect_uri and _leads_elsewhere(standing, redirect_uri):
        changed.append("address")
    own = keys.find(client.id) if client.keyed else None
    if own is not None and own.changed_at > agreed.at:
        changed.append("keys")
    return Since(agreed.at, changed, name if "name" in changed else "")


def _last(standing: Authorization) -> Event | None:
    """The event of the last time that the user said yes."""
    mine = (Event.user_id == standing.user_id, Event.kind == EventKind.AUTHORIZED)
    this = Event.detail["client_id"].as_string() == standing.client_id
    return db.scalar(select(Event).where(*mine, this).order_by(Event.id.desc()).limit(1))


def _leads_elsewhere(standing: Authorization, redirect_uri: str) -> bool:
    """Whether no sign-in so far led back to this host, or to a program on the user's device."""
    earlier = select(Grant.redirect_uri).where(Grant.authorization_id == standing.id, Grant.redirect_uri.is_not(None))
    led = {redirects.destination(uri) for uri in db.scalars(earlier.distinct().limit(MOST)) if uri}
    return bool(led) and redirects.destination(redirect_uri) not in led
