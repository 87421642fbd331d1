"""A tool without a browser, which is Authlib's client, and the browser in which somebody types its code."""

from urllib.parse import urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from playwright.sync_api import Page, expect

from latchkey.accounts.users import User
from tests import factories
from tests.browser.conftest import assert_accessible, assert_fits, sign_in
from tests.oauth.dance import DEVICE


@pytest.fixture(params=[(1280, True), (390, True), (390, False)], ids=["wide", "narrow", "without script"])
def window(request, open_context) -> tuple[Page, bool]:
    width, script = request.param
    return open_context(viewport={"width": width, "height": 800}, java_script_enabled=script).new_page(), script


def looked_at(page: Page, script: bool) -> None:
    if script:
        assert_accessible(page)
    assert_fits(page)


def test_whoever_is_signed_out_reads_what_they_sign_in_for_and_finds_the_code_filled_in(window, alice: User):
    page, script = window
    page.goto("/device?user_code=BCDF-GHJK")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to connect a device")
    expect(page.get_by_text("Only type a code that you asked for yourself.")).to_be_visible()
    looked_at(page, script)

    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password", exact=True).fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect a device")
    expect(page.get_by_label("Code")).to_have_value("BCDF-GHJK")


@pytest.mark.standard("Q-04", "Q-05")
def test_a_tool_is_signed_in_by_its_code(window, live_server, alice: User, bob: User):
    page, script = window
    tool = factories.make_client(bob, name="Fieldnotes CLI", confidential=False, device_flow=True)
    metadata = requests.get(f"{live_server.url}/.well-known/oauth-authorization-server", timeout=60).json()
    begun = requests.post(
        live_server.url + urlsplit(metadata["device_authorization_endpoint"]).path,
        data={"client_id": tool.client.id, "scope": "account:read"},
        timeout=60,
    ).json()
    client = OAuth2Session(tool.client.id, token_endpoint_auth_method="none")

    def ask() -> dict[str, str]:
        return client.fetch_token(f"{live_server.url}/oauth/token", grant_type=DEVICE, device_code=begun["device_code"])

    with pytest.raises(OAuthError, match="authorization_pending"):
        ask()
    sign_in(page, alice)
    page.goto(f"/device?user_code={begun['user_code']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Connect a device")
    expect(page.get_by_label("Code")).to_have_value(begun["user_code"])
    looked_at(page, script)
    page.get_by_role("button", name="Continue").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Fieldnotes CLI wants to use your Latchkey account")
    expect(page.get_by_text(begun["user_code"])).to_be_visible()
    expect(page.get_by_text("Only continue if you started this yourself.")).to_be_visible()
    looked_at(page, script)
    page.get_by_role("button", name="Authorize").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Your device is signed in")
    looked_at(page, script)
    token = ask()["access_token"]
    me = requests.get(f"{live_server.url}/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert me.json()["email"] == alice.email
