"""Requests that met somebody else's change: an account or an app was deleted while something of it was asked for."""

from collections.abc import Callable
from typing import Any

from flask import Flask, g, request
from flask.typing import ResponseReturnValue

from latchkey.store import conflicts


class Application(Flask):
    """Flask that looks at a request again when the database says that its records were changed meanwhile.

    The second look finds what is there now, and answers as its protocol wants: nobody is signed in, the token is
    unknown, there is no such app.
    """

    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view that matches the request."""
        return conflicts.again(super().dispatch_request, _forget)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself: nothing here is asynchronous, which Flask asks of twenty functions for each page."""
        return func


def _forget() -> None:
    # Flask-Login keeps here who is signed in.
    g.pop("_login_user", None)
    for file in request.files.values():
        file.stream.seek(0)
