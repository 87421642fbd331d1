"""The whole dance in Chromium, with a real app of somebody else's, under the page's Content-Security-Policy (N-05)."""

import re
import socket
import threading
import time
from base64 import b64encode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from latchkey.accounts import sessions, users
from latchkey.grants import Authorization
from latchkey.store.session import db as records
from tests import factories
from tests.browser import third_party
from tests.browser.conftest import assert_accessible, assert_fits, sign_in
from tests.oauth import dance

APP = "https://app.example"


@pytest.fixture(params=["confidential", "public"])
def fieldnotes(request, live_server, bob):
    """The third-party app, running, registered for the port that it has."""
    port = third_party.free_port()
    registered = factories.make_client(
        bob,
        name="Fieldnotes",
        redirect_uris=(f"http://127.0.0.1:{port}/callback",),
        confidential=request.param == "confidential",
    )
    with third_party.running(live_server.url, registered, port) as url:
        yield url


@pytest.mark.standard("N-05")
def test_sign_in_authorize_and_come_back(either_page: Page, alice, fieldnotes):
    page = either_page
    page.goto(fieldnotes)
    page.get_by_role("link", name="Sign in with Latchkey").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to continue to Fieldnotes")
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password", exact=True).fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Fieldnotes wants to use your Latchkey account")
    expect(page.get_by_text("Signed in as alice@example.com")).to_be_visible()
    page.get_by_role("button", name="Authorize").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Hello")
    expect(page.get_by_text("alice@example.com")).to_be_visible()
    assert page.url.startswith(fieldnotes)


def test_cancel_leads_back_as_well(either_page: Page, alice, fieldnotes):
    page = sign_in(either_page, alice)
    page.goto(f"{fieldnotes}/login")
    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Not signed in")
    expect(page.get_by_text("access_denied")).to_be_visible()


def test_a_second_visit_of_a_confidential_app_goes_straight_through_sign_in(
    page: Page, open_context, live_server, alice, bob
):
    port = third_party.free_port()
    registered = factories.make_client(bob, name="Fieldnotes", redirect_uris=(f"http://127.0.0.1:{port}/callback",))
    with third_party.running(live_server.url, registered, port) as url:
        sign_in(page, alice)
        page.goto(f"{url}/login")
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hello")

        # The form of the sign-in page leads to the app by two redirects, which its policy has to let pass.
        other = open_context().new_page()
        other.goto(f"{url}/login")
        other.get_by_label("Email").fill(alice.email)
        other.get_by_label("Password", exact=True).fill(factories.PASSWORD)
        other.get_by_role("button", name="Sign in", exact=True).click()
        expect(other.get_by_role("heading", level=1)).to_have_text("Hello")


def test_not_you_signs_somebody_else_in(either_page: Page, alice, bob, fieldnotes):
    page = sign_in(either_page, alice)
    page.goto(f"{fieldnotes}/login")
    page.get_by_role("button", name="Not you?").click()
    page.get_by_label("Email").fill(bob.email)
    page.get_by_label("Password", exact=True).fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("Signed in as bob@example.com")).to_be_visible()
    page.get_by_role("button", name="Authorize").click()

    expect(page.get_by_text("bob@example.com")).to_be_visible()


def answer_at_the_app(page: Page) -> None:
    """What is asked of the app, which runs nowhere, is answered here; `page.route` would not see a redirect there."""
    chromium = page.context.new_cdp_session(page)
    shown = {
        "responseCode": 200,
        "responseHeaders": [{"name": "Content-Type", "value": "text/html"}],
        "body": b64encode(b"<title>App</title><h1>At the app</h1>").decode(),
    }
    chromium.on(
        "Fetch.requestPaused",
        lambda asked: chromium.send("Fetch.fulfillRequest", shown | {"requestId": asked["requestId"]}),
    )
    chromium.send("Fetch.enable", {"patterns": [{"urlPattern": f"{APP}/*"}]})


def ask(page: Page, registered, redirect_uri: str, **more: str) -> None:
    asked = dance.asked(registered, redirect_uri=redirect_uri, **more)
    page.goto("/oauth/authorize?" + urlencode(asked, quote_via=quote))


