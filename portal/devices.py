"""Browsers that people signed in with before, so that a stranger who guesses cannot lock them out (L-05).

A cookie names, under our signature, the accounts that this browser has opened. Tries from it are counted by
themselves: those of everybody else neither slow it down nor are slowed down by it.
"""

from datetime import timedelta
from hashlib import sha256

from flask import request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from latchkey import credentials, settings, users

KEPT = timedelta(days=400)
MOST_ACCOUNTS = 8


def _cookie() -> str:
    return "__Host-device" if settings.current().secure else "device"


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.current().secret_key, salt="known device")


def _mark(email: str) -> str:
    return sha256(users.key(email).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _read() -> tuple[str, list[str]]:
    try:
        device, accounts = _signer().loads(request.cookies.get(_cookie(), ""), max_age=int(KEPT.total_seconds()))
    except (BadSignature, ValueError, TypeError):
        return "", []
    return str(device), list(accounts)


def known(email: str) -> str | None:
    """The name of this browser, if it has signed in to this account before."""
    device, accounts = _read()
    return device if _mark(email) in accounts else None


def remember(response: Response, email: str) -> None:
    """Let this browser be known from now on."""
    device, accounts = _read()
    mark = _mark(email)
    kept = [mark, *(other for other in accounts if other != mark)][:MOST_ACCOUNTS]
    response.set_cookie(
        _cookie(),
        str(_signer().dumps([device or credentials.opaque(), kept])),
        max_age=KEPT,
        secure=settings.current().secure,
        httponly=True,
        samesite="Lax",
    )
