"""“I have been hacked”: one page, one confirmation, and nothing of a thief's goes on."""

import html
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from latchkey import clients, clock, credentials, grants, origin, tokens
from latchkey import settings as used_settings
from latchkey.accounts import links, passkeys, passwords, second_factors, sessions
from latchkey.accounts.links import Purpose
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.second_factors import Authenticator
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.clients import Cause
from latchkey.clients.keys import changing
from latchkey.journal import activity, acts
from latchkey.journal.activity import EventKind
from latchkey.journal.acts import ActKind
from latchkey.origin import Actor, Doer, Origin
from latchkey.safety import doings
from latchkey.store.session import db as session
from tests import pages
from tests.bearers import works
from tests.crowd import at_once
from tests.factories import PASSWORD, begin_own, find_secret, make_client, make_token, make_user
from tests.oauth import dance, signing

NEW = "lantern-orchid-57-gravel"
THIEF = Origin("203.0.113.77", "Mozilla/5.0 (Windows NT 10.0) Chrome/130.0", "abc123")


def press(browser, **fields):
    return pages.submit(browser, "/hacked", since="7", **fields)


def words(page):
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page.text).split()))


@pytest.fixture
def admin(app, db):
    return pages.sign_in(app.test_client(), make_user("ada@example.com", name="Ada", admin=True))


@pytest.fixture
def later(clock):
    """More than a quarter of an hour after the last proof."""
    return lambda: clock.move(minutes=16)


@pytest.mark.standard("L-07", "I-08", "M-02")
def test_everything_ends_but_this_browser_whose_session_is_another_one(app, signed_in, alice, bob, example_client):
    other = pages.sign_in(app.test_client(), alice)
    token, his = make_token(alice).plaintext, make_token(bob).plaintext
    grants.allow(alice, example_client.client, ["account:read"])
    own = make_client(alice, name="Console")
    session.commit()
    cookie = signed_in.get_cookie("latchkey").value

    answer = press(signed_in)

    session.expire_all()
    assert answer.status_code == 303
    assert signed_in.get_cookie("latchkey").value != cookie
    assert signed_in.get(answer.location).status_code == 200
    assert other.get("/settings").location.startswith("/login")
    assert [works(token), works(his)] == [False, True]
    assert grants.list_for(alice) == []
    assert find_secret(own.client, own.secret) is None
    assert find_secret(example_client.client, example_client.secret) is not None


@pytest.mark.standard("M-02")
def test_the_cookie_from_before_opens_nothing(app, signed_in):
    thief = app.test_client()
    thief.set_cookie("latchkey", signed_in.get_cookie("latchkey").value)

    press(signed_in)

    assert thief.get("/settings").location.startswith("/login")


@pytest.mark.standard("L-09")
def test_it_needs_fresh_proof(signed_in, alice, later):
    token = make_token(alice).plaintext
    later()

    without = press(signed_in)
    wrong = pages.prove(signed_in, without, password="not-hers-at-all-9")
    before = works(token)
    pages.prove(signed_in, without)
    right = press(signed_in)

    assert pages.asks_for_proof(without)
    assert [wrong.status_code, right.status_code] == [422, 303]
    assert [before, works(token)] == [True, False]


@pytest.mark.standard("L-13", "M-02")
@pytest.mark.parametrize(
    "used, stays",
    [
        ({"Mine": 0, "Theirs": 4}, ["Mine"]),
        ({"Mine": 4, "Theirs": None}, ["Mine"]),
        ({"Upstream": None, "Theirs": 0.001}, []),
        ({"Mine": None, "Theirs": None}, ["Mine"]),
    ],
)
def test_without_a_password_only_what_was_just_shown_goes_on(signed_in, alice, mailbox, used, stays):
    here = sessions.list_live(alice)[0]
    session.get_one(User, alice.id).password_hash = passwords.NONE
    for name, seconds in used.items():
        at = None if seconds is None else here.authenticated_at + timedelta(seconds=seconds)
        added = {"credential_id": name.encode(), "public_key": b"k", "sign_count": 0, "last_used_at": at}
        session.add(Passkey(user_id=alice.id, name=name, **added))
    if not stays:
        used_settings.use(replace(used_settings.current(), oidc_issuer="https://login.example.com", oidc_name="Acme"))
        identities.add(alice, "https://login.example.com", "alice", None)
    session.commit()
    page, _, _ = words(signed_in.get("/hacked")).partition("New or changed")
    assert [name for name in used if name in page] == [name for name in used if name not in stays], page

    assert press(signed_in).status_code == 303

    session.expire_all()
    assert [passkey.name for passkey in passkeys.list_for(alice)] == stays
    told = [letter.subject for letter in mailbox.letters(alice.email) if "Passkey" in letter.subject]
    assert len(told) == len(used) - len(stays)