@pytest.mark.standard("N-05")
@pytest.mark.parametrize("button", ["Authorize", "Cancel"])
def test_an_https_redirect(either_page: Page, alice, bob, button):
    page = sign_in(either_page, alice)
    registered = factories.make_client(bob, redirect_uris=(f"{APP}/callback",))
    answer_at_the_app(page)

    ask(page, registered, f"{APP}/callback")
    page.get_by_role("button", name=button).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("At the app")
    back = parse_qs(urlsplit(page.url).query)
    assert page.url.startswith(f"{APP}/callback?")
    assert back["state"] == ["xyz"]
    assert ("code" in back) == (button == "Authorize")
    assert ("error" in back) == (button == "Cancel")


@pytest.mark.standard("N-05")
@pytest.mark.parametrize("button", ["Authorize", "Cancel"])
def test_a_private_scheme_redirect(either_page: Page, alice, bob, button):
    page = sign_in(either_page, alice)
    registered = factories.make_client(bob, redirect_uris=("com.example.app:/callback",), confidential=False)
    ask(page, registered, "com.example.app:/callback")
    expect(page.get_by_text("a program on this device")).to_be_visible()

    # No app has this scheme here, so Chromium's attempt to hand it over shows as the answer that the page got for it.
    with page.expect_response(lambda response: response.status == 303) as answer:
        page.get_by_role("button", name=button).click()

    assert re.match(r"com\.example\.app:/callback\?(code|error)=", answer.value.headers["location"])


