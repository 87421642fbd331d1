"""Renewing a token in the portal: its new end, the former string beside it, a later end, other addresses."""

import html
import re
from datetime import timedelta

import pytest

from latchkey import tokens
from latchkey.tokens import Renewal, Token, access, usage
from latchkey.worker import ended
from tests import pages
from tests.bearers import fault
from tests.factories import make_token

DAY = timedelta(days=1)


def shown(page):
    found = re.search(r"lk_dev_[0-9A-Za-z]{36}", page.text)
    assert found, page.text[:1500]
    return found[0]


def regenerate(client, token, **fields):
    here = f"/tokens/{token.id}/regenerate"
    return client.post(here, data=filled(client.get(here)) | fields)


def filled(page):
    return {"csrf_token": pages.csrf(page), "form_id": pages.hidden(page, "form_id")}


def save(client, token, **fields):
    given = {"description": token.description, "scope": sorted(token.scopes)} | fields
    return pages.submit(client, f"/tokens/{token.id}/edit", **given)


def words(page):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def stored(db, token):
    db.expire_all()
    return db.get_one(Token, token.id)


@pytest.mark.standard("I-09")
def test_the_form_offers_the_length_of_before_and_stopping_at_once(signed_in, alice):
    token = make_token(alice, lifetime=365 * DAY).token

    page = signed_in.get(f"/tokens/{token.id}/regenerate")

    assert re.search(r'value="same"[^>]* checked>In 1 year, as before', page.text)
    assert re.search(r'name="keep" value="0" checked', page.text)
    for said in ("Not at all", "1 hour", "24 hours", "7 days", "The old one was never used."):
        assert said in words(page)


@pytest.mark.parametrize(
    "fields, days",
    [({}, 30), ({"expires": "7"}, 7), ({"expires": "never"}, None), ({"expires": "same"}, 30)],
)
def test_the_new_end_is_as_chosen(signed_in, alice, clock, fields, days):
    token = make_token(alice, lifetime=30 * DAY).token
    clock.move(minutes=10)

    plaintext = shown(regenerate(signed_in, token, **fields))

    assert access.admit(plaintext).expires_at == (None if days is None else clock.now() + days * DAY)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "fields",
    [{"expires": "x"}, {"expires": "4000"}, {"expires": "date", "until": "2020-01-01"}, {"keep": "60"}, {"keep": "x"}],
)
def test_another_choice_than_those_offered_changes_nothing(signed_in, alice, fields):
    token, plaintext = make_token(alice)

    assert regenerate(signed_in, token, **fields).status_code == 422
    assert fault(plaintext) == ""


def test_an_expired_token_is_regenerated_from_its_page(signed_in, alice, clock, mailbox):
    token, old = make_token(alice, description="Import script", lifetime=DAY)
    clock.move(days=2)
    signed_in = pages.sign_in(signed_in, alice)

    page = signed_in.get(f"/tokens/{token.id}")
    assert "It stopped working on" in words(page)
    assert f'href="/tokens/{token.id}/regenerate"' in page.text
    assert "Keep the old one" not in words(signed_in.get(f"/tokens/{token.id}/regenerate"))
    new = shown(regenerate(signed_in, token, keep="604800"))

    assert access.admit(new).token_id == token.id
    assert fault(old) == "revoked"
    assert "Import script" in mailbox.last("alice@example.com").text


def test_a_token_for_some_addresses_says_so_beside_the_call_to_try(signed_in, alice):
    token, _ = make_token(alice, addresses=["203.0.113.0/24"])

    assert "It works from 203.0.113.0/24 only" in words(regenerate(signed_in, token))