@pytest.mark.standard("L-13")
def test_without_a_password_recovery_codes_end_and_what_the_upstream_is_not_enough_without_stays(
    signed_in, alice, mailbox
):
    here = sessions.list_live(alice)[0]
    session.get_one(User, alice.id).password_hash = passwords.NONE
    mine = {"credential_id": b"i", "public_key": b"k", "sign_count": 0, "last_used_at": here.authenticated_at}
    session.add(Passkey(user_id=alice.id, name="Mine", **mine))
    session.add(Authenticator(user_id=alice.id, sealed_key="k", last_step=0))
    [code, *_] = second_factors.make_codes(alice)
    session.commit()
    assert "Your recovery codes end, and you make new ones. An authenticator app stays" in words(
        signed_in.get("/hacked")
    )

    report = signed_in.get(press(signed_in).headers["Location"])

    assert "Make new recovery codes" in report.text
    assert "your recovery codes: make new ones" in mailbox.last(alice.email).text
    assert (second_factors.codes_left(alice), second_factors.spend(alice, code)) == (0, False)
    assert second_factors.find(alice) is not None
    assert len(passkeys.list_for(alice)) == 1


def test_with_a_password_codes_and_the_passkeys_from_before_stay_to_be_looked_at(signed_in, alice, mailbox):
    old = {"created_at": clock.now() - timedelta(days=9)}
    session.add(Passkey(user_id=alice.id, name="Mine", credential_id=b"i", public_key=b"k", sign_count=0, **old))
    second_factors.make_codes(alice)
    session.commit()

    report = signed_in.get(press(signed_in).headers["Location"])

    session.expire_all()
    assert len(passkeys.list_for(alice)) == 1
    assert second_factors.codes_left(alice) == second_factors.CODES
    assert "recovery codes" not in report.text.lower()
    assert "recovery codes" not in mailbox.last(alice.email).text


def test_opening_the_page_ends_nothing(signed_in, alice):
    token = make_token(alice).plaintext

    page = signed_in.get("/hacked")

    assert "I have been hacked" in page.text
    assert works(token)
    assert activity.list_for(alice, kinds=(EventKind.EVERYTHING_ENDED,)) == []


def test_signed_out_it_leads_to_sign_in_which_offers_a_reset_and_comes_back(client, alice):
    answer = client.get("/hacked")
    page = client.get(answer.location)

    assert answer.location == "/login?next=/hacked"
    assert 'href="/forgot-password?next=/hacked"' in page.text
    came_back = client.post(
        "/login", data={"csrf_token": pages.csrf(page), "email": alice.email, "password": PASSWORD, "next": "/hacked"}
    )
    assert came_back.location == "/hacked"


def test_sign_in_and_settings_lead_there(client, signed_in, app):
    assert 'href="/hacked"' in app.test_client().get("/login").text
    assert 'href="/hacked"' in signed_in.get("/settings").text


@pytest.mark.standard("L-07")
def test_the_old_password_opens_nothing_and_no_link_from_before_does(app, signed_in, alice):
    reset = links.issue(alice, Purpose.RESET_PASSWORD)
    change = links.issue(alice, Purpose.CHANGE_EMAIL, email="thief@example.net")
    session.commit()

    press(signed_in)

    refused = pages.submit(app.test_client(), "/login", email=alice.email, password=PASSWORD)
    assert refused.status_code == 422
    assert links.peek(reset, Purpose.RESET_PASSWORD) is None
    assert links.peek(change, Purpose.CHANGE_EMAIL) is None


def test_nothing_else_is_open_until_a_new_password_is_chosen(signed_in):
    report = press(signed_in).location

    for path in ("/tokens", "/tokens/new", "/settings", "/apps/new", "/hacked", "/authorized-apps"):
        assert signed_in.get(path, follow_redirects=True).request.path == report


