"""Taking one's data along, and what is left of an account that was deleted."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from latchkey import grants, tokens
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.journal.calls import counting
from latchkey.mail import outbox
from latchkey.mail.outbox import Letter
from latchkey.safety import takeaway
from latchkey.store.session import Base
from latchkey.store.session import db as session
from latchkey.tokens import canaries
from tests import pages
from tests.factories import make_client, make_token


def download(browser):
    answer = pages.submit(browser, "/settings/data", form="/settings")
    return answer, json.loads(answer.data) if answer.mimetype == "application/json" else None


@pytest.fixture
def full(alice, bob, example_client):
    """Something in many tables, of hers and of his."""
    plaintext = make_token(alice, description="Nightly backup").plaintext
    make_token(bob, description="His secret plan")
    own = make_client(alice, name="Console")
    grants.allow(alice, example_client.client, ["account:read"])
    grants.allow(bob, own.client, ["account:read"])
    canaries.make(alice, "Old laptop")
    activity.record(alice, EventKind.SIGNED_UP)
    activity.record(bob, EventKind.SIGNED_UP, description="only his")
    session.commit()
    return plaintext, own.secret


@pytest.mark.standard("P-05")
def test_everything_that_is_kept_about_a_person_is_in_the_file(signed_in, alice, full):
    answer, data = download(signed_in)

    assert answer.headers["Content-Disposition"].startswith('attachment; filename="my-data-')
    assert answer.headers["Cache-Control"] == "no-store"
    assert data["user"][0]["email"] == "alice@example.com"
    assert [token["description"] for token in data["token"]] == ["Nightly backup"]
    assert [client["name"] for client in data["client"]] == ["Console"]
    assert len(data["client_secret"]) == len(data["authorization"]) == len(data["grant"]) == len(data["canary"]) == 1
    assert data["browser_session"]
    assert "account.signed_up" in [event["kind"] for event in data["event"]]


@pytest.mark.standard("P-05")
def test_whoever_used_a_token_gets_the_file_with_how_often_on_which_day(client, signed_in, alice, clock):
    used = make_token(alice)
    client.get("/v1/me", headers={"Authorization": f"Bearer {used.plaintext}"})
    counting.flush()

    _, data = download(signed_in)

    assert {row["day"] for row in data["call_count"]} == {f"{clock.now():%Y-%m-%d}"}


@pytest.mark.standard("P-05")
def test_every_table_that_leads_to_a_person_is_in_it(signed_in):
    """Also one that is added tomorrow."""
    _, data = download(signed_in)
    leading = {
        table.name
        for table in Base.metadata.sorted_tables
        if any(key.column.table.name == "user" for key in table.foreign_keys)
    }

    assert leading <= data.keys()


@pytest.mark.standard("P-01")
def test_nothing_in_it_opens_anything_and_nothing_is_anybody_elses(signed_in, alice, bob, full):
    answer, data = download(signed_in)

    for secret in (*full, alice.password_hash):
        assert secret not in answer.text
    assert "His secret plan" not in answer.text
    assert bob.email not in answer.text
    assert "only his" not in answer.text
    names = {name for rows in data.values() if isinstance(rows, list) for row in rows for name in row}
    assert not [name for name in names if re.search("digest|hash|sealed|plaintext|^answer$", name)]
    assert tokens.find(full[0]).digest.hex() not in answer.text


@pytest.mark.standard("A-10")
def test_it_tells_nobody_by_which_machines_letters_go(app, signed_in, alice):
    with app.app_context():
        letter = outbox.post(alice.email, "address_taken")
        letter.claimed_by, letter.last_error = "web-3.internal/4026531836:17", "550 mx.internal says no"
        session.commit()

    answer, data = download(signed_in)

    assert [letter["name"] for letter in data["letter"]] == ["address_taken"]
    assert "internal" not in answer.text


@pytest.mark.standard("L-09", "P-05")
def test_it_takes_fresh_proof(signed_in, clock):
    clock.move(minutes=16)

    answer, data = download(signed_in)

    assert data is None
    assert answer.status_code in (200, 303, 401, 403)
    assert "alice@example.com" not in answer.headers.get("Content-Disposition", "")


def test_opening_its_address_gives_nothing_away(client, signed_in):
    answer = signed_in.get("/settings/data")

    assert (answer.status_code, answer.location) == (303, "/settings#data")


@pytest.mark.standard("P-05")
@pytest.mark.parametrize("comes_by", ["sign_up", "change"])
def test_letters_to_whoever_had_the_address_before_are_not_in_it(app, alice, clock, comes_by):
    before = alice.created_at if comes_by == "change" else alice.created_at - timedelta(days=1)
    with app.app_context():
        theirs = outbox.post(alice.email, "password_changed", at=alice.created_at, place="x", by="you", reason="")
        theirs.created_at = before
        clock.move(days=1)
        if comes_by == "change":
            activity.record(alice, EventKind.EMAIL_CHANGED, old="old@example.com", new=alice.email)
        outbox.post(alice.email, "address_taken")
        session.commit()

    data = json.loads("".join(takeaway.of(alice)))

    assert [letter["name"] for letter in data["letter"]] == ["address_taken"]


def test_it_is_read_in_parts(alice, monkeypatch):
    monkeypatch.setattr(takeaway, "PART", 3)
    for number in range(10):
        activity.record(alice, EventKind.SIGNED_IN, number=number)
    session.commit()

    data = json.loads("".join(takeaway.of(alice)))

    assert [event["detail"]["number"] for event in data["event"]] == list(range(10))


def delete(browser, user):
    return pages.submit(browser, "/settings/delete", form="/settings", email=user.email)


@pytest.mark.standard("P-05", "L-12")
def test_the_letters_of_a_deleted_account_go_too(app, signed_in, alice, bob, mailbox):
    with app.app_context():
        for address in (alice.email, "old@example.com", bob.email):
            outbox.post(address, "password_changed", at=alice.created_at, place="x", by="you", reason="")
        activity.record(alice, EventKind.EMAIL_CHANGED, old="old@example.com", new=alice.email)
        activity.record(alice, EventKind.EMAIL_CHANGED, old=bob.email, new="old@example.com")
        session.commit()
    mailbox.letters()

    assert delete(signed_in, alice).status_code == 303

    left = session.execute(select(Letter.recipient, Letter.name)).all()
    assert sorted(map(tuple, left)) == [(alice.email, "account_deleted"), (bob.email, "password_changed")]
    assert "account" in mailbox.last(alice.email).subject.lower()
    outbox.purge()
    session.commit()
    assert session.scalar(select(func.count()).select_from(Letter).where(Letter.recipient == alice.email)) == 0


@pytest.mark.standard("P-05", "L-12")
def test_no_row_anywhere_names_a_deleted_person(signed_in, alice, full, mailbox):
    user_id, email = alice.id, alice.email
    delete(signed_in, alice)
    mailbox.letters()
    outbox.purge()
    session.commit()

    for table in Base.metadata.sorted_tables:
        for row in session.execute(text(f'SELECT * FROM "{table.name}"')).all():
            told = " ".join(map(str, row))
            # Guards hear for a day that whoever had this id is gone; the id alone says nothing of anybody.
            assert user_id not in told or table.name == "ending", table.name
            assert email not in told, table.name
