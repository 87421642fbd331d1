"""What tests do with the pages of apps."""

import html
import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from latchkey import clients
from tests import pages

FORM = {
    "name": "Fieldnotes",
    "homepage": "https://fieldnotes.example",
    "redirect_uris": "https://fieldnotes.example/callback\r\nhttp://127.0.0.1/callback\r\n",
    "type": "confidential",
    "scope": ["account:read", "activity:read"],
}
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
# The password was last given longer ago than counts as lately.
LONG_AGO = {"minutes": 16}


def hidden(page: TestResponse, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.text)
    assert found, page.text[:2000]
    return html.unescape(found[1])


def register(browser: FlaskClient, **changes: object) -> TestResponse:
    page = browser.get("/apps/new")
    fields = {"csrf_token": pages.csrf(page), "form_id": hidden(page, "form_id")} | FORM | changes
    return browser.post("/apps/new", data={name: value for name, value in fields.items() if value is not None})


def secret_of(page: TestResponse) -> str:
    found = re.search(r"<textarea[^>]*>(lk_sec_[0-9A-Za-z]{36})</textarea>", page.text)
    assert found, page.text[:3000]
    return found[1]


def only_app(owner) -> clients.Client:
    [client] = clients.list_for(owner)
    return client