def test_both_strings_are_shown_and_the_former_one_is_ended(signed_in, alice, db, clock):
    token, old = make_token(alice)
    made = regenerate(signed_in, token, keep="86400")
    new = shown(made)
    assert "The former one works until" in words(made)
    assert "has stopped working" not in words(made)
    assert "has stopped working" in words(regenerate(signed_in, make_token(alice)[0], keep="0"))

    here = f"/tokens/{token.id}"
    page = signed_in.get(here)
    assert "Two tokens work now" in words(page)
    assert f"Not used since. …{old[-4:]} Never used." in words(page)
    clock.move(minutes=5)
    access.admit(old)
    usage.flush()
    db.expire_all()
    assert f"Still used. …{old[-4:]} Last" in words(signed_in.get(here))

    ended = signed_in.post(f"{here}/former/end", data={"csrf_token": pages.csrf(page)})

    assert (ended.status_code, ended.location) == (303, here)
    assert [fault(old), fault(new)] == ["revoked", ""]
    assert "Two tokens work now" not in signed_in.get(here).text
    # The token itself goes on: nothing says that it was revoked.
    told = words(signed_in.get("/activity"))
    assert "You ended the former token of" in told
    assert "You revoked the token" not in told
    assert signed_in.post(f"{here}/former/end", data={"csrf_token": pages.csrf(page)}).status_code == 303


def test_the_former_string_of_a_stranger_is_not_there(signed_in, bob, db):
    token, old = make_token(bob)
    tokens.regenerate(token, Renewal(keep=DAY))
    db.commit()
    former_id = token.replaces_id
    form = {"csrf_token": pages.csrf(signed_in.get("/tokens"))}

    assert signed_in.post(f"/tokens/{token.id}/former/end", data=form).status_code == 404
    assert signed_in.get(f"/tokens/{former_id}").status_code == 404
    assert fault(old) == ""


def test_a_former_string_has_no_page_and_no_form_of_its_own(signed_in, alice, db):
    token, old = make_token(alice)
    tokens.regenerate(token, Renewal(keep=DAY))
    db.commit()

    for path in ("", "/edit", "/regenerate", "/revoke"):
        assert signed_in.get(f"/tokens/{token.replaces_id}{path}").status_code == 404
    found = signed_in.post("/tokens/find", data={"csrf_token": pages.csrf(signed_in.get("/tokens")), "token": old})
    assert found.location == f"/tokens/{token.id}"
    assert "still works" in signed_in.get(found.location).text


def test_a_child_is_not_regenerated_past_its_parent(signed_in, alice):
    parent = make_token(alice, scopes=["tokens:write"], lifetime=10 * DAY).token
    child = make_token(alice, description="Child", scopes=["tokens:write"], parent=parent, lifetime=9 * DAY).token

    refused = regenerate(signed_in, child, expires="30")
    assert refused.status_code == 422
    assert "no longer than the one that made it" in refused.text
    assert shown(regenerate(signed_in, child))


def test_it_is_told_how_long_what_has_ended_is_kept(signed_in, alice, db, clock):
    token, _ = make_token(alice, lifetime=200 * DAY)
    regenerate(signed_in, token, keep="0")
    gone = clock.now() + tokens.KEPT

    here = words(signed_in.get(f"/tokens/{token.id}"))
    assert f"What is known of it is kept until {gone.day} {gone:%B %Y} ." in here
    assert "Kept until" not in here

    tokens.revoke(token)
    db.commit()
    assert f"Kept until {gone.day} {gone:%B %Y}" in words(signed_in.get(f"/tokens/{token.id}"))
    clock.move(days=90, minutes=1)
    while ended.purge():
        db.commit()
    db.commit()
    assert signed_in.get(f"/tokens/{token.id}").status_code in (303, 404)


