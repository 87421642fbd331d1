"""How many refresh tokens are kept of a sign-in that an app refreshes without end (E-05, E-14)."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from latchkey import clock, credentials, ids, tokens
from latchkey.credentials import Kind
from latchkey.grants import EndReason, Grant
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.store.session import db
from latchkey.tokens import Token
from latchkey.tokens.issued import room
from latchkey.tokens.issued.room import Bounds
from latchkey.worker import loop
from tests import factories
from tests.oauth import dance


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Five are kept, those before them go however young they are, and every use is looked at."""
    monkeypatch.setattr(room, "OF_ONE", Bounds(5, timedelta(0)))
    monkeypatch.setattr(room, "LOOKED_AT", "")


def refreshed(caller, app, issued, times):
    """The refresh tokens of a sign-in that goes on, the oldest first."""
    kept = [issued["refresh_token"]]
    for _ in range(times):
        kept.append(dance.refresh(caller, app, kept[-1]).json["refresh_token"])
    return kept


def used_long_ago(like, count):
    """Refresh tokens of the same sign-in that were used before it."""
    same = {column: getattr(like, column) for column in ("kind", "last4", "user_id", "grant_id", "scope")}
    then = clock.now() - timedelta(days=1)
    made = {"created_at": then, "created_address": "", "created_agent": "", "expires_at": then, "consumed_at": then}
    key = ids.first("tok", then)
    rows = [{"id": f"{key}{n:016x}", "digest": credentials.digest(f"{n}")} for n in range(count)]
    db.execute(insert(Token), [same | made | row for row in rows])
    db.commit()


def write(app):
    """What a server process does once a second."""
    with app.app_context():
        loop._write_uses()


@pytest.fixture
def hurried(app, signed_in, caller, example_client, monkeypatch):
    """The first and last refresh tokens of a sign-in with more of them than are kept in its time."""
    monkeypatch.setattr(room, "OF_ONE", Bounds(5, timedelta(days=30)))
    first, *_, last = refreshed(caller, example_client, dance.tokens(signed_in, example_client), 9)
    return first, last


def of_kind(kind):
    return db.scalar(select(func.count()).where(Token.kind == kind))


@pytest.mark.standard("E-14")
def test_an_app_that_refreshes_without_end_does_not_fill_the_table(signed_in, caller, example_client, clock):
    issued = dance.tokens(signed_in, example_client)
    for _ in range(3):
        *_, newest = refreshed(caller, example_client, issued, 10)
        issued = {"refresh_token": newest}
        clock.move(hours=2)
        loop._write_uses()

    assert of_kind(Kind.REFRESH) == 5
    assert of_kind(Kind.ACCESS) <= 5
    assert dance.refresh(caller, example_client, newest).status_code == 200


@pytest.mark.standard("E-05")
def test_a_replay_of_one_that_is_kept_still_ends_the_sign_in(signed_in, caller, example_client):
    all_of_them = refreshed(caller, example_client, dance.tokens(signed_in, example_client), 9)
    room.make()

    answer = dance.refresh(caller, example_client, all_of_them[-5])

    assert answer.json["error"] == "invalid_grant"
    assert dance.refresh(caller, example_client, all_of_them[-1]).json["error"] == "invalid_grant"


def test_one_that_is_kept_no_more_is_refused_and_ends_nothing(signed_in, caller, example_client):
    all_of_them = refreshed(caller, example_client, dance.tokens(signed_in, example_client), 9)
    room.make()

    answer = dance.refresh(caller, example_client, all_of_them[0])

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")
    assert dance.refresh(caller, example_client, all_of_them[-1]).status_code == 200


def test_what_still_works_stays_however_old_it_is(signed_in, caller, example_client):
    issued = dance.tokens(signed_in, example_client)
    refreshed(caller, example_client, issued, 9)
    room.make()

    assert dance.works(caller, issued["access_token"])


def test_another_sign_in_keeps_all_of_its_own(signed_in, caller, bob, example_client):
    other = factories.make_client(bob, name="Other")
    kept = refreshed(caller, other, dance.tokens(signed_in, other), 4)
    room.make()
    refreshed(caller, example_client, dance.tokens(signed_in, example_client), 9)
    room.make()

    assert dance.refresh(caller, other, kept[0]).json["error"] == "invalid_grant"
    assert dance.refresh(caller, other, kept[-1]).json["error"] == "invalid_grant"


def test_of_somebody_with_very_many_a_sign_in_keeps_fewer(signed_in, caller, example_client, monkeypatch):
    monkeypatch.setattr(room, "MANY_OF_USER", 4)
    monkeypatch.setattr(room, "OF_ONE_OF_MANY", Bounds(2, timedelta(0)))
    refreshed(caller, example_client, dance.tokens(signed_in, example_client), 4)
    room.make()

    assert of_kind(Kind.REFRESH) == 2


def test_more_than_a_second_s_work_is_left_to_the_next_one(signed_in, caller, example_client, monkeypatch):
    monkeypatch.setattr(room, "MOST_PARTS", 1)
    *_, newest = refreshed(caller, example_client, dance.tokens(signed_in, example_client), 1)
    used_long_ago(tokens.find(newest, Kind.REFRESH), 250)
    refreshed(caller, example_client, {"refresh_token": newest}, 1)
    left = []
    for _ in range(4):
        room.make()
        left.append(of_kind(Kind.REFRESH))

    assert left == [153, 53, 5, 5]


@pytest.mark.standard("E-05")
def test_a_thief_who_refreshes_on_gets_rid_of_no_replay(app, caller, example_client, hurried):
    """Whoever had it came with a token that was unknown by then, and the thief was told nothing."""
    mine, stolen = hurried

    write(app)

    for token in (mine, stolen):
        assert dance.refresh(caller, example_client, token).json["error"] == "invalid_grant"
    assert db.scalars(select(Grant.end_reason)).all() == [EndReason.ENDLESS]


def test_whose_sign_in_ended_so_is_told_once(app, alice, mailbox, hurried):
    for _ in range(3):
        write(app)

    assert len(activity.list_for(alice, kinds=[EventKind.REFRESHED_WITHOUT_END])) == 1
    told = [letter for letter in mailbox.letters(alice.email) if letter.subject.startswith("We signed an app out")]
    assert len(told) == 1
    assert "Example" in told[0].text


def test_what_is_left_of_a_sign_in_that_ended_so_goes(app, hurried):
    for _ in range(2):
        write(app)

    assert of_kind(Kind.REFRESH) == 1


def test_an_app_that_takes_its_time_is_signed_out_of_nothing(signed_in, caller, example_client, monkeypatch, clock):
    monkeypatch.setattr(room, "OF_ONE", Bounds(5, timedelta(days=30)))
    newest = dance.tokens(signed_in, example_client)["refresh_token"]
    for _ in range(12):
        clock.move(days=7)
        *_, newest = refreshed(caller, example_client, {"refresh_token": newest}, 1)
        loop._write_uses()

    assert dance.refresh(caller, example_client, newest).status_code == 200
    assert of_kind(Kind.REFRESH) <= 7
