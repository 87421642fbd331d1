"""Thousands of tokens: found, filtered, sorted and paged by one statement, and revoked together with one letter."""

import itertools
import json
import re
import secrets
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, insert, select, text, update

from latchkey import ids, tokens, vault
from latchkey.journal import activity
from latchkey.mail.outbox import Letter
from latchkey.store.session import db, engines
from latchkey.tokens import Token, access, listing, usage
from latchkey.tokens.listing import Wanted
from latchkey.worker import endings
from portal.tokens.wanted import LISTS
from tests import factories, pages


def many(user, number, **values):
    """Rows as minting leaves them, which takes a minute for thousands."""
    base = {"kind": "dev", "user_id": user.id, "scope": "account:read", "created_address": "", "created_agent": ""}
    rows = [
        base
        | {"id": ids.new_id("tok"), "digest": f"{user.id}{n:09}".encode()[-32:], "last4": "abcd"}
        | {"description": f"Token {n:04}"}
        | {name: value(n) for name, value in values.items()}
        for n in range(number)
    ]
    db.execute(insert(Token), rows)
    db.commit()
    return [row["id"] for row in rows]


def names(page):
    return re.findall(r'class="list__link break"[^>]*>([^<]+)<', page)


def listed(browser, query=""):
    return names(browser.get(f"/tokens{query}").text)


def revoke(browser, chosen, **more):
    data = {"csrf_token": pages.csrf(browser.get("/tokens")), "token": list(chosen), **more}
    return browser.post("/tokens/revoke", data=data)


@pytest.fixture
def statements():
    told = []
    event.listen(engines().read, "before_cursor_execute", lambda c, cursor, text, *_: told.append(text))
    return told


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("query", ["", "?q=token", "?sort=used&write=1", "?sort=name&page=100", "?status=ended"])
def test_any_page_of_five_thousand_takes_one_statement(signed_in, alice, statements, query):
    many(alice, 5_000)
    statements.clear()

    signed_in.get(f"/tokens{query}")

    assert len([one for one in statements if "FROM token" in one]) == 1


def test_counts_and_orders_are_read_from_an_index(alice, settings):
    """However many tokens there are, only the fifty of the page are read themselves."""
    many(alice, 300)
    told = []
    event.listen(engines().read, "before_cursor_execute", lambda c, cursor, *said: told.append(said))
    for sort in listing.SORTS:
        listing.listing(alice, Wanted(sort=sort))
    db.remove()
    with engines().read.connect() as connection:
        if not engines().embedded:
            pytest.skip("PostgreSQL chooses by its statistics; its index is another one")
        plans = [
            " ".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said[0]}", said[1]))
            for said in list(told)
        ]

    assert all("USING COVERING INDEX ix_token_counted" in plan for plan in plans), plans
    indexes = ("ix_token_user_id_kind_id", *(f"ix_token_by_{name}" for name in ("use", "end", "name")))
    assert all(f"INDEX {index} " in plan for index, plan in zip(indexes, plans, strict=True)), plans
    assert not any("SCAN token" in plan for plan in plans), plans


DAY = date(2100, 1, 2)
# What is asked for, and what of a token and the moment makes it match.
WAYS = {
    "all": (Wanted(), lambda t, now: True),
    "write access": (Wanted(filters=frozenset({"write"})), lambda t, now: "account:write" in t.scope),
    "a scope": (Wanted(scope="tokens:read"), lambda t, now: "tokens:read" in t.scope),
    "never used": (Wanted(filters=frozenset({"never_used"})), lambda t, now: t.last_used_at is None),
    "many": (Wanted(search="TOKEN 0"), lambda t, now: True),
    "many with write access": (
        Wanted(search="TOKEN 0", filters=frozenset({"write"})),
        lambda t, now: "account:write" in t.scope,
    ),
    "few": (Wanted(search="07"), lambda t, now: "07" in t.description),
    "none": (Wanted(search="zebra"), lambda t, now: False),
    "both": (Wanted(search="7", scope="tokens:read"), lambda t, now: "7" in t.description and "tok" in t.scope),
    "by a day": (Wanted(ends_by=DAY), lambda t, now: t.expires_at and t.expires_at.date() <= DAY),
}
SORTED = {
    "created": lambda t: 0,
    "used": lambda t: -t.last_used_at.timestamp() if t.last_used_at else 1,
    "expires": lambda t: t.expires_at.timestamp() if t.expires_at else 1e12,
    "name": lambda t: t.description.lower(),
}