@pytest.mark.standard("L-09")
def test_the_new_password_is_chosen_without_the_old_one_and_only_while_the_proof_is_fresh(signed_in, app, alice, later):
    report = press(signed_in).location
    weak = pages.submit(signed_in, "/hacked/password", form=report, password="password12345678")
    page = signed_in.get(report)
    later()
    late = signed_in.post("/hacked/password", data={"csrf_token": pages.csrf(page), "password": NEW})
    stale = signed_in.get(report)

    assert weak.status_code == 422
    assert "too easy to guess" in weak.text
    assert late.status_code == 303
    assert session.get(User, alice.id, populate_existing=True).needs_password
    assert 'name="password"' not in stale.text
    assert 'href="/forgot-password"' in stale.text


def test_with_a_new_password_the_account_is_open_again_here_and_anywhere(signed_in, app, alice):
    report = press(signed_in).location

    answer = pages.submit(signed_in, "/hacked/password", form=report, password=NEW)

    assert answer.status_code == 303
    assert signed_in.get("/tokens").status_code == 200
    assert pages.sign_in(app.test_client(), alice, NEW).get("/tokens").status_code == 200
    again = pages.submit(signed_in, "/hacked/password", form="/settings", password=PASSWORD)
    assert again.status_code == 303
    assert pages.submit(app.test_client(), "/login", email=alice.email, password=PASSWORD).status_code == 422


@pytest.mark.parametrize(
    "fields, stopped",
    [
        ({"since": "today"}, ["New"]),
        ({"since": "7"}, ["New"]),
        ({"since": "30"}, ["Middle", "New"]),
        ({"since": "none"}, []),
    ],
)
def test_apps_made_since_a_chosen_day_are_suspended(signed_in, alice, fields, stopped):
    for name, age in (("Old", 100), ("Middle", 20), ("New", 0)):
        made = make_client(alice, name=name).client
        made.created_at = made.updated_at = clock.now() - timedelta(days=age)
    session.commit()

    assert pages.submit(signed_in, "/hacked", **fields).status_code == 303

    session.expire_all()
    suspended = [client for client in clients.owned(alice) if clients.causes(client) == {Cause.HACKED}]
    assert sorted(client.name for client in suspended) == stopped


def aged(client):
    client.created_at = client.updated_at = clock.now() - timedelta(days=100)
    return client


CHANGES = {
    "a redirect URI": lambda client: clients.add_redirect_uri(client, "https://thief.example/cb", by=None),
    "a logo": lambda client: clients.set_logo(client, b"thief's", by=None),
    "keys": lambda client: changing.give(client, changing.pasted(signing.key_set(signing.Pair())), by=None),
}


@pytest.mark.standard("I-08")
@pytest.mark.parametrize("change", CHANGES)
def test_an_old_app_that_was_changed_since_a_chosen_day_is_suspended_too(signed_in, alice, change):
    made, other = (aged(make_client(alice, name=name).client) for name in ("Console", "Untouched"))
    CHANGES[change](clients.lock(made.id))
    session.commit()
    page = words(signed_in.get("/hacked"))
    assert "Console App, changed just now" in page
    assert "Untouched" not in page.partition("New or changed")[2].partition("Undo what was")[0]

    report = words(signed_in.get(press(signed_in).location))

    session.expire_all()
    assert clients.causes(clients.find(made.id)) == {Cause.HACKED}
    assert clients.causes(clients.find(other.id)) == frozenset()
    assert "Suspended: Console" in report


@pytest.fixture
def upstream(app):
    used_settings.use(replace(used_settings.current(), oidc_issuer="https://login.example.com", oidc_name="Acme"))


def add_ways_in(alice, *ages):
    """A passkey and a linked sign-in of each age in days."""
    for days in ages:
        at = clock.now() - timedelta(days=days)
        key = {"credential_id": f"{days}".encode(), "public_key": b"k", "sign_count": 0, "created_at": at}
        session.add(Passkey(user_id=alice.id, name=f"Key {days}", **key))
        identities.add(alice, "https://login.example.com", f"{days}", f"linked{days}@example.com").created_at = at
    session.commit()


