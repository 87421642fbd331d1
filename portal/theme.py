"""Light or dark: a choice that the browser keeps, so that the first byte of a page has it already."""

from datetime import timedelta

from flask import request
from werkzeug.wrappers import Response

from latchkey import settings

THEMES = {"system": "As the system", "light": "Light", "dark": "Dark"}
COOKIE = "theme"
KEPT = timedelta(days=400)


def chosen() -> str:
    """The theme of this browser."""
    theme = request.cookies.get(settings.current().cookie(COOKIE), "")
    return theme if theme in THEMES else "system"


def choose(response: Response, theme: str) -> None:
    """Let this browser have a theme from now on."""
    ours = settings.current()
    if theme == "system":
        response.delete_cookie(ours.cookie(COOKIE), samesite="Lax", secure=ours.secure, httponly=True)
        return
    response.set_cookie(ours.cookie(COOKIE), theme, max_age=KEPT, secure=ours.secure, httponly=True, samesite="Lax")
