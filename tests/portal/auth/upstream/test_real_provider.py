"""With a certified provider (oidc-provider) that runs in the tests: there, back, proof anew, and its logout."""

import re
from html import unescape
from urllib.parse import urljoin

import pytest
import requests

from tests import pages, servers
from tests.portal.auth.upstream.company import Two, company

pytestmark = [
    pytest.mark.standard("L-13"),
    pytest.mark.own_server,
    pytest.mark.slow("starts a provider and a portal of its own"),
]


@pytest.fixture
def two(tmp_path, settings):
    with company(tmp_path, settings) as running:
        yield running


def form(page: requests.Response) -> tuple[str, dict[str, str]]:
    """Where the page's form goes, and what it holds."""
    action = re.search(r'<form[^>]*action="([^"]+)"', page.text)[1]
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    return urljoin(page.url, unescape(action)), {name: unescape(value) for name, value in hidden}


def go_through(browser: requests.Session, page: requests.Response, two: Two) -> requests.Response:
    """Sign in there as Ada, agree, and come back."""
    while page.url.startswith(two.issuer):
        action, fields = form(page)
        page = browser.post(action, data=fields | {"login": "ada", "password": "x"})
    return page


@pytest.mark.either_database("about what two installations say to each other")
def test_there_and_back_and_proof_anew_and_its_logout(two):
    browser, portal = requests.Session(), two.portal.url

    welcome = go_through(browser, browser.get(f"{portal}/login/oidc?next=/tokens"), two)

    assert welcome.url == f"{portal}/tokens"
    assert "Ada Lindqvist" in browser.get(f"{portal}/settings").text
    # The claim of groups stands at the userinfo endpoint alone.
    assert browser.get(f"{portal}/admin").status_code == 200

    # What is there already signs in without a question, and is no fresh proof.
    page = browser.get(f"{portal}/settings")
    sent = {"csrf_token": pages.csrf(page.text), "email": "new@example.com"}
    asked = browser.post(f"{portal}/settings/email", data=sent, headers={"Referer": f"{portal}/settings"})
    assert asked.status_code == 403
    again = {"csrf_token": pages.csrf(asked.text)} | {
        name: unescape(re.search(rf'name="{name}" value="([^"]*)"', asked.text)[1]) for name in ("next", "kept")
    }
    leaving = browser.post(f"{portal}/login/oidc/again", data=again)
    there = browser.get(unescape(re.search(r'url=([^"]+)"', leaving.text)[1]))
    assert there.url.startswith(two.issuer), "it was not asked anew"
    back = go_through(browser, there, two)
    assert back.url == f"{portal}/settings"
    assert 'value="new@example.com"' in back.text

    # Signed out there is signed out here, without the browser.
    action, fields = form(browser.get(f"{two.issuer}/session/end"))
    browser.post(action, data=fields | {"logout": "yes"})
    servers.wait_until(
        lambda: browser.get(f"{portal}/tokens").url.startswith(f"{portal}/login"), "the end of the session"
    )
