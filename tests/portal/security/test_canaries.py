"""Canary tokens: a thief learns nothing, and their owner learns of the thief."""

import re

import pytest
from sqlalchemy import func, select

from latchkey import credentials, tokens
from latchkey.credentials import Kind
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.store.session import db as session
from latchkey.tokens import canaries
from latchkey.tokens.canaries import Canary
from latchkey.worker import alarms
from tests import pages
from tests.crowd import at_once
from tests.factories import make_token
from tests.oauth import dance
from tests.statements import counted

THIEF = {"REMOTE_ADDR": "203.0.113.77"}


@pytest.fixture
def canary(alice):
    canaries.taken()
    _, plaintext = canaries.make(alice, "Old laptop")
    session.commit()
    yield plaintext
    canaries.taken()


def attempt(app, plaintext, path="/v1/me", **more):
    headers = {"Authorization": f"Bearer {plaintext}", "User-Agent": "stolen-tool/1.0"}
    return app.test_client().get(path, headers=headers, environ_overrides=THIEF, **more)


def sound(app):
    with app.app_context():
        alarms.sound()


def alike(answer):
    """All that a thief reads of an answer, but for the number of the request."""
    names = {name: value for name, value in answer.headers.items() if name not in ("X-Request-Id", "Date")}
    return answer.status_code, names, re.sub(r'"(request_id|instance)": ?"[^"]*"', "", answer.text)


@pytest.mark.standard("I-02")
@pytest.mark.parametrize("path", ["/v1/me", "/v1/token", "/v1/tokens", "/oauth/check", "/oauth/check?scope=x:y"])
def test_it_is_answered_as_an_unknown_token_is(app, canary, path):
    unknown = credentials.generate(Kind.DEVELOPER)

    assert alike(attempt(app, canary, path)) == alike(attempt(app, unknown, path))


def test_introspection_says_no_more(app, canary, example_client):
    for plaintext in (canary, credentials.generate(Kind.DEVELOPER)):
        answer = dance.post(app.test_client(), "/oauth/introspect", example_client, token=plaintext)
        assert answer.get_json() == {"active": False}
    assert len(canaries.taken()) == 1


@pytest.mark.standard("I-10")
def test_who_reports_one_as_found_is_told_what_all_are_and_its_owner_learns_of_it(app, canary, alice, mailbox):
    for plaintext in (credentials.generate(Kind.DEVELOPER), canary):
        found = {"credentials": [plaintext]}
        answer = app.test_client().post("/v1/credentials/revoke", json=found, environ_overrides=THIEF)
        assert answer.status_code == 202
    sound(app)

    assert "203.0.113.77" in mailbox.last(alice.email).text


def test_it_looks_like_any_token(canary):
    assert credentials.kind_of(canary) is Kind.DEVELOPER


def test_its_owner_is_told_from_where_and_by_what(app, canary, alice, mailbox):
    attempt(app, canary)
    sound(app)

    letter = mailbox.last(alice.email)
    assert letter.subject == "Your canary was tried: Old laptop"
    assert "203.0.113.77" in letter.text
    assert "stolen-tool" in letter.text
    assert canary not in letter.text
    (told,) = activity.list_for(alice, kinds=(EventKind.CANARY_TRIED,))
    assert (told.address, told.agent) == ("203.0.113.77", "stolen-tool/1.0")
    assert told.suspicious


def test_later_tries_bring_at_most_a_letter_a_day(app, canary, alice, mailbox, clock):
    for _ in range(20):
        attempt(app, canary)
        sound(app)
    first = len(mailbox.letters(alice.email))
    clock.move(hours=23)
    attempt(app, canary)
    sound(app)
    same_day = len(mailbox.letters(alice.email))
    clock.move(hours=2)
    attempt(app, canary)
    sound(app)

    assert [first, same_day, len(mailbox.letters(alice.email))] == [1, 1, 2]
    assert session.scalar(select(Canary.last_used_at)) == clock.now()


