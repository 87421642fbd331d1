import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from latchkey.accounts import links, users
from latchkey.accounts.links import Link, Purpose
from latchkey.store.session import db as session


@pytest.fixture
def link(db, alice):
    plaintext = links.issue(alice, Purpose.RESET_PASSWORD)
    db.commit()
    return plaintext


def test_a_link_opens_what_it_was_made_for_once(db, alice, link):
    redeemed = links.redeem(link, Purpose.RESET_PASSWORD)
    db.commit()

    assert (redeemed.user, redeemed.email) == (alice, "alice@example.com")
    assert links.redeem(link, Purpose.RESET_PASSWORD) is None
    assert links.peek(link, Purpose.RESET_PASSWORD) is None
    assert links.find(link, Purpose.RESET_PASSWORD).used_at is not None


@pytest.mark.standard("E-02")
def test_only_a_digest_of_it_is_kept(db, link):
    kept = db.scalar(select(Link))

    assert len(link) >= 43
    assert link not in [str(getattr(kept, column.name)) for column in Link.__table__.columns]


@pytest.mark.parametrize("purpose", [Purpose.VERIFY_EMAIL, Purpose.CHANGE_EMAIL])
def test_a_link_for_one_thing_opens_nothing_else(db, link, purpose):
    assert links.peek(link, purpose) is None
    assert links.redeem(link, purpose) is None
    assert links.find(link, purpose) is None


@pytest.mark.parametrize("text", ["", "x", "\x00", "ü", "a" * 10_000])
def test_anything_else_opens_nothing(link, text):
    assert links.redeem(text, Purpose.RESET_PASSWORD) is None


@pytest.mark.parametrize(
    "purpose, lifetime",
    [
        (Purpose.RESET_PASSWORD, {"minutes": 30}),
        (Purpose.VERIFY_EMAIL, {"hours": 24}),
        (Purpose.CHANGE_EMAIL, {"hours": 24}),
    ],
)
def test_links_expire(db, clock, alice, purpose, lifetime):
    plaintext = links.issue(alice, purpose)
    db.commit()

    clock.move(**lifetime)
    clock.move(seconds=-1)
    assert links.peek(plaintext, purpose) is not None
    clock.move(seconds=1)

    assert links.redeem(plaintext, purpose) is None


def test_a_newer_link_replaces_the_older_one_for_the_same_purpose(db, alice, bob, link):
    his = links.issue(bob, Purpose.RESET_PASSWORD)
    other = links.issue(alice, Purpose.VERIFY_EMAIL)
    newer = links.issue(alice, Purpose.RESET_PASSWORD)
    db.commit()

    assert links.peek(link, Purpose.RESET_PASSWORD) is None
    assert links.peek(newer, Purpose.RESET_PASSWORD) is not None
    assert links.peek(other, Purpose.VERIFY_EMAIL) is not None
    assert links.peek(his, Purpose.RESET_PASSWORD) is not None


def test_what_waits_for_a_link_is_known_until_it_is_used(db, alice):
    assert links.waiting(alice, Purpose.CHANGE_EMAIL) is None
    plaintext = links.issue(alice, Purpose.CHANGE_EMAIL, email="new@example.com", next_path="/tokens")
    db.commit()

    waiting = links.waiting(alice, Purpose.CHANGE_EMAIL)
    links.redeem(plaintext, Purpose.CHANGE_EMAIL)
    db.commit()

    assert (waiting.email, waiting.next_path) == ("new@example.com", "/tokens")
    assert links.waiting(alice, Purpose.CHANGE_EMAIL) is None


def test_a_link_of_a_disabled_user_opens_nothing(db, alice, link):
    users.disable(alice)
    db.commit()

    assert links.redeem(link, Purpose.RESET_PASSWORD) is None


def test_old_links_are_purged_long_after_they_expired(db, clock, alice, link):
    clock.move(days=7)
    links.purge()
    db.commit()
    assert links.find(link, Purpose.RESET_PASSWORD) is not None
    clock.move(hours=1)

    links.purge()
    db.commit()

    assert links.find(link, Purpose.RESET_PASSWORD) is None


def test_of_twenty_who_redeem_a_link_at_once_one_succeeds(db, link):
    barrier = threading.Barrier(20)

    def redeem(_):
        barrier.wait()
        found = links.redeem(link, Purpose.RESET_PASSWORD)
        session.commit()
        session.remove()
        return found is not None

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(redeem, range(20)))

    assert sorted(results) == [False] * 19 + [True]
