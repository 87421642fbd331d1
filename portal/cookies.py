"""Cookies of our own beside the one of the session: a value under our signature, for as long as it counts."""

from datetime import timedelta
from typing import Any

from flask import request
from itsdangerous import BadSignature
from werkzeug.wrappers import Response

from latchkey import settings, vault

# Where a request keeps what was read of its cookies: a sign-in asks four times for the same one.
READ = "latchkey.cookies"


def read(name: str, kept: timedelta) -> Any:
    """What this browser was given under a name; None if it was not, or longer ago."""
    known: dict[tuple[str, timedelta], Any] = request.environ.setdefault(READ, {})
    if (name, kept) not in known:
        known[name, kept] = _opened(name, kept)
    return known[name, kept]


def _opened(name: str, kept: timedelta) -> Any:
    kept_here = request.cookies.get(settings.current().cookie(name), "")
    try:
        return vault.signer(f"cookie {name}").loads(kept_here, max_age=int(kept.total_seconds()))
    except (BadSignature, ValueError, TypeError):
        return None


def write(response: Response, name: str, value: object, kept: timedelta) -> None:
    """Give this browser a value under a name."""
    response.set_cookie(
        settings.current().cookie(name),
        str(vault.signer(f"cookie {name}").dumps(value)),
        max_age=kept,
        secure=settings.current().secure,
        httponly=True,
        samesite="Lax",
    )
