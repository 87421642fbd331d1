"""A call is refused for want of a scope: `fix_url` leads to where that is mended."""

from urllib.parse import urlsplit

import pytest

from tests import pages
from tests.api.calls import caller, problem


@pytest.fixture
def refusal(app, alice):
    """Alice's token, and where its refusal leads."""
    program = caller(app.test_client(), alice, "account:read", description="Deploy script")
    said = problem(program.patch("/v1/me", {"name": "x"}), 403, "insufficient-scope")
    url = urlsplit(said["fix_url"])
    return program, f"{url.path}?{url.query}"


def test_its_owner_comes_to_this_very_token_with_the_scope_ticked(signed_in, refusal):
    program, address = refusal

    page = signed_in.get(address, follow_redirects=True)

    assert page.request.path == f"/tokens/{program.token_id}/edit"
    assert "A link ticked account:write" in page.get_data(as_text=True)
    problem(program.patch("/v1/me", {"name": "x"}), 403)


def test_its_owner_saves_and_the_call_goes_through(signed_in, refusal):
    program, address = refusal
    edit = signed_in.get(address, follow_redirects=True).request.path
    form = {"description": "Deploy script", "scope": ["account:read", "account:write"]}

    assert pages.submit(signed_in, edit, **form).status_code == 303

    assert program.patch("/v1/me", {"name": "Alicia"}).status_code == 200


def test_anybody_else_comes_to_the_form_for_a_token_of_their_own(app, bob, refusal):
    stranger = pages.sign_in(app.test_client(), bob)

    page = stranger.get(refusal[1])

    assert page.status_code == 200
    assert "A link filled this in" in page.get_data(as_text=True)


@pytest.mark.parametrize("token", ["tok_x", "", "%00", "tok_" + "0" * 28])
def test_a_link_to_no_token_leads_to_the_form(signed_in, token):
    assert signed_in.get(f"/tokens/new?scopes=account:read&token={token}").status_code == 200
