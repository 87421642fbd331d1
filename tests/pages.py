"""What tests do with pages, as a browser would: read the form's token, sign in."""

import html
import re

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from latchkey.accounts import users
from latchkey.accounts.sessions import How
from latchkey.accounts.users import User
from latchkey.safety import signin
from portal.auth import arrival
from tests.factories import PASSWORD

# An attribute follows a space: in a value drawn by lot `…-on…=` means nothing.
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)|<style\b|\sstyle=|\son[a-z]+=|=.?javascript:|\bhx-on|\bhx-vals=.js:", re.IGNORECASE
)


def csrf(page: str | TestResponse) -> str:
    """The value of the page's first CSRF field."""
    text = page if isinstance(page, str) else page.text
    field = re.search(r'<input\b[^>]*\bname="csrf_token"[^>]*>', text)
    assert field, f"no csrf_token in:\n{text[:2000]}"
    value = re.search(r'\bvalue="([^"]*)"', field.group())
    assert value, field.group()
    return html.unescape(value.group(1))


def submit(client: FlaskClient, path: str, *, form: str | None = None, **fields: object) -> TestResponse:
    """Open the page that holds the form (`path`, or `form` where the form posts elsewhere), fill it and send it."""
    page = client.get(form or path)
    assert page.status_code == 200, (form or path, page.status, page.text[:500])
    return client.post(path, data={"csrf_token": csrf(page), **fields})


def hidden(page: str | TestResponse, name: str) -> str:
    """The value of a hidden field; empty if there is none."""
    text = page if isinstance(page, str) else page.text
    found = re.search(rf'<input[^>]*\bname="{name}"[^>]*\bvalue="([^"]*)"', text)
    return html.unescape(found[1]) if found else ""


def asks_for_proof(answer: TestResponse) -> bool:
    """Whether this is the page that takes fresh proof."""
    return answer.status_code == 403 and "Show once more that it is you" in answer.text


def prove(client: FlaskClient, asked: TestResponse, **proof: str) -> TestResponse:
    """Give the proof that a page asks for, by default the password."""
    fields = {"csrf_token": csrf(asked), "next": hidden(asked, "next"), "kept": hidden(asked, "kept")}
    return client.post("/login/again", data=fields | (proof or {"password": PASSWORD}))


def same_browser(signed_up: FlaskClient, client: FlaskClient) -> FlaskClient:
    """Another client that counts as the browser that signed up."""
    proof = signed_up.get_cookie("signed-up")
    assert proof is not None
    client.set_cookie("signed-up", proof.value)
    return client


def sign_in(client: FlaskClient, user: User, password: str = PASSWORD) -> FlaskClient:
    """The same client, signed in through the real form."""
    answer = submit(client, "/login", email=user.email, password=password)
    assert answer.status_code in (302, 303), answer.text[:2000]
    return client


def let_in(client: FlaskClient, user: User) -> FlaskClient:
    """The same client, signed in as the form does it once the password was right: a quarter of the work."""
    views = client.application.view_functions
    form = views["portal.sign_in"]
    views["portal.sign_in"] = lambda: arrival.go_on(signin.opened(users.find(user.id), How.PASSWORD))
    try:
        answer = client.get("/login")
    finally:
        views["portal.sign_in"] = form
    assert answer.status_code == 303, answer.text[:2000]
    return client
