import re

import pytest

from latchkey.settings import Settings
from tests import pages
from tests.factories import make_user


def test_whoever_is_signed_out_finds_the_ways_in(client):
    page = client.get("/")

    assert page.status_code == 200
    assert '<a class="btn btn--primary btn--lg" href="/signup">Sign up free</a>' in page.text
    assert 'href="/login">Sign in</a>' in page.text
    assert "Welcome" not in page.text


@pytest.mark.parametrize(
    "name, said",
    [
        pytest.param("", "Hand out keys.<br>Take them back.", id="built in"),
        pytest.param("Acme", "Call the Acme API.", marks=pytest.mark.settings(brand_name="Acme"), id="another"),
    ],
)
def test_the_portal_of_a_company_speaks_of_the_companys_api(client, name, said):
    page = client.get("/").text

    assert f'id="h">{said}</h1>' in page
    assert name in page


def test_whoever_is_signed_in_is_welcomed_and_shown_where_to_begin(signed_in, settings: Settings):
    page = signed_in.get("/")

    assert ">Welcome, Alice</h1>" in page.text
    link = re.search(r'<a [^>]*href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?Create a Token</a>', page.text)
    assert link.group(1) == "/tokens"
    assert f"curl {settings.base_url}/v1/me" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Robots-Tag"] == "noindex"


def test_a_name_is_shown_as_it_was_typed(client):
    pages.sign_in(client, make_user(name='<img src=x onerror="alert(1)">'))

    page = client.get("/").text

    assert "<img" not in page
    assert "Welcome, &lt;img src=x onerror=&#34;alert(1)&#34;&gt;" in page


def test_an_unverified_user_can_look_round_and_is_told_what_is_missing(client):
    pages.sign_in(client, make_user(verified=False))

    page = client.get("/").text

    assert "Verify your e-mail address." in page
    assert 'action="/verify-email"' in page


@pytest.mark.settings(signup="invite")
def test_nobody_is_asked_to_sign_up_where_accounts_are_by_invitation(client):
    assert "Sign up free" not in client.get("/").text
    assert "Create an account" not in client.get("/login").text