@pytest.mark.standard("L-13", "I-08")
@pytest.mark.parametrize(
    "since, stays", [("today", ["3", "20"]), ("7", ["20"]), ("30", []), ("none", ["0", "3", "20"])]
)
@pytest.mark.usefixtures("clock", "upstream")
def test_ways_in_that_were_added_since_a_chosen_day_are_taken_off(signed_in, alice, mailbox, since, stays):
    add_ways_in(alice, 0, 3, 20)
    page = words(signed_in.get("/hacked"))
    for told in ("Key 0 Passkey, added just now", "linked3@example.com Linked sign-in, added 3 days ago", "Key 20"):
        assert told in page

    report = words(signed_in.get(pages.submit(signed_in, "/hacked", since=since).location))

    session.expire_all()
    assert {passkey.name for passkey in passkeys.list_for(alice)} == {f"Key {days}" for days in stays}
    assert {identity.subject for identity in identities.usable(alice)} == set(stays)
    gone = {"0", "3", "20"} - set(stays)
    letters = mailbox.letters(alice.email)
    subjects = Counter(letter.subject.partition(":")[0] for letter in letters)
    told = subjects["Passkey removed"], subjects["A way to sign in was unlinked from your account"]
    assert told == (len(gone), len(gone)), subjects
    [letter] = [" ".join(each.text.split()) for each in letters if "your report" in each.subject]
    for text in (report, letter):
        for days in gone:
            assert text.partition("Taken off")[2].count(f"Key {days}") == 1
            assert f"linked{days}@example" in text.partition("Taken off")[2]
        assert ("Taken off" in text) is bool(gone)


@pytest.mark.standard("L-13")
@pytest.mark.usefixtures("clock", "upstream")
def test_what_one_came_in_by_is_not_taken_off(signed_in, alice):
    add_ways_in(alice, 0, 1)
    here = sessions.list_live(alice)[0]
    passkeys.list_for(alice)[0].last_used_at = here.authenticated_at
    here.identity_id = identities.usable(alice)[1].id
    session.commit()
    kept = passkeys.list_for(alice)[0].name, identities.usable(alice)[1].subject

    assert press(signed_in).status_code == 303

    session.expire_all()
    assert [passkey.name for passkey in passkeys.list_for(alice)] == [kept[0]]
    assert [identity.subject for identity in identities.usable(alice)] == [kept[1]]


def test_an_address_that_was_changed_is_told_with_the_way_to_change_it(signed_in, alice):
    activity.record(alice, EventKind.EMAIL_CHANGED, old="hers@example.com", new=alice.email)
    session.commit()
    page = words(signed_in.get("/hacked"))
    assert "hers@example.com E-mail address before, changed just now" in page

    report = press(signed_in).location

    assert "Look at your e-mail address" in signed_in.get(report).text
    activity.record(alice, EventKind.EMAIL_CHANGED, old=alice.email, new="hers@example.com")
    session.commit()
    assert "Look at your e-mail address" not in signed_in.get(report).text


def test_what_was_added_or_changed_long_ago_is_not_told_and_very_much_is_bounded(signed_in, alice):
    for number in range(33):
        made = make_client(alice, name=f"App {number}").client
        if not number:
            aged(made)
    session.commit()

    page = words(signed_in.get("/hacked"))

    assert page.count("App, registered") == 30
    assert "And 2 more." in page
    assert "App 0 " not in page


def test_a_day_of_ones_own_is_taken_and_nonsense_is_told(signed_in, alice, clock):
    made = make_client(alice, name="Middle").client
    made.created_at = made.updated_at = clock.now() - timedelta(days=20)
    session.commit()
    day = (clock.now() - timedelta(days=21)).date()

    too_late = (clock.now() + timedelta(days=2)).date().isoformat()
    bad = [
        pages.submit(signed_in, "/hacked", since="date", since_date=text).status_code
        for text in ("", "31", "2026-02-31", "9999-12-31", "\x00", "2026-W01-1", "0000-00-00", too_late, "a" * 99_999)
    ]
    unknown = pages.submit(signed_in, "/hacked", since="ever").status_code
    good = pages.submit(signed_in, "/hacked", since="date", since_date=day.isoformat())

    session.expire_all()
    assert set(bad) <= {422, 413}
    assert unknown == 422
    assert good.status_code == 303
    assert clients.causes(clients.find(made.id)) == {Cause.HACKED}


@pytest.mark.standard("I-08")
@pytest.mark.parametrize(
    "hour, ago, fields",
    [
        (4, 10, {"since": "today"}),
        (4, 23, {"since": "today"}),
        (21, 10, {"since": "date", "since_date": "2126-03-11"}),
        (12, 7 * 24 + 13, {"since": "7"}),
    ],
)
def test_a_day_is_one_wherever_its_owner_is(app, clock, hour, ago, fields):
    clock.moment = datetime(2126, 3, 10, hour, tzinfo=UTC)
    owner = make_user("owner@example.com")
    made = make_client(owner, name="Changed").client
    made.created_at = made.updated_at = clock.now() - timedelta(hours=ago)
    session.commit()

    pages.submit(pages.let_in(app.test_client(), owner), "/hacked", **fields)

    session.expire_all()
    assert clients.causes(clients.find(made.id)) == {Cause.HACKED}


