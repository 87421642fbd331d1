"""Requests that met somebody else's change: an account or an app was deleted while something of it was asked for."""

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app, g, request, session
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
    # Who is signed in, and the tokens of forms for them.
    for kept in ("_login_user", "csrf_token", "form_token"):
        g.pop(kept, None)
    if session.modified:
        # As the browser sent it: what a page was to say next time, and whom it let in, did not happen.
        sent = current_app.session_interface.open_session(current_app, request)
        session.clear()
        session.update(sent or {})
    for file in request.files.values():
        file.stream.seek(0)
