"""Ways back to a page after sign-in: long ones are frozen under our signature, so that they survive being carried.

Nothing is kept here for it: whoever is not signed in yet costs no row.
"""

from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, quote, urlencode

from itsdangerous import BadData

from latchkey import vault

# A path longer than this is carried frozen; what is still longer then is not carried.
PLAIN, LONGEST = 1_500, 16_000
MOST_FIELDS = 500
SALT = "way back"
PATH = "/continue"
LIFETIME = timedelta(days=1)
# Where a browser's cookie keeps when a request that wants a fresh sign-in was first seen.
MOMENTS = "asked_at"


def carried(path: str) -> str | None:
    """What to carry along to come back to a path of ours: itself, or a short one that leads to it; None if too long."""
    if len(path) <= PLAIN:
        return path
    page, _, query = path.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        return None
    frozen = f"{PATH}?{urlencode({'to': vault.signer(SALT).dumps([page, pairs])})}"
    return frozen if len(frozen) <= LONGEST else None


def thawed(frozen: str) -> str | None:
    """The path that was frozen; None when it is too old, or was not frozen here."""
    try:
        page, pairs = vault.signer(SALT).loads(frozen, max_age=int(LIFETIME.total_seconds()))
    except (BadData, ValueError):
        return None
    return f"{page}?{urlencode([*map(tuple, pairs)], safe=':/,@', quote_via=quote)}"


def meant(path: str | None) -> str:
    """The path that a carried one stands for."""
    page, _, query = (path or "").partition("?")
    if page != PATH:
        return path or ""
    return thawed(parse_qs(query, max_num_fields=1).get("to", [""])[0]) or ""
