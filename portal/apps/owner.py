"""Whose app it is."""

from flask import abort

from latchkey import clients
from latchkey.clients import Client
from portal.guards import acting_user, this_user


def own_app(client_id: str, *, lock: bool = False) -> Client:
    """The user's own app; anybody else's is no page (J-01). With `lock` nobody else changes it until the commit."""
    return clients.get_for(acting_user() if lock else this_user(), client_id, lock=lock) or abort(404)