@pytest.mark.standard("L-09")
@pytest.mark.parametrize(
    "fields", [{"expires": "365"}, {"expires": "never"}, {"allowed_addresses": ""}, {"allowed_addresses": "0.0.0.0/0"}]
)
def test_a_later_end_and_more_addresses_take_fresh_proof(signed_in, alice, db, clock, fields):
    token = make_token(alice, lifetime=30 * DAY, addresses=["203.0.113.0/24"]).token
    before = (token.expires_at, token.allowed_addresses)
    clock.move(minutes=16)

    asked = save(signed_in, token, **fields)

    assert pages.asks_for_proof(asked)
    kept = stored(db, token)
    assert (kept.expires_at, kept.allowed_addresses) == before
    assert signed_in.get(pages.prove(signed_in, asked).location).status_code == 200
    assert save(signed_in, token, **fields).status_code == 303
    kept = stored(db, token)
    assert (kept.expires_at, kept.allowed_addresses) != before


def test_a_later_end_is_told_by_letter(signed_in, alice, mailbox):
    token = make_token(alice, lifetime=30 * DAY).token

    assert save(signed_in, token, expires="365").status_code == 303

    assert "works longer or from more places" in mailbox.last("alice@example.com").subject
    assert "work longer or from more places" in words(signed_in.get(f"/tokens/{token.id}"))


def test_an_earlier_end_and_fewer_addresses_take_nothing(signed_in, alice, db, clock, mailbox):
    token = make_token(alice, lifetime=30 * DAY).token
    clock.move(minutes=16)

    answer = save(signed_in, token, expires="7", allowed_addresses="203.0.113.9\n2001:db8::/48")

    assert answer.status_code == 303
    kept = stored(db, token)
    assert kept.expires_at == clock.now() + 7 * DAY
    assert kept.allowed_addresses == "203.0.113.9/32 2001:db8::/48"
    assert mailbox.letters("alice@example.com") == []
    assert "203.0.113.9/32, 2001:db8::/48" in words(signed_in.get(f"/tokens/{token.id}"))


def test_what_the_form_does_not_send_stays(signed_in, alice, db):
    token = make_token(alice, addresses=["203.0.113.0/24"]).token
    before = (token.expires_at, token.allowed_addresses)

    assert save(signed_in, token, description="Other").status_code == 303

    kept = stored(db, token)
    assert (kept.expires_at, kept.allowed_addresses, kept.description) == (*before, "Other")


@pytest.mark.parametrize("typed", ["x", "203.0.113.9/24", "1.2.3.4 " * 51, "y" * 4_001])
@pytest.mark.parametrize("page", ["new", "edit"])
def test_what_is_no_range_is_said_beside_the_field(signed_in, alice, db, typed, page):
    token = make_token(alice).token
    fields = {"description": "Other", "scope": "account:read", "allowed_addresses": typed}
    path = "/tokens/new" if page == "new" else f"/tokens/{token.id}/edit"
    asked = signed_in.get(path)

    answer = signed_in.post(path, data=fields | {"csrf_token": pages.csrf(asked), "expires": "7"})

    assert answer.status_code == 422
    if len(set(typed.split())) > 1 or len(typed) < 50:
        assert 'id="allowed_addresses-error"' in answer.text
    assert stored(db, token).allowed_addresses is None


@pytest.mark.standard("I-12")
def test_a_token_is_made_for_some_addresses_and_its_summary_shows_it_works(signed_in, alice):
    asked = signed_in.get("/tokens/new")
    fields = {"description": "Bound", "scope": "account:read", "expires": "7", "allowed_addresses": "203.0.113.0/24"}

    page = signed_in.post("/tokens/new", data=fields | filled(asked))

    assert "Detected scopes" in page.text
    assert fault(shown(page)) == "unknown"
    assert tokens.page(alice).tokens[0].allowed_addresses == "203.0.113.0/24"


def test_a_token_that_nobody_uses_is_marked(signed_in, alice, clock):
    token = make_token(alice, lifetime=None).token
    assert "Not used for 90 days" not in signed_in.get(f"/tokens/{token.id}").text

    clock.move(days=90)

    signed_in = pages.sign_in(signed_in, alice)
    assert "Not used for 90 days" in signed_in.get(f"/tokens/{token.id}").text