def test_any_day_of_old_is_one(signed_in):
    assert pages.submit(signed_in, "/hacked", since="date", since_date="0001-01-01").status_code == 303


def test_its_owner_starts_a_suspended_app_again(signed_in, alice):
    made = make_client(alice, name="Console").client
    report = press(signed_in).location
    pages.submit(signed_in, "/hacked/password", form=report, password=NEW)

    assert "Start app again" in signed_in.get(f"/apps/{made.id}").text
    pages.submit(signed_in, f"/apps/{made.id}/restore")

    session.expire_all()
    assert clients.find(made.id).suspended_at is None


def test_what_an_app_of_ones_own_does_as_itself_ends_too(signed_in, alice):
    """Whoever had its secret could begin that."""
    own = make_client(alice, name="Console").client
    grant = begin_own(own, ["account:read"])
    session.commit()

    press(signed_in)

    session.expire_all()
    assert session.get(grants.Grant, grant.id).ended_at is not None


@pytest.mark.standard("P-04")
def test_the_report_stands_on_the_page_and_comes_by_mail_with_the_thief_first(signed_in, alice, mailbox):
    old = clock.now() - timedelta(days=40)
    activity.record(alice, EventKind.SIGNED_IN).at = old
    session.flush()
    alice_event = activity.list_for(alice)[-1]
    alice_event.address = "127.0.0.1"
    session.commit()
    mark = origin.current.set(THIEF)
    make_token(alice, description="Backdoor")
    activity.record(alice, EventKind.TOKEN_CREATED, description="Backdoor")
    make_client(alice, name="Sync helper evil.example/x")
    activity.record(alice, EventKind.APP_REGISTERED, app="Sync helper")
    session.commit()
    origin.current.reset(mark)

    report = signed_in.get(press(signed_in).location)
    letter = mailbox.last(alice.email)

    assert letter.subject == "Everything has ended: your report"
    for told in (words(report), " ".join(letter.text.split()), words_of(letter.html)):
        assert "203.0.113.77" in told
        assert "ever seen before" in told
        assert "Created a token, registered an app" in told
    assert "Sync helper" in letter.text
    assert "evil.example/x" not in letter.text
    first = report.text.split("<tbody>")[1].split("</tr>")[0]
    assert "203.0.113.77" in first
    assert letter.link("/hacked/report/") == report.request.path
    assert letter.link("/forgot-password")


def words_of(markup):
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", markup).split()))


def test_tokens_and_apps_are_told_by_what_they_did_and_when_they_were_used(alice, example_client):
    token = make_token(alice, description="Nightly backup").token
    token.last_used_at, token.last_used_address = clock.now(), "198.51.100.9"
    standing = grants.allow(alice, example_client.client, ["account:read"])
    session.get(grants.Authorization, standing.authorization_id).last_used_at = clock.now()
    session.commit()
    mark = origin.current.set(Origin("192.0.2.4", "curl/8", "r", Actor(Doer.TOKEN, token.id, "Nightly backup")))
    activity.record(alice, EventKind.TOKEN_CREATED)
    activity.record(alice, EventKind.SIGN_IN_FAILED)
    session.commit()
    origin.current.reset(mark)

    told = {(doing.kind, doing.name): doing for doing in doings.of(alice)}

    assert set(told) == {("token", "Nightly backup"), ("app", "Example")}
    assert told["token", "Nightly backup"].did == {"token.created": 1}
    assert told["token", "Nightly backup"].address == "192.0.2.4"


def test_the_report_of_an_account_that_did_very_much_is_bounded(alice):
    for number in range(300):
        mark = origin.current.set(Origin(f"198.51.{number // 250}.{number % 250}", "curl/8", "r"))
        activity.record(alice, EventKind.TOKEN_CREATED)
        origin.current.reset(mark)
    session.commit()

    assert len(doings.of(alice)) == doings.MOST


