"""OAuth clients, called apps on screens, and their secrets."""

from latchkey.clients.record import (
    LONGEST_HOMEPAGE,
    LONGEST_NAME,
    Client,
    ClientSecret,
    any_speaks_from,
    find,
    get_for,
    hold,
    list_for,
    made_by,
)
from latchkey.clients.registration import (
    AlreadyRegistered,
    add_redirect_uri,
    change,
    register,
    remove,
    remove_redirect_uri,
    set_logo,
    suspend,
)
from latchkey.clients.rules import BadClient, check, check_redirect_uris
from latchkey.clients.secrets import (
    LIVE_SECRETS,
    OVERLAP,
    AlreadyRotated,
    live_secrets,
    remove_secret,
    rotate_secret,
)

__all__ = [
    "LIVE_SECRETS",
    "LONGEST_HOMEPAGE",
    "LONGEST_NAME",
    "OVERLAP",
    "AlreadyRegistered",
    "AlreadyRotated",
    "BadClient",
    "Client",
    "ClientSecret",
    "add_redirect_uri",
    "any_speaks_from",
    "change",
    "check",
    "check_redirect_uris",
    "find",
    "get_for",
    "hold",
    "list_for",
    "live_secrets",
    "made_by",
    "register",
    "remove",
    "remove_redirect_uri",
    "remove_secret",
    "rotate_secret",
    "set_logo",
    "suspend",
]
