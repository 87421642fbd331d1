"""Renewing a token: a new string and end for what stays the same token, and the former string beside it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from latchkey import clients, tokens
from latchkey.accounts import users
from latchkey.safety import leaks
from latchkey.store.session import db as session
from latchkey.tokens import Renewal, Token, access, traces
from tests.bearers import fault
from tests.factories import CALLBACK, make_token

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
NINETY = timedelta(days=90)


def renew(token, **chosen):
    plaintext = tokens.regenerate(token, Renewal(**chosen))
    session.commit()
    return plaintext


def test_a_renewed_token_works_as_long_as_before_from_now_on(db, alice, clock):
    token, old = make_token(alice, lifetime=30 * DAY)
    before = (token.id, token.description, token.scope, token.created_at)
    clock.move(days=20)

    new = renew(token)

    assert (token.id, token.description, token.scope, token.created_at) == before
    assert token.expires_at == clock.now() + 30 * DAY
    assert access.admit(new).token_id == token.id
    assert fault(old) == "revoked"
    assert token.replaces is None
    assert tokens.former(token).last4 == old[-4:]


def test_a_token_without_end_stays_without_unless_told_so(db, alice, clock):
    token, _ = make_token(alice, lifetime=None)

    renew(token)
    assert token.expires_at is None
    renew(token, lifetime=7 * DAY, as_before=False)
    assert (token.expires_at, token.term_seconds) == (clock.now() + 7 * DAY, 7 * 86_400)
    renew(token, lifetime=None, as_before=False)
    assert (token.expires_at, token.term_seconds) == (None, None)


def test_an_expired_token_is_renewed_and_a_revoked_one_never(db, alice, clock):
    expired, old = make_token(alice, lifetime=DAY)
    revoked, _ = make_token(alice)
    tokens.revoke(revoked)
    db.commit()
    clock.move(days=2)

    new = renew(expired, keep=DAY)

    assert fault(new) == ""
    # What had ended stays so: a longer overlap cannot bring it back.
    assert fault(old) == "revoked"
    assert expired.replaces is None
    with pytest.raises(tokens.TokenEnded):
        tokens.regenerate(revoked)


@pytest.mark.settings(quota_tokens=1)
def test_renewing_what_expired_counts_against_the_quota(db, alice, clock):
    expired, _ = make_token(alice, lifetime=HOUR)
    clock.move(hours=2)
    live, _ = make_token(alice, description="Other")

    for token, chosen in ((expired, Renewal()), (live, Renewal(keep=HOUR))):
        with pytest.raises(tokens.listing.QuotaReached):
            tokens.regenerate(token, chosen)
        db.rollback()
    assert renew(live)


@pytest.mark.settings(quota_tokens=1)
def test_one_that_waits_for_approval_has_its_place_in_the_quota_already(db, alice):
    token, _ = make_token(alice)
    token.waiting_since = token.created_at
    db.commit()

    assert renew(token)
    assert token.status == "waiting"


@pytest.mark.standard("I-09")
def test_the_former_string_works_on_beside_the_new_one_for_a_while(db, alice, clock):
    token, old = make_token(alice)
    access.admit(old)

    new = renew(token, keep=DAY)

    former = access.admit(old)
    assert access.admit(new).token_id == token.id
    assert former.token_id == token.replaces.id != token.id
    assert former.family == access.admit(new).family == token.id
    assert token.replaces.expires_at == clock.now() + DAY
    clock.move(days=1)
    assert (fault(old), fault(new)) == ("expired", "")
    assert token.replaces is None


def test_the_former_string_never_outlives_what_it_had_and_a_week(db, alice, clock):
    short, old = make_token(alice, lifetime=HOUR)
    long, _ = make_token(alice, description="Long")

    renew(short, keep=7 * DAY)
    renew(long, keep=700 * DAY)

    assert long.replaces.expires_at == clock.now() + 7 * DAY
    clock.move(hours=1)
    assert fault(old) == "expired"


def test_renewing_again_ends_the_former_string_of_before(db, alice):
    token, first = make_token(alice)

    second = renew(token, keep=DAY)
    third = renew(token, keep=DAY)

    assert [fault(each) for each in (first, second, third)] == ["revoked", "", ""]


def test_what_the_former_string_made_hangs_on_it_and_ends_with_it(db, alice):
    token, old = make_token(alice, scopes=["tokens:write"])
    made, child = make_token(alice, scopes=["tokens:write"], parent=token, lifetime=DAY)

    new = renew(token, keep=DAY)
    db.expire_all()

    assert made.parent_id == token.replaces.id
    assert tokens.children(token) == [made]
    assert fault(child) == ""
    assert tokens.end_former(token).last4 == old[-4:]
    db.commit()
    assert [fault(each) for each in (old, child, new)] == ["revoked", "revoked", ""]
    assert tokens.end_former(token) is None


def test_apps_that_the_former_string_made_are_found_by_it_as_well(db, alice):
    token, _ = make_token(alice, scopes=["apps:write"])
    client, _ = clients.register(
        alice, name="Made", homepage="", redirect_uris=[CALLBACK], scopes=["account:read"], confidential=True
    )
    traces.leave(client, [token], made=True)
    db.commit()

    renew(token, keep=DAY)

    for found in (token, token.replaces):
        assert traces.made_or_changed(found) == [client]


def test_revoking_a_token_ends_its_former_string_and_what_both_made(db, alice):
    token, old = make_token(alice, scopes=["tokens:write"])
    _, older = make_token(alice, scopes=["tokens:write"], parent=token, lifetime=DAY)
    new = renew(token, keep=DAY)
    _, younger = make_token(alice, scopes=["tokens:write"], parent=token, lifetime=DAY)

    tokens.revoke(token)
    db.commit()

    assert [fault(each) for each in (old, new, older, younger)] == ["revoked"] * 4


def test_a_renewed_child_keeps_its_former_string_under_its_parent(db, alice):
    parent, _ = make_token(alice, scopes=["tokens:write"])
    child, old = make_token(alice, scopes=["tokens:write"], parent=parent, lifetime=DAY)

    new = renew(child, keep=HOUR)
    assert tokens.children(parent) == [child]
    tokens.revoke(parent)
    db.commit()

    assert [fault(each) for each in (old, new)] == ["revoked", "revoked"]


def test_a_child_is_renewed_within_its_parents_life_and_never_after_it(db, alice, clock):
    parent, _ = make_token(alice, scopes=["tokens:write"], lifetime=10 * DAY)
    child, _ = make_token(alice, scopes=["tokens:write"], parent=parent, lifetime=9 * DAY)
    clock.move(days=8)

    renew(child)
    assert child.expires_at == parent.expires_at
    with pytest.raises(tokens.LifetimeTooLong):
        tokens.regenerate(child, Renewal(lifetime=3 * DAY, as_before=False))
    db.rollback()
    clock.move(days=3)
    with pytest.raises(tokens.ParentEnded):
        tokens.regenerate(child)


@pytest.mark.parametrize("change", ["narrow", "bind", "shorten"])
def test_what_is_taken_from_a_token_is_taken_from_its_former_string(db, alice, clock, change):
    token, _ = make_token(alice, scopes=["account:read", "tokens:read"])
    renew(token, keep=DAY)

    if change == "narrow":
        tokens.narrow(token, ["account:read"])
    elif change == "bind":
        tokens.bind(token, "203.0.113.0/24")
    else:
        tokens.shorten(token, clock.now() + HOUR)
    db.commit()

    former = token.replaces
    assert {
        "narrow": former.scope == "account:read",
        "bind": former.allowed_addresses == "203.0.113.0/24",
        "shorten": former.expires_at == clock.now() + HOUR,
    }[change]


def test_widening_a_token_leaves_its_former_string_as_it_was(db, alice):
    token, _ = make_token(alice)
    renew(token, keep=DAY)

    tokens.widen(token, ["account:read", "account:write"])

    assert token.replaces.scope == "account:read"


def test_a_former_string_is_neither_renewed_nor_changed(db, alice):
    token, _ = make_token(alice)
    renew(token, keep=DAY)
    former = token.replaces

    for change in (
        tokens.regenerate,
        lambda kept: tokens.widen(kept, ["account:read", "account:write"]),
        lambda kept: tokens.end_in(kept, NINETY, later=True),
        lambda kept: tokens.bind(kept, None, wider=True),
        lambda kept: tokens.by_token(kept, kept, Renewal()),
    ):
        with pytest.raises((tokens.TokenEnded, tokens.NotItsOwn)):
            change(former)
        db.rollback()


def test_a_token_renews_itself_for_as_long_as_its_owner_said_and_no_longer(db, alice, clock):
    token, _ = make_token(alice, lifetime=30 * DAY)

    with pytest.raises(tokens.LifetimeTooLong):
        tokens.by_token(token, token, Renewal(lifetime=31 * DAY, as_before=False))
    db.rollback()
    with pytest.raises(tokens.LifetimeTooLong):
        tokens.by_token(token, token, Renewal(lifetime=None, as_before=False))
    db.rollback()
    tokens.by_token(token, token, Renewal(lifetime=7 * DAY, as_before=False))
    db.commit()
    assert token.expires_at == clock.now() + 7 * DAY
    # A short renewal of its own takes nothing from what its owner allowed.
    tokens.by_token(token, token, Renewal())
    assert token.expires_at == clock.now() + 30 * DAY


def test_a_token_renews_itself_and_its_own_and_nobody_else(db, alice):
    token, _ = make_token(alice, scopes=["tokens:write"])
    child, _ = make_token(alice, scopes=["tokens:write"], parent=token, lifetime=DAY)
    other, _ = make_token(alice, description="Other")
    grandchild, _ = make_token(alice, scopes=["tokens:write"], parent=child, lifetime=HOUR)

    tokens.by_token(child, token, Renewal())
    for refused in (other, grandchild):
        with pytest.raises(tokens.NotItsOwn):
            tokens.by_token(refused, token, Renewal())
    with pytest.raises(tokens.NotItsOwn):
        tokens.by_token(token, child, Renewal())


def test_the_end_is_moved_within_what_is_allowed_and_later_only_when_asked(db, alice, clock):
    token, _ = make_token(alice, lifetime=30 * DAY)

    tokens.end_in(token, 7 * DAY)
    assert token.expires_at == clock.now() + 7 * DAY
    with pytest.raises(tokens.LaterEnd):
        tokens.end_in(token, 8 * DAY)
    tokens.end_in(token, NINETY, later=True)
    assert (token.expires_at, token.term_seconds) == (clock.now() + NINETY, 90 * 86_400)
    for wrong in (clock.now(), clock.now() + NINETY + HOUR):
        with pytest.raises(tokens.LifetimeTooLong):
            tokens.shorten(token, wrong)


@pytest.mark.standard("I-09")
@pytest.mark.parametrize("keep", [timedelta(0), HOUR], ids=["at once", "kept"])
def test_sixteen_renewals_at_once_leave_one_string_and_at_most_one_former(app, db, alice, keep):
    token, old = make_token(alice)
    token_id, together = token.id, Barrier(16)

    def again(_):
        try:
            together.wait()
            plaintext = tokens.regenerate(session.get(Token, token_id), Renewal(keep=keep))
            session.commit()
            return plaintext
        finally:
            session.remove()

    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(again, range(16)))

    working = [plaintext for plaintext in (old, *made) if fault(plaintext) == ""]
    assert len(set(made)) == 16
    assert len(working) == (2 if keep else 1)
    assert len(db.scalars(select(Token).where(Token.successor_id == token_id)).all()) == 16


@pytest.mark.standard("I-09")
def test_what_is_exchanged_for_something_else_is_taken_from_the_former_string_too(db, alice):
    token, _ = make_token(alice, scopes=["account:read", "tokens:read"], addresses=["203.0.113.0/24"])
    renew(token, keep=DAY)

    tokens.widen(token, ["account:read", "account:write"])
    tokens.bind(token, "198.51.100.0/24", wider=True)

    assert token.replaces.scope == "account:read"
    assert token.replaces.allowed_addresses == "198.51.100.0/24"
    tokens.bind(token, None, wider=True)
    assert token.replaces.allowed_addresses == "198.51.100.0/24"


@pytest.mark.standard("I-10")
@pytest.mark.parametrize("keep", [0, 3600])
def test_a_string_that_is_replaced_while_it_is_reported_ends_without_the_new_one(app, db, alice, monkeypatch, keep):
    token, old = make_token(alice)
    lock, renewed = users.lock, []

    def late(user_id):
        monkeypatch.setattr(users, "lock", lock)
        renewed.append(tokens.regenerate(token, Renewal(keep=timedelta(seconds=keep))))
        return lock(user_id)

    monkeypatch.setattr(users, "lock", late)

    with app.app_context():
        assert leaks.report(old) is bool(keep)
        db.commit()

    assert fault(old) == "revoked"
    assert fault(renewed[0]) == ""
