"""Changing a token: free when it can do less afterwards, with the password when it can do more."""

import re

import pytest

from latchkey import scopes, tokens
from latchkey.tokens import access
from tests import pages
from tests.factories import make_token

BOTH = ["account:read", "tokens:read"]


def edit(client, token, **fields):
    given = {"description": token.description, "scope": sorted(token.scopes)} | fields
    return pages.submit(client, f"/tokens/{token.id}/edit", **given)


@pytest.fixture
def token(alice):
    return make_token(alice, description="CI deploy", scopes=BOTH).token


def stored(db, token):
    db.expire_all()
    return db.get_one(tokens.Token, token.id)


def test_the_form_holds_what_the_token_has(signed_in, token):
    page = signed_in.get(f"/tokens/{token.id}/edit").text

    assert 'value="CI deploy"' in page
    assert len(re.findall(r"data-access[^>]* checked", page)) == 2
    assert 'name="password"' not in page


def test_a_description_is_changed(signed_in, token, db):
    answer = edit(signed_in, token, description="  CI deploy, eu ")

    assert (answer.status_code, answer.location) == (303, f"/tokens/{token.id}")
    assert stored(db, token).description == "CI deploy, eu"
    page = signed_in.get(answer.location).text
    assert "Saved “CI deploy, eu”." in page and "You changed the token CI deploy, eu" in page


def test_saving_without_a_change_leaves_no_trace(signed_in, token):
    assert edit(signed_in, token).status_code == 303

    assert "You changed the token" not in signed_in.get(f"/tokens/{token.id}").text


def opened(client, path):
    """What a browser sends of a page that it holds, before anything on it is changed."""
    page = client.get(path).text
    fields = {"csrf_token": pages.csrf(page)}
    fields |= {name: pages.hidden(page, name) for name in re.findall(r'name="(was_\w+)"', page)}
    return fields


@pytest.mark.standard("I-03")
def test_a_page_that_was_opened_before_takes_back_nothing_that_was_changed_since(signed_in, token, db):
    path = f"/tokens/{token.id}/edit"
    old = opened(signed_in, path) | {"description": token.description, "scope": BOTH, "allowed_addresses": ""}
    edit(signed_in, token, scope=["account:read"], allowed_addresses="192.0.2.0/24")

    answer = signed_in.post(path, data=old | {"description": "CI deploy, eu"})

    assert answer.status_code == 303
    now = stored(db, token)
    assert (now.description, now.scopes, now.allowed_addresses) == ("CI deploy, eu", {"account:read"}, "192.0.2.0/24")
    assert "may do more" not in signed_in.get(answer.location).text


def test_of_a_page_that_was_opened_before_what_was_changed_on_it_counts(signed_in, token, db):
    path = f"/tokens/{token.id}/edit"
    old = opened(signed_in, path)
    edit(signed_in, token, description="Renamed", scope=[*BOTH, "apps:read"])

    signed_in.post(path, data=old | {"description": "CI deploy", "scope": ["tokens:read"], "allowed_addresses": ""})

    now = stored(db, token)
    assert (now.description, now.scopes) == ("Renamed", {"tokens:read", "apps:read"})


@pytest.mark.standard("I-03")
def test_a_page_that_comes_back_with_a_fault_takes_back_nothing_either(signed_in, token, db):
    """What it shows by then is what others left, which nobody ticked on it."""
    path = f"/tokens/{token.id}/edit"
    old = opened(signed_in, path)
    edit(signed_in, token, scope=[*BOTH, "apps:read"])
    fault = signed_in.post(path, data=old | {"description": "", "scope": BOTH, "allowed_addresses": ""})
    again = {name: pages.hidden(fault, name) for name in old}
    edit(signed_in, token, scope=["account:read"])

    shown = [*BOTH, "apps:read"]
    signed_in.post(path, data=again | {"description": "Renamed", "scope": shown, "allowed_addresses": ""})

    assert fault.status_code == 422
    now = stored(db, token)
    assert (now.description, now.scopes) == ("Renamed", {"account:read"})


def test_scopes_are_taken_away_without_a_password(signed_in, alice):
    token, plaintext = make_token(alice, scopes=BOTH)

    assert edit(signed_in, token, scope=["account:read"]).status_code == 303

    with pytest.raises(access.ScopeTooNarrow):
        access.admit(plaintext, ["tokens:read"])
    assert ": removed tokens:read" in signed_in.get(f"/tokens/{token.id}").text


@pytest.mark.standard("L-09")
def test_adding_scopes_takes_fresh_proof_and_comes_back_filled_in(signed_in, token, db, clock):
    clock.move(minutes=16)

    asked = edit(signed_in, token, scope=[*BOTH, "account:write"], description="Other")

    assert pages.asks_for_proof(asked)
    assert stored(db, token).scope == "account:read tokens:read"
    assert stored(db, token).description == "CI deploy"
    page = signed_in.get(pages.prove(signed_in, asked).location)
    assert 'value="Other"' in page.text
    assert re.search(r'value="account:write"[^>]* checked', page.text)


def test_added_scopes_work_at_once_and_a_mail_says_so(signed_in, alice, mailbox):
    token, plaintext = make_token(alice, description="CI deploy", scopes=BOTH)

    answer = edit(signed_in, token, scope=[*BOTH, "account:write"])

    assert answer.status_code == 303
    assert access.admit(plaintext, ["account:write"])
    letter = mailbox.last("alice@example.com")
    assert "account:write" in letter.text and "CI deploy" in letter.text
    assert "more scopes: added account:write" in signed_in.get(answer.location).text


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"description": ""}, "Describe what will use this token."),
        ({"description": "a\x00b"}, "cannot be seen"),
        ({"description": "x" * 81}, "80 are the most"),
        ({"scope": []}, "Choose at least one scope."),
        ({"scope": ["evil:scope"]}, "Choose from these scopes only"),
        ({"description": "Taken"}, "You have a token with this description."),
    ],
)
def test_what_is_wrong_stands_beside_the_field_and_nothing_is_changed(signed_in, token, db, fields, said):
    make_token(token.user, description="Taken")

    page = edit(signed_in, token, **({"scope": ["account:read"]} | fields))

    assert page.status_code == 422
    assert said in page.text
    assert (stored(db, token).description, stored(db, token).scope) == ("CI deploy", "account:read tokens:read")


def test_select_all_ticks_everything_and_saves_nothing(signed_in, token, db):
    page = edit(signed_in, token, do="select-all", description="Other")

    assert page.status_code == 200
    assert len(re.findall(r"data-access[^>]* checked", page.text)) == len(scopes.catalogue())
    assert stored(db, token).description == "CI deploy"


def test_a_token_made_by_a_token_never_gets_more_than_that_one_has(signed_in, alice, db):
    parent = make_token(alice, description="Parent", scopes=["tokens:write", "account:read"], lifetime=None).token
    child = make_token(alice, description="Child", scopes=["tokens:write"], parent=parent).token

    page = edit(signed_in, child, scope=["tokens:write", "account:write"])

    assert page.status_code == 422
    assert "does not have all of these" in page.text
    assert stored(db, child).scope == "tokens:write"
    assert edit(signed_in, child, scope=["tokens:write", "account:read"]).status_code == 303
