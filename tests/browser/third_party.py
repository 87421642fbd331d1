"""A small app of somebody else's, on a port of its own: Flask with Authlib's Flask client, as its guide says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from tests import servers
from tests.factories import Registered

SCOPE = "account:read"


def create_app(portal: str, client_id: str, client_secret: str | None, scope: str = SCOPE) -> Flask:
    app = Flask("third_party")
    app.config.update(SECRET_KEY="of the third party", SESSION_COOKIE_NAME="third_party")
    oauth = OAuth(app)
    latchkey = oauth.register(
        "latchkey",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{portal}/.well-known/oauth-authorization-server",
        api_base_url=portal,
        client_kwargs={
            "scope": scope,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "client_secret_basic" if client_secret else "none",
        },
    )

    @app.get("/")
    def home() -> str:
        return '<!doctype html><title>Fieldnotes</title><h1>Fieldnotes</h1><a href="/login">Sign in with Latchkey</a>'

    @app.get("/login")
    def login() -> Response:
        return latchkey.authorize_redirect(url_for("callback", _external=True))

    @app.get("/callback")
    def callback() -> str | tuple[str, int]:
        try:
            token = latchkey.authorize_access_token()
        except OAuthError as error:
            return f"<!doctype html><title>Fieldnotes</title><h1>Not signed in</h1><p>{error.error}</p>"
        session["token"] = {name: token[name] for name in ("access_token", "token_type")}
        return redirect("/me")

    @app.get("/me")
    def me() -> str:
        answer = latchkey.get("/v1/me", token=session["token"])
        shown = answer.json()["email"] if answer.status_code == 200 else f"status {answer.status_code}"
        return f"<!doctype html><title>Fieldnotes</title><h1>Hello</h1><p>{shown}</p>"

    return app


@contextmanager
def running(portal: str, registered: Registered, port: int) -> Iterator[str]:
    """The app at work; its address."""
    app = create_app(portal, registered.client.id, registered.secret)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        thread.join()


def free_port() -> int:
    return servers.free_port()
