"""Cookies of our own beside the one of the session: a value under our signature, for as long as it counts."""

from datetime import timedelta
from typing import Any

from flask import request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from latchkey import settings


def _name(name: str) -> str:
    return f"__Host-{name}" if settings.current().secure else name


def _signer(name: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.current().secret_key, salt=f"cookie {name}")


def read(name: str, kept: timedelta) -> Any:
    """What this browser was given under a name; None if it was not, or longer ago."""
    try:
        return _signer(name).loads(request.cookies.get(_name(name), ""), max_age=int(kept.total_seconds()))
    except (BadSignature, ValueError, TypeError):
        return None


def write(response: Response, name: str, value: object, kept: timedelta) -> None:
    """Give this browser a value under a name."""
    response.set_cookie(
        _name(name),
        str(_signer(name).dumps(value)),
        max_age=kept,
        secure=settings.current().secure,
        httponly=True,
        samesite="Lax",
    )