def test_only_what_is_new_stands_out_on_the_second_visit(page: Page, alice, bob, live_server):
    sign_in(page, alice)
    registered = factories.make_client(
        bob, redirect_uris=(f"{APP}/callback",), scopes=("account:read", "account:write")
    )
    answer_at_the_app(page)
    ask(page, registered, f"{APP}/callback")
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{APP}/**")

    ask(page, registered, f"{APP}/callback", scope="account:read account:write")

    expect(page.get_by_text("New", exact=True)).to_have_count(1)
    page.get_by_text("It may already").click()
    expect(page.get_by_text("See your name and e-mail address")).to_be_visible()
    assert records.query(Authorization).count() == 1


@pytest.mark.standard("N-08")
@pytest.mark.parametrize("width", [1280, 390])
def test_consent_and_its_error_page_are_for_everybody(open_context, alice, bob, width):
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, alice)
    registered = factories.make_client(
        bob,
        name="W" * 60,
        redirect_uris=(f"{APP}/{'x' * 80}",),
        scopes=("account:read", "account:write"),
        optional_scopes=["account:write"],
    )
    ask(page, registered, f"{APP}/{'x' * 80}", scope="account:read account:write")
    assert_accessible(page)
    assert_fits(page)

    ask(page, registered, "https://elsewhere.example/")
    expect(page.get_by_role("heading", level=1)).to_have_text("We stopped this request")
    assert_accessible(page)
    assert_fits(page)


@pytest.mark.standard("K-03")
def test_consent_by_keyboard(page: Page, alice, bob):
    sign_in(page, alice)
    registered = factories.make_client(bob, redirect_uris=(f"{APP}/callback",))
    answer_at_the_app(page)
    ask(page, registered, f"{APP}/callback")

    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Authorize":
            break
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("At the app")
    assert "code=" in page.url


def test_the_app_loses_access_when_the_person_is_gone(page: Page, alice, live_server, bob):
    port = third_party.free_port()
    registered = factories.make_client(bob, name="Fieldnotes", redirect_uris=(f"http://127.0.0.1:{port}/callback",))
    with third_party.running(live_server.url, registered, port) as url:
        sign_in(page, alice)
        page.goto(f"{url}/login")
        page.get_by_role("button", name="Authorize").click()
        expect(page.get_by_text("alice@example.com")).to_be_visible()
        sessions.end_all(users.find(alice.id))
        users.disable(users.find(alice.id))
        records.commit()

        page.goto(f"{url}/me")
        expect(page.get_by_text("status 401")).to_be_visible()


@contextmanager
def leading_on(host: str, further: str, *, slow: bool = False):
    """An app whose callback leads on to another origin, where its home page is; the callback, and its hits."""
    hits = []

    class Callback(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/cb"):
                hits.append(self.path)
                if slow and len(hits) == 1:
                    time.sleep(3)
                self.send_response(302)
                self.send_header("Location", further.format(port=self.server.server_address[1]))
                self.end_headers()
                return
            body = b"<!doctype html><title>Home</title><h1>At home</h1>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            return

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = Server((host, 0), Callback)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{server.server_address[1]}/cb", hits
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.standard("N-05")
@pytest.mark.parametrize(
    "host, further", [("127.0.0.1", "http://localhost:{port}/home"), ("::1", "http://[::1]:{port}/home")]
)
def test_an_app_may_lead_on_to_another_origin(either_page: Page, alice, bob, host, further):
    with leading_on(host, further) as (callback, hits):
        page = sign_in(either_page, alice)
        registered = factories.make_client(bob, redirect_uris=(callback,), confidential=False)
        ask(page, registered, callback)
        page.get_by_role("button", name="Authorize").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("At home")
    assert "code=" in hits[0]


@pytest.mark.standard("N-05")
def test_signing_in_to_a_trusted_app_may_lead_on_to_another_origin(page: Page, alice, bob):
    with leading_on("127.0.0.1", "http://localhost:{port}/home") as (callback, hits):
        registered = factories.make_client(bob, redirect_uris=(callback,), trusted=True)
        ask(page, registered, callback)
        page.get_by_label("Email").fill(alice.email)
        page.get_by_label("Password", exact=True).fill(factories.PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()

        expect(page.get_by_role("heading", level=1)).to_have_text("At home")
    assert "code=" in hits[0]


def test_a_second_click_while_the_callback_is_slow_arrives_too(page: Page, alice, bob):
    with leading_on("127.0.0.1", "http://localhost:{port}/home", slow=True) as (callback, hits):
        sign_in(page, alice)
        registered = factories.make_client(bob, redirect_uris=(callback,), confidential=False)
        ask(page, registered, callback)
        # By script: while a page is being left, Playwright itself clicks on nothing.
        page.get_by_role("button", name="Authorize").evaluate(
            "button => { setTimeout(() => button.click(), 0); setTimeout(() => button.click(), 1000) }"
        )

        expect(page.get_by_role("heading", level=1)).to_have_text("At home")
    assert len(hits) == 2
    assert hits[0] == hits[1]


def test_a_request_that_is_too_long_for_an_address_comes_through_sign_in(either_page: Page, alice, bob):
    page = either_page
    registered = factories.make_client(bob, redirect_uris=(f"{APP}/callback",))
    answer_at_the_app(page)
    ask(page, registered, f"{APP}/callback", state="é" * 1024)
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password", exact=True).fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Authorize").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("At the app")
    assert parse_qs(urlsplit(page.url).query)["state"] == ["é" * 1024]


@pytest.mark.standard("J-04")
def test_a_publisher_from_right_to_left_leaves_the_host_beside_them_as_it_is(page: Page, alice):
    """Digits beside such letters are drawn as if they belonged to them: the host would read otherwise than it is."""
    dana = factories.make_user("dana@example.com", name="דנה לוי")
    app = factories.make_client(dana, name="مفتاح", homepage="https://123.example").client
    sign_in(page, dana)
    page.goto(f"/apps/{app.id}/consent")

    by = page.get_by_text("By דנה")
    ends = """(link) => {
        const range = document.createRange(), drawn = [0, link.textContent.length - 1].map((at) => {
            range.setStart(link.firstChild, at);
            range.setEnd(link.firstChild, at + 1);
            return range.getBoundingClientRect().x;
        });
        return [link.previousElementSibling.getBoundingClientRect().right, ...drawn];
    }"""
    name_ends, first, last = by.get_by_role("link", name="123.example").evaluate(ends)
    assert name_ends < first < last