def test_a_day_without_a_report_is_not_found_and_no_other_persons_is_shown(app, signed_in, bob):
    report = press(signed_in).location
    his = pages.sign_in(app.test_client(), bob)

    for day in ("2026-01-01", "yesterday", "%00", "9999-99-99", "a" * 500):
        assert signed_in.get(f"/hacked/report/{day}").status_code == 404
    assert his.get(report).status_code == 404


@pytest.mark.standard("N-01")
def test_it_is_no_get_and_needs_the_forms_token(app, signed_in, alice):
    token = make_token(alice).plaintext

    assert signed_in.post("/hacked", data={"since": "7"}).status_code in (400, 422)
    assert works(token)


def test_pressed_many_times_at_once_it_happens_once(app, signed_in, alice):
    page = signed_in.get("/hacked")
    fields = {"csrf_token": pages.csrf(page), "since": "7"}
    cookie = signed_in.get_cookie("latchkey").value

    def press():
        browser = app.test_client()
        browser.set_cookie("latchkey", cookie)
        return browser.post("/hacked", data=fields).status_code

    statuses = at_once(*[press] * 8)

    session.expire_all()
    assert statuses.count(303) >= 1
    assert not [status for status in statuses if status >= 500]
    assert len(activity.list_for(alice, kinds=(EventKind.EVERYTHING_ENDED,))) == 1


def test_an_app_is_not_authorized_before_a_new_password_is_chosen(signed_in, example_client):
    press(signed_in)
    asked = dance.asked(example_client)

    answer = signed_in.get("/oauth/authorize", query_string=asked)
    silent = signed_in.get("/oauth/authorize", query_string=asked | {"prompt": "none"})

    assert answer.location == "/hacked"
    assert "error=consent_required" in silent.location


@pytest.mark.standard("K-01", "L-07")
def test_a_question_of_an_app_from_before_is_not_agreed_to(signed_in, alice, example_client):
    asked = dance.asked(example_client)
    page = signed_in.get("/oauth/authorize", query_string=asked)
    handle = pages.hidden(page, "handle")
    report = signed_in.get(press(signed_in).location)

    answer = signed_in.post(
        "/oauth/authorize", data={"csrf_token": pages.csrf(report), "handle": handle, "decision": "allow"}
    )

    assert answer.status_code == 400
    assert grants.list_for(alice) == []


@pytest.mark.standard("P-06")
def test_every_letter_to_somebody_who_has_an_account_leads_there(signed_in, alice, mailbox):
    make_token(alice)
    fields = {"description": "x", "scope": "account:read", "expires": "30", "form_id": credentials.opaque()}
    pages.submit(signed_in, "/tokens/new", **fields)

    letter = mailbox.last(alice.email)

    assert letter.text.rstrip().endswith("Latchkey, http://localhost")
    assert letter.link("/hacked") == "/hacked"
    assert '/hacked"' in letter.html


def test_a_mailed_link_to_a_new_address_does_not(client, mailbox):
    pages.submit(client, "/signup", name="Ada", email="ada@example.com", password=NEW)

    assert "/hacked" not in mailbox.last("ada@example.com").text


def test_sessions_beyond_this_one_are_counted(app, signed_in, alice):
    for _ in range(2):
        pages.sign_in(app.test_client(), alice)

    press(signed_in)

    (event,) = activity.list_for(alice, kinds=(EventKind.EVERYTHING_ENDED,))
    assert event.detail["sessions"] == 2
    assert len(sessions.list_live(alice)) == 1
    assert tokens.page(alice).tokens == []


@pytest.mark.standard("L-12")
@pytest.mark.settings(require_second_factor="nobody")
def test_nobody_whom_a_thief_invited_comes_in_as_an_administrator(app, admin, bob, mailbox):
    for email in ("accomplice@example.com", "colleague@example.com"):
        pages.submit(admin, "/admin/invitations", email=email, admin="y")
    others = pages.sign_in(app.test_client(), bob)
    path = mailbox.last("accomplice@example.com").link("/invitation/")
    assert "2 invitations that you sent and nobody has accepted are taken back" in words(admin.get("/hacked"))

    press(admin)

    assert app.test_client().get(path).status_code == 410
    assert others.get("/settings").status_code == 200
    assert "Taken back: 2 invitations that you had sent." in words(
        admin.get("/hacked/report/" + f"{clock.now():%Y-%m-%d}")
    )
    assert [act.kind for act in acts.page(limit=2)] == [ActKind.INVITATION_TAKEN_BACK] * 2
