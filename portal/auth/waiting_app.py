"""The app or the device that waits for somebody who signs in here, and pages whose form leads back to an app."""

from urllib.parse import parse_qs

from flask import Response

from latchkey import clients
from latchkey.accounts import waybacks
from latchkey.clients import Client, document_urls, redirects
from web import policy

AUTHORIZE, DEVICE = "/oauth/authorize", "/device"


def find(next_path: str | None) -> Client | None:
    """The app behind a way to go on that is an authorization request, as far as it is a valid one."""
    query = _asked(next_path)
    client_id = query.get("client_id", [""])[0]
    if document_urls.allowed(client_id):
        # What it calls itself is read, and shown, when somebody has signed in (J-10).
        return Client(name=document_urls.host(client_id), redirect_uris=[])
    client = clients.find(client_id)
    if client is None or client.suspended_at is not None:
        return None
    sent = query.get("redirect_uri", client.redirect_uris[:1])[0]
    return client if any(redirects.matches(sent, registered) for registered in client.redirect_uris) else None


def is_a_device(next_path: str | None) -> bool:
    """Whether somebody goes on to type a device's code. Whose device, nobody is told before they did (Q-05)."""
    return waybacks.meant(next_path).partition("?")[0] == DEVICE


def asks_again(next_path: str | None) -> bool:
    """Whether an app wants the person to sign in even though they are (OpenID Connect's prompt=login)."""
    return "login" in " ".join(_asked(next_path).get("prompt", [])).split()


def _asked(next_path: str | None) -> dict[str, list[str]]:
    """The parameters of the authorization request that somebody goes on to, if it is one."""
    path, _, query = waybacks.meant(next_path).partition("?")
    return parse_qs(query) if path == AUTHORIZE else {}


def let_lead_on(page: Response, app: Client | None) -> None:
    """Let the form of a page lead back to the app that waits, and on from there."""
    if app is not None:
        page.headers["Content-Security-Policy"] = policy.LEADS_TO_AN_APP