@pytest.mark.slow("sorts hundreds of tokens in every way")
@pytest.mark.parametrize("way", WAYS)
def test_pages_from_either_end_hold_what_sorting_everything_would_show(alice, settings, clock, way):
    now = clock.now()
    many(
        alice,
        320,
        description=lambda n: ("token", "Token")[n % 2] + f" {n % 150:04}",
        scope=lambda n: ("account:read", "account:write tokens:read", "account:write")[n % 3],
        last_used_at=lambda n: now - timedelta(days=n % 5) if n % 7 else None,
        expires_at=lambda n: datetime(2100, 1, 1 + n % 4, 12, tzinfo=UTC) if n % 5 else None,
        revoked_at=lambda n: now if n % 3 == n % 2 else None,
    )
    wanted, holds = WAYS[way]
    mine = sorted(db.scalars(select(Token).where(Token.user_id == alice.id)), key=lambda t: t.id, reverse=True)
    matching = {status: [t for t in mine if t.ended == (status == "ended") and holds(t, now)] for status in LISTS}

    for status, sort in itertools.product(LISTS, SORTED):
        expected = [t.id for t in sorted(matching[status], key=SORTED[sort])]
        for page in range(1, len(expected) // listing.PAGE + 3):
            found = listing.listing(alice, replace(wanted, status=status, sort=sort, page=page))
            assert [t.id for t in found.tokens] == expected[(page - 1) * 50 : page * 50], (status, sort, page)
            assert [found.active, found.ended] == [len(matching[one]) for one in LISTS]
        assert found.every == 320
        assert found.never_used == sum(not t.ended and t.last_used_at is None for t in mine)
        assert found.no_expiry == sum(not t.ended and t.expires_at is None for t in mine)
    assert listing.matching(alice, wanted) == [t.id for t in matching["active"]][: listing.MOST_CHOSEN]


def test_pages_lead_forward_and_back(signed_in, alice):
    many(alice, 120)

    first, second, third = (signed_in.get(f"/tokens?page={n}").text for n in (1, 2, 3))

    assert "1 to 50 of 120" in first
    assert 'rel="next"' in first
    assert 'rel="prev"' not in first
    assert 'rel="prev"' in second
    assert 'rel="next"' not in third
    seen = [*names(first), *names(second), *names(third)]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 120


def test_each_order_is_kept(signed_in, alice, clock):
    now = clock.now()
    many(
        alice,
        4,
        description=lambda n: "bDcA"[n],
        last_used_at=lambda n: None if n == 3 else now - timedelta(days=n),
        expires_at=lambda n: None if n == 0 else now + timedelta(days=10 - n),
    )

    assert listed(signed_in) == ["A", "c", "D", "b"]
    assert listed(signed_in, "?sort=used") == ["b", "D", "c", "A"]
    assert listed(signed_in, "?sort=expires") == ["A", "c", "D", "b"]
    assert listed(signed_in, "?sort=name") == ["A", "b", "c", "D"]


def test_filters_add_up_and_are_taken_away_one_by_one(signed_in, alice, clock):
    now = clock.now()
    many(
        alice,
        8,
        last_used_at=lambda n: now if n & 1 else None,
        expires_at=lambda n: now + timedelta(days=3) if n & 2 else None,
        scope=lambda n: "account:write tokens:read" if n & 4 else "account:read",
    )

    assert len(listed(signed_in, "?never_used=1")) == 4
    assert listed(signed_in, "?never_used=1&expires_soon=1&write=1") == ["Token 0006"]
    assert listed(signed_in, "?no_expiry=1&scope=tokens:read") == ["Token 0005", "Token 0004"]
    both = signed_in.get("/tokens?never_used=1&write=1").text
    assert re.search(r'id="f-write" href="/tokens\?never_used=1" [^>]* aria-current="true"', both)
    assert 'Never used<span class="num">4</span>' in both


def test_a_scope_is_not_found_by_a_part_of_its_name(signed_in, alice):
    many(alice, 1, scope=lambda _: "account:write")

    assert listed(signed_in, "?scope=account:read") == []


def test_counts_stand_in_the_tabs_and_a_search_tells_of_the_ended(signed_in, alice, clock):
    many(alice, 3, description=lambda n: f"Backup {n}", revoked_at=lambda n: clock.now() if n else None)

    page = signed_in.get("/tokens?q=backup").text

    assert re.search(r'Active <span class="num">1</span>', page)
    assert re.search(r'Expired or revoked <span class="num">2</span>', page)
    assert "2 expired or revoked tokens match “backup” too." in page
    assert "/tokens?status=ended&amp;q=backup" in page
    # These are of all tokens, whatever is searched for.
    assert 'Never used<span class="num">1</span>' in signed_in.get("/tokens").text
    assert 'Never used<span class="num">' not in page


def test_only_ones_own_are_counted(signed_in, alice, bob):
    many(bob, 5)
    many(alice, 1)

    assert '<span class="num">1</span>' in signed_in.get("/tokens").text


def test_ticked_tokens_end_together_after_one_question_and_with_one_letter(signed_in, alice, mailbox):
    used = factories.make_token(alice, description="Used", scopes=["tokens:write", "account:read"])
    child = factories.make_token(alice, description="Child", parent=used.token, lifetime=timedelta(days=1))
    access.admit(used.plaintext)
    usage.flush()
    ticked = [*many(alice, 3), used.token.id]

    asked = revoke(signed_in, ticked)
    assert "Revoke 4 tokens?" in asked.text
    assert "In use" in asked.text
    assert tokens.get_for(alice, ticked[0]).status == "active"

    answer = revoke(signed_in, ticked, do="revoke", next="/tokens?sort=name")
    assert (answer.status_code, answer.location) == (303, "/tokens?sort=name")
    db.expire_all()
    assert {db.get_one(Token, one).status for one in [*ticked, child.token.id]} == {"revoked"}
    letters = [letter.subject for letter in mailbox.letters() if "Revoked" in letter.subject]
    assert letters == ["Revoked 4 tokens"]
    assert activity.list_for(alice)[0].detail["count"] == 4


def test_a_strangers_token_among_the_ticked_stays(signed_in, alice, bob):
    his = factories.make_token(bob)
    hers = many(alice, 1)

    revoke(signed_in, [his.token.id, *hers], do="revoke")

    db.expire_all()
    assert db.get_one(Token, his.token.id).status == "active"
    assert db.get_one(Token, hers[0]).status == "revoked"


def test_nothing_ticked_and_too_many_are_said_in_words(signed_in, alice):
    many(alice, 1)

    assert "Tick at least one token" in signed_in.get(revoke(signed_in, []).location).text
    too_many = [ids.new_id("tok") for _ in range(listing.MOST_CHOSEN + 1)]
    assert "more than 450 tokens" in signed_in.get(revoke(signed_in, too_many, do="revoke").location).text


def test_all_that_match_are_ticked_without_a_script_on_whatever_page(signed_in, alice):
    chosen = many(alice, 60, scope=lambda n: "account:write" if n < 55 else "account:read")

    page = signed_in.get("/tokens?write=1&select=all").text

    assert set(re.findall(r'name="token" value="([^"]+)"', page)) == set(chosen[:55])


def test_the_search_ignores_what_are_signs_of_patterns(signed_in, alice):
    many(alice, 2, description=lambda n: ("100% done", "1000 done")[n])

    assert listed(signed_in, "?q=100%25") == ["100% done"]


@pytest.mark.parametrize("other", ["axb:read", "a_b:reads", "ca_b:read", "a_b:rea"])
def test_a_scope_is_found_by_its_whole_name_and_nothing_that_looks_like_it(alice, settings, other):
    many(alice, 2, scope=lambda n: f"aa:x {('a_b:read', other)[n]} zz:x", description=lambda n: "ab"[n])

    assert [token.description for token in listing.listing(alice, Wanted(scope="a_b:read")).tokens] == ["a"]


def test_a_token_of_the_most_scopes_is_listed_and_found_by_the_last(alice, settings):
    """4,000 characters are more than a row of PostgreSQL's indexes holds."""
    scope = " ".join(f"{secrets.token_hex(16)}:write" for _ in range(102))
    many(alice, 1, scope=lambda _: scope)

    assert listing.listing(alice, Wanted(scope=scope.split()[-1], search=scope[-38:])).active == 1


def test_fifty_and_five_thousand_are_counted_by_the_same_plan(alice, bob, settings):
    """On PostgreSQL, whose planner looks at the table: the page still reads its rows by their ids."""
    many(alice, 50)
    many(bob, 2_000)
    with engines().write.begin() as connection:
        connection.execute(text("ANALYZE"))

    assert listing.listing(alice, Wanted()).active == 50
    assert listing.listing(bob, Wanted(sort="used", page=40)).matching("active") == 2_000


@pytest.mark.standard("I-09")
def test_the_letter_about_several_leads_to_a_list_of_exactly_those_with_renewal_one_click_away(
    signed_in, app, alice, clock
):
    now = clock.now()
    many(alice, 6, expires_at=lambda n: None if n == 0 else now + timedelta(days=(6.9, 7.9, 9, 40, 400)[n - 1]))
    db.execute(update(Token).values(term_seconds=500 * 86_400))
    db.commit()

    with app.app_context():
        endings.remind()

    [letter] = db.scalars(select(Letter))
    told = json.loads(vault.unseal(letter.sealed))["text"]
    page = signed_in.get(re.search(r"http://localhost(/tokens\?\S+)", told).group(1)).text
    assert names(page) == ["Token 0001", "Token 0002"]
    for token in db.scalars(select(Token).where(Token.description.in_(["Token 0001", "Token 0002"]))):
        assert f'href="/tokens/{token.id}/regenerate"' in page
    assert 'id="f-ends-by" href="/tokens?sort=expires"' in page
    assert page.count("/regenerate") == 2


@pytest.mark.parametrize("day", ["x", "2026-13-01", "20261201", "2026-12-01T00:00:00", "' OR 1=1", "\x00", "9" * 400])
def test_a_day_that_is_none_is_refused_in_words(signed_in, alice, day):
    many(alice, 2)

    page = signed_in.get("/tokens", query_string={"ends_by": day})

    assert page.status_code == 422
    assert "There is no such list." in page.text


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_are_days(signed_in, alice, clock, day):
    many(alice, 2, expires_at=lambda n: clock.now() + timedelta(days=n + 1))

    page = signed_in.get("/tokens", query_string={"ends_by": day, "status": "active", "sort": "expires", "q": "Token"})

    assert len(names(page.text)) == (2 if day > "2000" else 0)
