"""A new token's form starts from a preset or from another token, by link and by button, and keeps what was typed."""

import re

import pytest

from latchkey import scopes
from latchkey.naming import presets
from tests import factories
from tests.portal.tokens.test_new import HTMX, checked, count, form_of

READ = [name for name in scopes.catalogue() if name.endswith(":read")]


@pytest.fixture
def deploy(instance, settings):
    (instance / "scopes.toml").write_text('[presets."Deploy & <go>"]\nscopes = ["tokens:write", "account:read"]\n')
    presets.load_catalogue(instance)
    yield "Deploy & <go>"
    presets.load_catalogue(instance / "none")


def test_the_form_offers_the_presets_and_the_operators_own(deploy, signed_in):
    page = signed_in.get("/tokens/new").text

    assert [*re.findall(r'value="preset:([^"]+)"', page)] == ["Read only", "Everything", "Deploy &amp; &lt;go&gt;"]
    assert "As another of my tokens" not in page


@pytest.mark.parametrize("name, ticked", [("Read only", READ), ("Everything", list(scopes.catalogue()))])
def test_a_link_starts_from_a_preset(signed_in, name, ticked):
    page = signed_in.get("/tokens/new", query_string={"preset": name, "description": "CI"}).text

    assert checked(page) == ticked
    assert "A link filled this in." in page
    assert 'value="CI"' in page


@pytest.mark.parametrize("partial", [None, HTMX], ids=["page", "partial"])
def test_a_button_starts_from_a_preset_and_keeps_what_was_typed(deploy, signed_in, db, partial):
    typed = form_of(signed_in) | {"description": "Half typ", "expires": "30", "allowed_addresses": "192.0.2.0/24"}
    page = signed_in.post("/tokens/new", data=typed | {"do": f"preset:{deploy}"}, headers=partial)

    assert page.status_code == 200
    assert checked(page.text) == ["account:read", "tokens:write"]
    assert 'value="Half typ"' in page.text
    assert "192.0.2.0/24" in page.text
    assert count(db) == 0


@pytest.mark.parametrize("do", ["preset:", "preset:Nothing", "preset:read only", "like"])
def test_a_preset_that_is_not_there_ticks_nothing_and_makes_nothing(signed_in, db, do):
    page = signed_in.post("/tokens/new", data=form_of(signed_in) | {"do": do})

    assert page.status_code == 200
    assert checked(page.text) == []
    assert count(db) == 0


def test_a_preset_that_a_link_cannot_name_is_left_out_and_said(signed_in):
    page = signed_in.get("/tokens/new?preset=Nothing&scopes=account:read").text

    assert checked(page) == ["account:read"]
    assert "was left out" in page


def test_the_form_starts_from_another_token_by_button_and_by_link(signed_in, alice, db):
    other = factories.make_token(alice, description="Nightly", scopes=["tokens:read", "apps:read"]).token
    page = signed_in.get("/tokens/new").text
    assert re.findall(r'<option value="(tok_\w+)">([^<]*)', page) == [(other.id, "Nightly")]

    by_link = signed_in.get(f"/tokens/new?like={other.id}").text
    by_button = signed_in.post("/tokens/new", data=form_of(signed_in) | {"do": "like", "like": other.id}).text

    assert checked(by_link) == checked(by_button) == ["tokens:read", "apps:read"]
    assert f"/tokens/new?like={other.id}" in signed_in.get(f"/tokens/{other.id}").text
    assert count(db) == 1


def test_another_persons_token_and_one_that_is_not_there_are_answered_alike(signed_in, bob):
    theirs = factories.make_token(bob, description="Secret plan", scopes=["tokens:read"]).token

    answers = [
        signed_in.get(f"/tokens/new?like={which}").text for which in (theirs.id, "tok_0123456789abcdefghijkl", "x")
    ]
    sent = signed_in.post("/tokens/new", data=form_of(signed_in) | {"do": "like", "like": theirs.id}).text

    assert [checked(answer) for answer in (*answers, sent)] == [[], [], [], []]
    assert all("was left out" in answer for answer in answers)
    assert not any("Secret plan" in answer for answer in (*answers, sent))


def test_a_scope_that_left_the_catalogue_is_not_ticked(signed_in, alice, db):
    other = factories.make_token(alice, description="Old", scopes=["tokens:read"]).token
    other.scope = "tokens:read gone:read"
    db.commit()

    assert checked(signed_in.get(f"/tokens/new?like={other.id}").text) == ["tokens:read"]


def test_of_thousands_the_newest_are_offered(signed_in, alice, monkeypatch):
    monkeypatch.setattr("latchkey.tokens.listing.PAGE", 2)
    made = [factories.make_token(alice, description=f"Token {n}").token.id for n in range(3)]

    assert re.findall(r'<option value="(tok_\w+)"', signed_in.get("/tokens/new").text) == sorted(made, reverse=True)[:2]


def test_a_scope_that_needs_approval_is_marked_and_not_ticked_by_looking_only(instance, settings, signed_in):
    (instance / "scopes.toml").write_text(
        '["a:read"]\ntitle = "See"\ndescription = "d"\ngroup = "A"\napproval = true\n'
    )
    presets.load_catalogue(instance)
    try:
        page = signed_in.get("/tokens/new?preset=Read%20only").text
    finally:
        presets.load_catalogue(instance / "none")

    assert checked(page) == READ
    assert "<b>Needs approval.</b> See" in page
