"""Developer tokens: what can be made, changed, found and ended, and what is kept of them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from latchkey import origin, scopes, texts, tokens
from latchkey.credentials import Kind
from latchkey.store import session as database
from latchkey.store.session import engines
from latchkey.tokens import Token, access
from latchkey.worker import ended
from tests.factories import make_token, make_user

NINETY = timedelta(days=90)
SHORT = timedelta(days=1)


def count(db) -> int:
    return db.scalar(select(func.count()).select_from(Token))


def refused(plaintext: str) -> str:
    with pytest.raises(access.InvalidToken) as refusal:
        access.admit(plaintext)
    return refusal.value.fault


@pytest.mark.standard("E-02")
def test_a_minted_token_works_and_only_its_digest_is_kept(db, alice):
    token, plaintext = make_token(alice, scopes=["tokens:read", "account:read"])

    assert access.admit(plaintext, ["account:read"]).user_id == alice.id
    assert token.scope == "account:read tokens:read"
    assert token.hint == f"lk_dev_…{plaintext[-4:]}"
    kept = db.execute(select(Token.__table__)).one()
    assert not any(plaintext[7:37] in str(value) for value in kept)


def test_it_remembers_from_where_it_was_made(db, alice):
    here = origin.current.set(origin.Origin("203.0.113.9", "Firefox", "r"))

    token, _ = make_token(alice)

    origin.current.reset(here)
    assert (token.created_address, token.created_agent) == ("203.0.113.9", "Firefox")


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"scopes": []}, scopes.NoScopes),
        ({"scopes": ["account:read", "evil:scope"]}, scopes.UnknownScope),
        ({"description": " "}, texts.BadText),
        ({"description": "a\x00b"}, texts.BadText),
        ({"description": "x" * 81}, texts.BadText),
        ({"lifetime": timedelta(0)}, tokens.LifetimeTooLong),
        ({"lifetime": timedelta(days=-1)}, tokens.LifetimeTooLong),
        ({"lifetime": timedelta.max}, tokens.LifetimeTooLong),
    ],
)
def test_what_cannot_be_minted_leaves_nothing_behind(db, alice, change, fault):
    with pytest.raises(fault):
        tokens.mint(alice, **({"description": "CI", "scopes": ["account:read"], "lifetime": NINETY} | change))

    db.rollback()
    assert count(db) == 0


@pytest.mark.standard("I-04", "L-08")
def test_who_has_not_verified_their_address_mints_nothing(db):
    with pytest.raises(tokens.UnverifiedEmail):
        make_token(make_user("new@example.com", verified=False))


@pytest.mark.settings(token_max_days=30)
@pytest.mark.parametrize("lifetime", [None, timedelta(days=30, seconds=1)])
def test_no_token_outlives_the_installations_maximum(db, alice, lifetime):
    with pytest.raises(tokens.LifetimeTooLong, match="30 days at most"):
        make_token(alice, lifetime=lifetime)

    assert make_token(alice, lifetime=timedelta(days=30)).token.status == "active"


def test_one_form_makes_one_token(db, alice):
    first = make_token(alice, form_id="form")

    with pytest.raises(tokens.AlreadyMinted) as again:
        make_token(alice, form_id="form", description="Another")

    assert again.value.token.id == first.token.id
    db.rollback()
    assert count(db) == 1


def test_another_users_form_of_the_same_id_is_another_form(db, alice, bob):
    make_token(alice, form_id="form")

    assert make_token(bob, form_id="form").token.user_id == bob.id


def test_sixteen_threads_that_send_one_form_make_one_token(db, alice):
    barrier, user_id = threading.Barrier(16), alice.id

    def send() -> str:
        user = database.db.get_one(type(alice), user_id)
        barrier.wait()
        try:
            return make_token(user, form_id="form").token.id
        except tokens.AlreadyMinted as again:
            return f"again {again.token.id}"
        finally:
            database.db.remove()

    with ThreadPoolExecutor(16) as pool:
        results = sorted(pool.map(lambda _: send(), range(16)))

    assert count(db) == 1
    assert len([made for made in results if not made.startswith("again")]) == 1
    assert len({made.removeprefix("again ") for made in results}) == 1


def test_a_description_can_be_asked_to_be_unique_among_live_tokens(db, alice, bob):
    first = make_token(alice, unique=True).token

    with pytest.raises(tokens.DescriptionTaken):
        make_token(alice, unique=True)
    db.rollback()
    make_token(bob, unique=True)
    tokens.revoke(first)
    db.commit()

    assert make_token(alice, unique=True).token.id != first.id


def test_only_its_owner_can_get_a_token_by_id(db, alice, bob):
    token, _ = make_token(alice)

    assert tokens.get_for(alice, token.id) is token
    assert tokens.get_for(bob, token.id) is None


def test_a_token_is_found_by_its_string_even_when_it_has_ended(db, alice):
    token, plaintext = make_token(alice)
    tokens.revoke(token)
    db.commit()

    assert tokens.find(plaintext).id == token.id
    assert tokens.find(plaintext, Kind.ACCESS) is None
    assert tokens.find(plaintext[:-1] + "!") is None


def test_a_token_expires_at_its_moment_and_not_before(db, alice, clock):
    token, plaintext = make_token(alice, lifetime=timedelta(days=7))

    clock.move(days=7, seconds=-1)
    assert access.admit(plaintext)
    clock.move(seconds=1)

    assert token.status == "expired"
    assert refused(plaintext) == "expired"


# --- lists


def test_pages_follow_each_other_without_gap_or_repetition(db, alice, bob):
    made = [make_token(alice, description=f"Token {number}").token.id for number in range(7)]
    make_token(bob)

    first = tokens.page(alice, limit=3)
    second = tokens.page(alice, limit=3, cursor=first.next_cursor)
    third = tokens.page(alice, limit=3, cursor=second.next_cursor)

    seen = [token.id for page in (first, second, third) for token in page.tokens]
    assert seen == list(reversed(made))
    assert third.next_cursor is None


def test_ended_tokens_have_a_list_of_their_own(db, alice, clock):
    live = make_token(alice, description="live", lifetime=None).token
    expired = make_token(alice, description="expired", lifetime=timedelta(days=1)).token
    revoked = make_token(alice, description="revoked").token
    tokens.revoke(revoked)
    db.commit()
    clock.move(days=2)

    assert tokens.page(alice).tokens == [live]
    assert {token.id for token in tokens.page(alice, status="ended").tokens} == {expired.id, revoked.id}
    assert len(tokens.page(alice, status="all").tokens) == 3


def test_a_page_takes_one_statement(db, alice):
    for number in range(5):
        make_token(alice, description=f"Token {number}")
    asked: list[str] = []
    event.listen(engines().read, "before_cursor_execute", lambda *_: asked.append("read"))
    event.listen(engines().write, "before_cursor_execute", lambda *_: asked.append("write"))

    assert len(tokens.page(alice, limit=3).tokens) == 3

    assert asked == ["read"]


# --- changes


def test_narrowing_takes_scopes_away_at_once(db, alice):
    token, plaintext = make_token(alice, scopes=["account:read", "tokens:read"])

    tokens.narrow(token, ["account:read"])
    db.commit()

    with pytest.raises(access.ScopeTooNarrow):
        access.admit(plaintext, ["tokens:read"])


@pytest.mark.parametrize(
    "wanted, fault",
    [
        (["account:read", "tokens:write"], tokens.ScopeTooWide),
        ([], scopes.NoScopes),
        (["evil:scope"], scopes.UnknownScope),
    ],
)
def test_narrowing_never_adds_a_scope(db, alice, wanted, fault):
    token, _ = make_token(alice, scopes=["account:read", "tokens:read"])

    with pytest.raises(fault):
        tokens.narrow(token, wanted)

    db.rollback()
    assert tokens.get_for(alice, token.id).scope == "account:read tokens:read"


def test_narrowing_from_an_old_page_does_not_bring_back_what_another_took_away(db, alice):
    token, _ = make_token(alice, scopes=["account:read", "tokens:read"])
    stale = tokens.get_for(alice, token.id)
    assert stale.scopes == {"account:read", "tokens:read"}
    with engines().write.begin() as other:
        other.execute(Token.__table__.update().values(scope="account:read"))

    with pytest.raises(tokens.ScopeTooWide):
        tokens.narrow(stale, ["tokens:read"])


def test_widening_adds_scopes_but_never_more_than_the_parent_has(db, alice):
    parent, _ = make_token(alice, scopes=["account:read", "tokens:write"])
    child, plaintext = make_token(alice, scopes=["tokens:write"], parent=parent, lifetime=SHORT)

    tokens.widen(child, ["account:read", "tokens:write"])
    db.commit()
    assert access.admit(plaintext, ["account:read"])
    with pytest.raises(tokens.ScopeTooWide):
        tokens.widen(child, ["account:write"])


def test_a_description_is_changed_and_may_stay_the_same(db, alice):
    token, _ = make_token(alice, description="CI")
    make_token(alice, description="Taken")

    tokens.describe(token, "CI", unique=True)
    tokens.describe(token, " CI deploy ", unique=True)
    db.commit()

    assert tokens.get_for(alice, token.id).description == "CI deploy"
    with pytest.raises(tokens.DescriptionTaken):
        tokens.describe(token, "Taken", unique=True)
    with pytest.raises(texts.BadText):
        tokens.describe(token, "a\u202eb")


@pytest.mark.parametrize(
    "change",
    [
        lambda token: tokens.describe(token, "Other"),
        lambda token: tokens.narrow(token, ["account:read"]),
        lambda token: tokens.widen(token, ["account:read", "tokens:read"]),
        lambda token: tokens.bind(token, "203.0.113.0/24"),
        lambda token: tokens.end_in(token, SHORT),
        lambda token: tokens.shorten(token, token.expires_at),
    ],
    ids=["describe", "narrow", "widen", "bind", "end_in", "shorten"],
)
@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_an_ended_token_cannot_be_changed(db, alice, clock, change, end):
    token, plaintext = make_token(alice, lifetime=timedelta(days=1))
    if end == "revoked":
        tokens.revoke(token)
        db.commit()
    else:
        clock.move(days=1)

    with pytest.raises(tokens.TokenEnded):
        change(token)

    db.rollback()
    assert refused(plaintext) == end


def test_one_form_regenerates_once(db, alice):
    token, _ = make_token(alice, form_id="create")
    new = tokens.regenerate(token, form_id="again")
    db.commit()

    with pytest.raises(tokens.AlreadyMinted) as again:
        tokens.regenerate(token, form_id="again")

    db.rollback()
    assert again.value.token.id == token.id
    assert access.admit(new)


def test_regenerating_ends_what_the_old_string_made(db, alice):
    token, _ = make_token(alice, scopes=["tokens:write"])
    _, child = make_token(alice, scopes=["tokens:write"], parent=token, lifetime=SHORT)

    tokens.regenerate(token)
    db.commit()

    assert refused(child) == "revoked"


# --- the end


@pytest.mark.standard("I-07")
def test_revoking_works_at_the_next_call_and_is_safe_to_repeat(db, alice):
    token, plaintext = make_token(alice)

    assert tokens.revoke(token) is True
    db.commit()

    assert refused(plaintext) == "revoked"
    assert tokens.revoke(token) is False


def test_a_token_takes_all_that_descends_from_it_along(db, alice):
    parent, _ = make_token(alice, scopes=["tokens:write"])
    child, _ = make_token(alice, scopes=["tokens:write"], parent=parent, lifetime=SHORT)
    _, grandchild = make_token(alice, scopes=["tokens:write"], parent=child, lifetime=timedelta(hours=1))
    _, other = make_token(alice)

    tokens.revoke(parent)
    db.commit()

    assert refused(grandchild) == "revoked"
    assert access.admit(other)
    assert [token.id for token in tokens.children(parent)] == [child.id]


def test_a_child_dies_with_its_parent_even_if_it_was_made_at_that_moment(db, alice):
    parent, _ = make_token(alice, scopes=["tokens:write"])
    _, child = make_token(alice, scopes=["tokens:write"], parent=parent, lifetime=SHORT)
    with engines().write.begin() as other:
        other.execute(Token.__table__.update().where(Token.id == parent.id).values(revoked_at=parent.created_at))

    assert refused(child) == "revoked"


@pytest.mark.parametrize(
    "asked, fault",
    [
        ({"scopes": ["account:read"]}, tokens.ScopeTooWide),
        ({"lifetime": timedelta(days=31)}, tokens.LifetimeTooLong),
        ({"lifetime": None}, tokens.LifetimeTooLong),
    ],
)
def test_a_token_made_by_a_token_does_no_more_and_lives_no_longer(db, alice, clock, asked, fault):
    parent, _ = make_token(alice, scopes=["tokens:write"], lifetime=timedelta(days=30))

    with pytest.raises(fault):
        make_token(alice, **({"parent": parent, "scopes": ["tokens:write"], "lifetime": timedelta(days=30)} | asked))


@pytest.mark.standard("I-07")
def test_all_tokens_of_one_user_can_be_ended_together(db, alice, bob):
    _, first = make_token(alice)
    _, second = make_token(alice, description="Second")
    _, bobs = make_token(bob)

    assert tokens.revoke_all(alice) == 2
    db.commit()

    assert refused(first) == refused(second) == "revoked"
    assert access.admit(bobs)


def test_cascades_find_their_tokens_by_an_index(db, alice, clock):
    if engines().read.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole, and rightly so")
    with engines().read.connect() as connection:
        plans = [
            row.detail
            for column in ("user_id", "grant_id", "parent_id")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN DELETE FROM token WHERE {column} = ?", ("x",))
        ]

    assert all(plan.startswith("SEARCH token USING") for plan in plans), plans


def test_ended_tokens_are_kept_for_ninety_days(db, alice, clock):
    token, _ = make_token(alice)
    tokens.revoke(token)
    db.commit()

    clock.move(days=90)
    ended.purge()
    assert count(db) == 1
    clock.move(seconds=1)
    ended.purge()

    assert count(db) == 0


@pytest.mark.standard("I-06")
def test_what_a_narrowed_parent_takes_from_its_child_is_taken_from_nobody_else(db, alice, bob):
    parent, _ = make_token(alice, scopes=["account:read", "tokens:write"])
    _, child = make_token(alice, scopes=["account:read", "tokens:write"], parent=parent, lifetime=SHORT)
    _, other = make_token(bob, scopes=["account:read", "tokens:write"])
    tokens.narrow(parent, ["tokens:write"])
    db.commit()

    assert access.admit(child).scopes == {"tokens:write"}

    assert access.admit(other, {"account:read"}).scopes == {"account:read", "tokens:write"}