def test_tried_at_once_in_many_processes_it_is_told_once(app, canary, alice):
    """Each thread writes a try of its own, as processes do."""
    attempt(app, canary)
    (use,) = canaries.taken()

    def write():
        with app.app_context():
            new = canaries.used(use) is not None
            session.commit()
            return new

    assert at_once(*[write] * 8).count(True) == 1


def test_what_could_not_be_written_stays_noted(app, canary, monkeypatch):
    attempt(app, canary)
    monkeypatch.setattr(canaries, "used", lambda _use: session.execute(select(func.nothing_of_this_name())))

    with pytest.raises(Exception, match="nothing_of_this_name"):
        sound(app)

    assert len(canaries.taken()) == 1


@pytest.mark.standard("H-04")
def test_the_ordinary_call_costs_nothing_more_and_nothing_is_written(app, canary, alice, monkeypatch):
    token = make_token(alice).plaintext
    attempt(app, token)
    told = counted(monkeypatch)

    attempt(app, token)
    ordinary = [text.split()[0] for text in told]
    told.clear()
    attempt(app, canary)
    tried = [text.split()[0] for text in told]
    told.clear()
    attempt(app, credentials.generate(Kind.DEVELOPER))

    assert ordinary == ["SELECT"]
    assert tried == [text.split()[0] for text in told] == ["SELECT", "SELECT"]


def test_whoever_explains_a_request_does_not_try_it(signed_in, canary):
    pages.submit(signed_in, "/docs/explain", text=f"curl -H 'Authorization: Bearer {canary}' http://localhost/v1/me")

    assert canaries.taken() == []


@pytest.mark.standard("I-03")
def test_it_is_made_in_the_portal_and_shown_once(signed_in, alice):
    made = pages.submit(signed_in, "/canaries", description="Backup of 2025")
    again = signed_in.get("/canaries")

    plaintext = re.search(r"lk_dev_[0-9A-Za-z]{36}", made.text)[0]
    assert made.headers["Cache-Control"] == "no-store"
    assert plaintext not in again.text
    assert "Backup of 2025" in again.text
    assert "Never tried" in again.text
    assert tokens.find(plaintext) is None
    assert tokens.page(alice).tokens == []


def test_there_is_a_ceiling_and_a_name_is_needed(signed_in, alice, monkeypatch):
    monkeypatch.setattr(canaries, "MOST", 2)
    statuses = [pages.submit(signed_in, "/canaries", description=f"Place {n}").status_code for n in range(3)]

    assert statuses == [200, 200, 422]
    assert pages.submit(signed_in, "/canaries", description=" ").status_code == 422
    assert pages.submit(signed_in, "/canaries", description="x" * 81).status_code == 422
    assert len(canaries.list_for(alice)) == 2


def test_one_that_was_removed_tells_nobody_and_nobody_removes_anothers(app, signed_in, canary, alice, bob):
    (kept,) = canaries.list_for(alice)
    his = pages.sign_in(app.test_client(), bob)
    stranger = pages.submit(his, f"/canaries/{kept.id}/remove", form="/canaries")
    pages.submit(signed_in, f"/canaries/{kept.id}/remove", form="/canaries")

    attempt(app, canary)

    assert stranger.status_code == 404
    assert canaries.list_for(alice) == []
    assert canaries.taken() == []


@pytest.mark.standard("L-09")
def test_whoever_took_over_a_browser_removes_none_without_showing_who_they_are(signed_in, canary, alice, clock):
    (kept,) = canaries.list_for(alice)
    clock.move(minutes=16)

    form = {"csrf_token": pages.csrf(signed_in.get("/canaries"))}
    there = {"Referer": "http://localhost/canaries"}
    asked = signed_in.post(f"/canaries/{kept.id}/remove", data=form, headers=there)

    assert asked.status_code == 403
    assert "remove a canary" in asked.text
    assert len(canaries.list_for(alice)) == 1
