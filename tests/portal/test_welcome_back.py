"""The first page for whoever has a token: each part of it, what stands in none, and what it asks of the database."""

import gzip
import html
import re
import secrets
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from latchkey import ids, tokens
from latchkey.accounts import sessions
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import Authorization
from latchkey.journal.activity import Event
from latchkey.journal.calls import counts
from latchkey.journal.calls.counts import CallCount
from latchkey.journal.refusals import CALL, Refusal
from latchkey.safety import agents
from latchkey.store.session import db, engines
from latchkey.tokens import Token
from latchkey.tokens.listing import Wanted, matching
from tests import factories, pages
from tests.portal.tokens.test_many import many
from tests.statements import counted

QUIET = ("Your tokens", "What happened last")
PARTS = ("Ends soon", "Not used for 90 days", "Acts for you now", "Refused lately")
# Letters that are written from right to left, which no rule about names keeps out.
HEBREW = "שלום"


def shown(browser) -> str:
    page = browser.get("/")
    assert page.status_code == 200
    return page.text


def part(page: str, title: str) -> str:
    """What stands under one of the headings, as it is read; empty without the heading."""
    found = re.search(rf"<h2[^>]*>{title}</h2>(.*?)</section>", page, re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", plain(found[1]))).split()) if found else ""


def plain(page: str) -> str:
    """Without what only marks words."""
    return re.sub(r"</?(?:time|bdi|b|span)\b[^>]*>", "", page)


def parts(page: str) -> list[str]:
    return [title for title in PARTS if part(page, title)]


def more(user: User, number: int, **values) -> list[str]:
    """Further tokens."""
    return many(user, number, digest=lambda _: secrets.token_bytes(32), **values)


def change(token_id: str, **values) -> None:
    db.execute(update(Token).where(Token.id == token_id).values(**values))
    db.commit()


def refuse(user: User, token_id: str, clock, *, number: int = 1, **values) -> None:
    """Refused calls as the worker leaves them."""
    base = {"user_id": user.id, "token_id": token_id, "endpoint": CALL, "error": "scope", "request_id": ""}
    base |= {"reason": "It lacks the scope tokens:write", "detail": "tokens:write", "call": "POST /v1/tokens"}
    base |= {"at": clock.now(), "times": 1, "address": "192.0.2.7", **values}
    db.execute(insert(Refusal), [base | {"id": ids.new_id("rfs")} for _ in range(number)])
    db.commit()


def count(source_id: str, user: User, calls: int, clock, person_id: str = "") -> None:
    row = {"source_id": source_id, "person_id": person_id, "user_id": user.id, "day": clock.now().date(), "status": 200}
    more = {"shape": "", "call": "", "scope": "", "calls": calls, "last_at": clock.now()}
    db.execute(insert(CallCount), [row | more])
    db.commit()


def let_act(user: User, client: Client, at) -> Authorization:
    """An app that acts for somebody and did so then."""
    given = Authorization(user_id=user.id, client_id=client.id, scope="account:read", last_used_at=at)
    db.add(given)
    db.commit()
    return given


def sign_in_before(user: User, clock, *, ago: timedelta, **values) -> BrowserSession:
    """Another session of somebody, from before."""
    opened = BrowserSession(user_id=user.id, digest=ids.draw().encode(), address="203.0.113.9", agent="", **values)
    opened.created_at = opened.last_seen_at = clock.now() - ago
    opened.id = ids.first("ses", opened.created_at) + ids.draw()
    db.add(opened)
    db.commit()
    return opened


@pytest.fixture
def token(alice, clock):
    return factories.make_token(alice, description="Nightly backup").token


@pytest.fixture
def home(client, alice, token):
    """A browser in which Alice, who has a token, is signed in."""
    return pages.sign_in(client, alice)


def test_whoever_has_a_token_is_welcomed_back_and_still_led_to_tokens(home, settings):
    page = home.get("/")

    assert "<h1" in page.text
    assert "Welcome back, Alice</h1>" in page.text
    link = re.search(r'<a [^>]*href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?Create a Token</a>', page.text)
    assert link.group(1) == "/tokens"
    assert f"curl {settings.base_url}/v1/me" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert parts(page.text) == []
    assert "How it works" not in page.text


def test_whoever_has_none_is_shown_where_to_begin_whatever_others_have(signed_in, bob):
    factories.make_token(bob)

    page = shown(signed_in)

    assert ">Welcome, Alice</h1>" in page
    assert "How it works" in page


def test_what_ends_soon_is_told_with_a_way_to_renew_it(home, token, alice, clock):
    change(token.id, expires_at=clock.now() + timedelta(days=6), last_used_at=clock.now() - timedelta(hours=11))
    factories.make_token(alice, description="Later", lifetime=timedelta(days=8))

    page = shown(home)

    assert part(page, "Ends soon").startswith("All 1 that end soon Nightly backup in 6 days, used 11 hours ago Renew")
    assert "Later" not in part(page, "Ends soon")
    assert f'href="/tokens/{token.id}/edit#expires">Renew<span class="vh"> Nightly backup</span>' in page
    assert home.get(f"/tokens/{token.id}/edit").text.count('id="expires') > 0


def test_three_of_many_stand_under_each_heading_and_all_are_a_list_away(home, token, alice, bob, clock):
    now = clock.now()
    tokens.revoke(token)
    more(bob, 9, description=lambda n: f"His {n}", expires_at=lambda n: now + timedelta(hours=1))
    more(alice, 7, description=lambda n: f"Ending {n}", expires_at=lambda n: now + timedelta(hours=9 - n))
    long_ago = [now - timedelta(days=100 + n) for n in range(6)]
    more(alice, 6, description=lambda n: f"Idle {n}", created_at=lambda n: long_ago[n])
    more(alice, 2, description=lambda n: f"Idled {n}", last_used_at=lambda n: long_ago[4 + n])

    page = shown(home)

    assert re.findall(r"Ending \d(?= in)", part(page, "Ends soon")) == ["Ending 6", "Ending 5", "Ending 4"]
    assert part(page, "Ends soon").startswith("All 7 ")
    assert re.findall(r"Idled? \d(?= \w+ used)", part(page, "Not used for 90 days")) == ["Idle 5", "Idled 1", "Idle 4"]
    assert part(page, "Not used for 90 days").startswith("All 8 ")
    assert "His" not in page
    for title, rows in (("Ends soon", 7), ("Not used for 90 days", 8)):
        url = re.search(rf'{title}</h2><a class="small" href="([^"]+)"', page)[1]
        assert len(re.findall(r'class="list__link', home.get(html.unescape(url)).text)) == rows, title


@pytest.mark.parametrize(
    "ago, told",
    [
        ({"created_at": 90}, "never used, created"), ({"created_at": 89}, ""),
        ({"created_at": 120, "last_used_at": 90}, "last used"), ({"created_at": 120, "last_used_at": 89}, ""),
        ({"created_at": 120, "renewed_at": 91}, "not used since it was regenerated"),
        ({"created_at": 120, "renewed_at": 89}, ""), ({"created_at": 120, "waiting_since": 120}, ""),
        ({"created_at": 120, "revoked_at": 1}, ""), ({"created_at": 120, "expires_at": 1}, ""),
    ],
)  # fmt: skip
def test_a_token_that_nobody_uses_is_told_as_its_own_page_and_the_list_do(home, token, clock, ago, told):
    past = {name: clock.now() - timedelta(days=days) for name, days in ago.items()}
    change(token.id, **{"expires_at": None, **past})

    rows = part(shown(home), "Not used for 90 days")

    assert told in rows
    assert ("Nightly backup" in rows) == bool(told) == db.get_one(Token, token.id, populate_existing=True).disused
    assert matching(db.get_one(User, token.user_id), Wanted(filters=frozenset({"unused"}))) == [token.id] * bool(told)


def test_one_that_nobody_uses_is_revoked_from_there_and_leads_back(home, token, clock):
    change(token.id, created_at=clock.now() - timedelta(days=90), expires_at=None)
    path = re.search(r'href="([^"]+)">Revoke<span class="vh"> Nightly backup', shown(home))[1]

    asked = home.get(path)
    action = re.search(r'<form class="panel" method="post" action="([^"]+)"', asked.text)[1]
    answer = home.post(action, data={"csrf_token": pages.csrf(asked)})

    assert (answer.status_code, answer.location) == (303, "/")
    assert parts(shown(home)) == []


def test_what_acted_last_is_told_tokens_and_apps_together(home, token, alice, bob, clock):
    now = clock.now()
    change(token.id, last_used_at=now - timedelta(minutes=4))
    count(token.id, alice, 18_204, clock)
    apps = [factories.make_client(bob, name=name).client for name in ("Ledger", "Suspended", "Long ago")]
    given = [
        let_act(alice, app, now - timedelta(minutes=minutes)) for app, minutes in zip(apps, (2, 3, 50_000), strict=True)
    ]
    apps[1].suspended_at = now
    db.commit()
    count(apps[0].id, alice, 2, clock, person_id=alice.id)
    count(apps[0].id, bob, 70, clock, person_id=bob.id)
    count(apps[0].id, bob, 72, clock)

    page = shown(home)

    assert part(page, "Acts for you now") == (
        "All of it that acts for you Ledger App · 2 calls in 30 days 2 minutes ago"
        " Nightly backup Token · 18,204 calls in 30 days 4 minutes ago"
    )
    assert f'href="/authorized-apps#{given[0].id}"' in page
    assert f'id="{given[0].id}"' in home.get("/authorized-apps").text


def test_no_more_than_three_act(home, token, alice, bob, clock):
    now = clock.now()
    more(alice, 5, description=lambda n: f"Used {n}", last_used_at=lambda n: now - timedelta(minutes=2 * n + 2))
    let_act(alice, factories.make_client(bob, name="Ledger").client, now - timedelta(minutes=3))

    assert re.findall(r"Used \d|Ledger", part(shown(home), "Acts for you now")) == ["Used 0", "Ledger", "Used 1"]


def test_an_app_that_nobody_answers_for_is_told_with_the_host_that_it_speaks_for(home, alice, clock):
    app = Client(name="Bank", homepage="", redirect_uris=[], scope="account:read", confidential=False)
    app.redirect_uris = ["https://agent.example.net/callback"]
    db.add(app)
    db.commit()
    let_act(alice, app, clock.now())

    assert "Bank App for agent.example.net" in part(shown(home), "Acts for you now")


def test_what_was_refused_is_told_in_words_with_how_often_and_a_way_there(home, token, alice, clock):
    refuse(alice, token.id, clock, times=3, address="192.0.2.1", at=clock.now() - timedelta(hours=2))
    refuse(alice, token.id, clock, times=8, address="192.0.2.2", at=clock.now() - timedelta(hours=1))
    refuse(alice, token.id, clock, error="address", reason="It came from …", at=clock.now() - timedelta(hours=3))

    page = shown(home)

    told = "Nightly backup Refused 11 times, last 1 hour ago. It lacks the scope tokens:write. Look at Nightly backup"
    assert part(page, "Refused lately") == told
    assert f'href="/tokens/{token.id}#calls-refused-h"' in page
    assert 'id="calls-refused-h"' in home.get(f"/tokens/{token.id}").text


def test_a_former_string_that_still_comes_is_told_of_its_token(home, token, alice, clock):
    former = more(alice, 1, successor_id=lambda n: token.id, consumed_at=lambda n: clock.now())[0]
    refuse(alice, former, clock, error="revoked", reason="It was revoked", detail="")

    page = shown(home)

    assert "Its former token: refused once, just now. It was revoked." in part(page, "Refused lately")
    assert f'href="/tokens/{token.id}#calls-refused-h"' in page


def test_one_that_is_refused_all_the_time_hides_no_other(home, token, alice, bob, clock):
    noisy = [*more(alice, 3, description=lambda n: f"Noisy {n}"), token.id]
    for n, one in enumerate(noisy):
        refuse(alice, one, clock, number=50, at=clock.now() - timedelta(hours=n))
    refuse(bob, more(bob, 1)[0], clock)

    rows = part(shown(home), "Refused lately")

    assert re.findall(r"Noisy \d(?= Refused)", rows) == ["Noisy 0", "Noisy 1", "Noisy 2"]
    assert rows.count("50 times") == 3


def test_what_was_refused_long_ago_or_of_a_token_that_is_gone_is_left_out(home, token, alice, clock):
    refuse(alice, token.id, clock, at=clock.now() - timedelta(days=8))
    refuse(alice, ids.new_id("tok"), clock)

    assert parts(shown(home)) == []


def test_the_sign_in_before_this_one_is_told_with_the_way_to_end_it(home, alice, clock):
    assert "Last sign-in" not in shown(home)
    sign_in_before(alice, clock, ago=timedelta(days=2), how="password")
    sign_in_before(alice, clock, ago=timedelta(days=1), how="passkey")

    page = shown(home)
    said = "Last sign-in yesterday with a passkey from 203.0.113.9. "
    assert said in plain(page)
    assert 'href="/settings#sessions">Was it not you?</a>' in page
    assert 'id="sessions"' in home.get("/settings").text


def test_one_that_came_after_this_one_is_the_last(app, home, alice, clock):
    sign_in_before(alice, clock, ago=timedelta(days=1), how="passkey")
    clock.move(minutes=5)
    pages.sign_in(app.test_client(), alice)
    clock.move(minutes=3)

    assert "Last sign-in <b><time" in shown(home)
    assert "3 minutes ago</time></b> with your password" in shown(home)


def test_a_sign_in_of_weeks_ago_is_found_among_what_happened(app, home, alice, clock):
    clock.move(days=20)
    assert not sessions.purge()
    db.commit()
    browser = pages.sign_in(app.test_client(), alice)
    clock.move(hours=1)

    assert db.query(BrowserSession).count() == 1
    assert "Last sign-in 20 days ago with your password" in plain(shown(browser))


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("how", [*map(str, sessions.How), "by a way of a newer version"])
def test_every_way_of_signing_in_has_its_words(home, alice, clock, how):
    sign_in_before(alice, clock, ago=timedelta(days=1), how=how[:20])

    page = plain(shown(home))

    assert re.search(r"Last sign-in yesterday( (with|by) [^{}.]+)? from 203\.0\.113\.9", page)
    assert "with  from" not in page


def test_while_all_is_paused_nothing_acts_and_the_way_to_resume_is_shown(home, token, alice, clock):
    change(token.id, last_used_at=clock.now())
    agents.pause(db.get_one(User, alice.id))
    db.commit()

    page = shown(home)

    assert "Everything that acts for you is paused" in page
    assert '<a href="/authorized-apps">resume</a>' in page
    assert part(page, "Acts for you now") == ""


def test_of_ended_tokens_alone_it_says_that_none_works(home, token, alice, clock):
    tokens.revoke(token)
    db.commit()
    refuse(alice, token.id, clock, error="revoked", reason="It was revoked", detail="")

    page = shown(home)

    assert "None of your tokens works any more." in page
    assert 'href="/tokens?status=ended"' in page
    assert parts(page) == ["Refused lately"]


@pytest.mark.parametrize("number, said", [(1, "One of your tokens waits"), (2, "2 of your tokens wait")])
def test_tokens_that_wait_for_an_administrator_are_told_of(home, alice, clock, number, said):
    more(alice, number, waiting_since=lambda n: clock.now(), expires_at=lambda n: clock.now() + timedelta(days=1))

    page = shown(home)

    assert f"{said} for an administrator." in page
    assert parts(page) == []


def test_those_that_wait_hide_none_that_works(home, token, alice, clock):
    now = clock.now()
    old = now - timedelta(days=200)
    change(token.id, expires_at=now + timedelta(days=5), created_at=now - timedelta(days=100))
    waits = {"waiting_since": lambda n: now, "created_at": lambda n: old, "last_used_at": lambda n: None}
    more(alice, 4, expires_at=lambda n: now + timedelta(days=1), **waits)

    page = shown(home)

    for title in ("Ends soon", "Not used for 90 days"):
        assert part(page, title).startswith("All 1 ")
        assert "Nightly backup" in part(page, title)


@pytest.mark.parametrize("values", [{"verified": False}, {"admin": True}])
@pytest.mark.settings(require_second_factor="nobody")
def test_whoever_is_unverified_or_an_administrator_is_welcomed_back_too(client, values):
    user = factories.make_user(**values)
    more(user, 1)

    page = shown(pages.sign_in(client, user))

    assert "Welcome back, " in page
    assert ("Verify your e-mail address." in page) == ("verified" in values)
    assert ('href="/admin"' in page) == ("admin" in values)


@pytest.mark.standard("J-04")
def test_nothing_that_somebody_wrote_is_markup_or_turns_a_sentence_round(client, bob, clock):
    script = '<img src=x alt="1">'
    user = factories.make_user(name=f"{script}{HEBREW}")
    now = clock.now()
    many(
        user,
        3,
        description=lambda n: f"{HEBREW}{script} {n}",
        expires_at=lambda n: now + timedelta(days=1),
        created_at=lambda n: now - timedelta(days=100),
    )
    made = db.query(Token).filter_by(user_id=user.id).first()
    app = factories.make_client(bob, name=f"{HEBREW} <b>").client
    let_act(user, app, now)
    refuse(user, made.id, clock, reason=f"It is for another API: {script}", detail=script)

    page = shown(pages.sign_in(client, user))

    assert parts(page) == ["Ends soon", "Not used for 90 days", "Acts for you now", "Refused lately"]
    assert "<img" not in page
    assert f"{HEBREW} <b>" not in page
    written = re.sub(r"<nav.*?</nav>", "", page, flags=re.DOTALL)
    assert len(re.findall(HEBREW, written)) == len(re.findall(rf"<bdi>(?:&lt;[^<]*)?{HEBREW}[^<]*</bdi>", written)) > 9


def test_opening_it_changes_nothing(home, alice, clock, monkeypatch):
    shown(home)
    told = counted(monkeypatch)

    shown(home)

    assert {one.split()[0] for one in told} <= {"SELECT", "WITH"}


def test_where_nothing_needs_anybody_the_latest_tokens_and_doings_are_shown(home, token, alice, bob):
    more(alice, 3, description=lambda n: f"Made {n}", expires_at=lambda n: None)
    more(bob, 1, description=lambda n: "His")
    tokens.revoke(factories.make_token(alice, description="Revoked").token)
    db.commit()

    page = shown(home)

    assert "Nothing needs you now." in page
    assert part(page, "Your tokens").startswith("All 4 that work ")
    assert re.findall(r"(?:Made \d|Nightly backup|His|Revoked)(?= \w)", part(page, "Your tokens")) == [
        "Made 2", "Made 1", "Made 0",
    ]  # fmt: skip
    assert "Made 2 no expiry, never used" in part(page, "Your tokens")
    assert "You signed in" in part(page, "What happened last")
    assert 'href="/activity">All of it' in page


@pytest.mark.parametrize("number, beside", [(1, ["What happened last"]), (2, [])])
def test_what_needs_somebody_comes_first_and_what_happened_fills_a_place_left_over(home, token, clock, number, beside):
    change(token.id, expires_at=clock.now() + timedelta(days=2))
    if number == 2:
        change(token.id, last_used_at=clock.now())

    page = shown(home)

    assert len(parts(page)) == number
    assert [title for title in QUIET if part(page, title)] == beside
    assert "Nothing needs you now." not in page


def test_where_no_token_works_none_is_shown_as_if_it_did(home, token):
    tokens.revoke(token)
    db.commit()

    page = shown(home)

    assert part(page, "Your tokens") == ""
    assert "Nothing needs you now." not in page
    assert part(page, "What happened last")


def furnish(user: User, owner: User, clock, number: int) -> None:
    """So many tokens of all kinds, apps, refused calls, sign-ins and events of somebody, with a month of counts."""
    now = clock.now()
    made = more(
        user,
        number,
        created_at=lambda n: now - timedelta(days=200),
        last_used_at=lambda n: now - timedelta(hours=n) if n % 2 else None,
        expires_at=lambda n: now + timedelta(hours=n + 1) if n % 3 else None,
        revoked_at=lambda n: now if n % 5 == 4 else None,
    )
    for n, one in enumerate(made[: number // 4]):
        refuse(user, one, clock, number=3, at=now - timedelta(minutes=n))
    days = [counts.first_day() + timedelta(days=day) for day in range(counts.DAYS)]
    row = {"person_id": "", "user_id": user.id, "status": 200, "shape": "", "call": "", "scope": "", "calls": 1}
    db.execute(insert(CallCount), [row | {"source_id": m, "day": d, "last_at": now} for m in made[:40] for d in days])
    event = {"user_id": user.id, "kind": "token.created", "at": now, "address": "", "agent": "", "request_id": ""}
    db.execute(insert(Event), [event | {"detail": {}} for _ in range(number)])
    for n in range(min(number, 20)):
        let_act(user, factories.make_client(owner, name=f"App {user.id} {n}").client, now - timedelta(minutes=n))
    db.commit()


# Session and user; tokens; apps; their calls; refused calls, and the tokens of these; the sign-in before: among the
# sessions, and what happened.
STATEMENTS = 8


@pytest.mark.slow("makes thousands of rows")
def test_however_much_somebody_has_the_statements_are_as_many(app, alice, bob, clock, monkeypatch):
    carol = factories.make_user("carol@example.com")
    furnish(carol, bob, clock, 4)
    furnish(alice, bob, clock, 2_000)
    few, lots = (pages.sign_in(app.test_client(), user) for user in (carol, alice))
    asked = []
    for browser in (few, lots):
        assert parts(shown(browser)) == list(PARTS)
        told = counted(monkeypatch)
        shown(browser)
        asked.append([one.split("\n")[0] for one in told])
        monkeypatch.undo()

    assert len(asked[0]) == len(asked[1]) <= STATEMENTS


@pytest.mark.slow("makes thousands of rows")
def test_each_statement_reads_along_an_index(app, alice, bob, clock, monkeypatch):
    if not engines().embedded:
        pytest.skip("PostgreSQL chooses by its statistics")
    furnish(alice, bob, clock, 300)
    browser = pages.sign_in(app.test_client(), alice)
    told = counted(monkeypatch)
    shown(browser)
    plans = planned(*(one for one in told if "browser_session.digest = " not in one))

    assert [plan for plan in plans if "ix_refusal_user_id_at (user_id=? AND at>?)" in plan]
    assert [plan for plan in plans if "ix_token_unrevoked (user_id=?" in plan]
    tables = "token|refusal|call_count|authorization|event|browser_session|client|user"
    assert not [plan for plan in plans if re.match(rf'SCAN "?({tables})"?\b', plan)], plans


def planned(*statements: str) -> list[str]:
    """The steps in which SQLite would answer them."""
    with engines().read.connect() as connection:
        explained = ((f"EXPLAIN QUERY PLAN {one}", ("0",) * one.count("?")) for one in statements)
        return [row[-1] for asked in explained for row in connection.exec_driver_sql(*asked)]


@pytest.mark.slow("makes thousands of rows")
def test_what_apps_did_is_read_along_the_key_for_the_page_of_all_of_them_too(signed_in, alice, bob, clock, monkeypatch):
    if not engines().embedded:
        pytest.skip("PostgreSQL chooses by its statistics")
    furnish(alice, bob, clock, 40)
    told = counted(monkeypatch)

    signed_in.get("/authorized-apps")

    plans = planned(*(one for one in told if "FROM call_count" in one))
    assert "(source_id=? AND person_id=? AND day>?)" in " ".join(plans), plans


def test_the_page_is_small_however_long_the_names_are(home, alice, clock):
    now = clock.now()
    name = (ids.draw() * 5)[:80]
    many(
        alice,
        9,
        description=lambda n: f"{n}{ids.draw()}{name}"[:80],
        created_at=lambda n: now - timedelta(days=200),
        last_used_at=lambda n: now - timedelta(days=1) if n % 2 else None,
        expires_at=lambda n: now + timedelta(days=n % 7),
    )

    assert len(gzip.compress(home.get("/").data)) < 15_000
