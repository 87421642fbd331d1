"""Signing in and out: alike for everybody, slowed down for whoever guesses, open to whoever was here before."""

from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event

from latchkey import settings as settings_module
from latchkey.accounts import limits, passwords, sessions, throttle, users
from latchkey.accounts.throttle import Counter
from latchkey.journal import activity
from latchkey.store.session import engines
from latchkey.values import Limit
from tests import pages, statements
from tests.factories import CALLBACK, PASSWORD, make_client, make_user

HERE = Counter("sign-in-from:127.0.0.1", limits.NETWORK)


def attempt(client, email, password, **fields):
    return pages.submit(client, "/login", email=email, password=password, **fields)


def test_the_right_password_opens_a_session(client, alice):
    answer = attempt(client, " Alice@EXAMPLE.com ", PASSWORD)

    assert (answer.status_code, answer.location) == (303, "/")
    assert "Welcome, Alice" in client.get("/").text
    assert [session.address for session in sessions.list_live(alice)] == ["127.0.0.1"]
    assert activity.list_for(alice)[0].kind == "sign_in.succeeded"


@pytest.mark.standard("M-02")
def test_signing_in_gives_another_cookie_and_another_form_secret(client, alice):
    page = client.get("/login")
    before = client.get_cookie("latchkey").value

    client.post("/login", data={"csrf_token": pages.csrf(page), "email": alice.email, "password": PASSWORD})
    stale = client.post("/logout", data={"csrf_token": pages.csrf(page)})

    assert client.get_cookie("latchkey").value != before
    assert stale.status_code == 400
    assert client.get("/settings").status_code == 200


@pytest.mark.standard("M-03")
def test_the_cookie_is_for_this_site_alone_and_closed_to_scripts(client, alice):
    answer = attempt(client, alice.email, PASSWORD)

    for cookie in answer.headers.getlist("Set-Cookie"):
        assert "; HttpOnly" in cookie
        assert "; Path=/" in cookie
        assert "; SameSite=Lax" in cookie
        assert len(cookie) < 4096


@pytest.mark.standard("M-03")
@pytest.mark.settings(base_url="https://portal.example.com")
def test_over_https_every_cookie_is_bound_to_the_host(app, alice):
    client = app.test_client()
    options = {"base_url": "https://portal.example.com", "headers": {"Origin": "https://portal.example.com"}}
    page = client.get("/login", **options)

    answer = client.post(
        "/login", data={"csrf_token": pages.csrf(page), "email": alice.email, "password": PASSWORD}, **options
    )

    cookies = answer.headers.getlist("Set-Cookie")
    assert answer.status_code == 303
    assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-latchkey", "__Host-device"}
    assert all("; Secure" in cookie for cookie in cookies)


@pytest.mark.parametrize(
    "email, password",
    [
        ("alice@example.com", "wrong-" + PASSWORD),
        ("nobod@example.com", PASSWORD),
        ("alice@example.com", "\x00"),
        ("alice@example.com\x00", PASSWORD),
        ("not an address", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("a" * 20_000, "b" * 20_000),
    ],
)
def test_whatever_is_wrong_the_answer_is_the_same(client, alice, email, password):
    answer = attempt(client, email, password)

    assert answer.status_code == 422
    assert "E-mail or password is not right." in answer.text
    assert password not in answer.text
    assert client.get("/settings").status_code == 303


@pytest.mark.standard("L-04")
def test_known_and_unknown_addresses_are_answered_alike(app, alice):
    known, unknown = (
        attempt(app.test_client(), email, "wrong-" + PASSWORD) for email in ("alice@example.com", "nobod@example.com")
    )

    def headers(answer):
        return sorted((name, len(value)) for name, value in answer.headers)

    assert known.status_code == unknown.status_code == 422
    assert known.text.replace(alice.email, "") != unknown.text
    assert len(known.text) == len(unknown.text)
    assert headers(known) == headers(unknown)


@pytest.mark.standard("L-04")
def test_before_a_password_is_looked_at_the_same_is_asked_for_known_and_unknown_addresses(client, alice, monkeypatch):
    told, asked = statements.counted(monkeypatch), []

    def looked_at(_stored, _password):
        asked.append(list(told))
        return False

    monkeypatch.setattr(passwords, "verify", looked_at)
    for email in (alice.email, "nobod@example.com"):
        told.clear()
        attempt(client, email, PASSWORD)

    assert asked[0] == asked[1]
    assert sum("email_key IN" in text for text in asked[0]) == 1


def test_a_suspended_user_is_told_no_more_than_anybody(client, db, alice):
    users.disable(alice)
    db.commit()

    assert "E-mail or password is not right." in attempt(client, alice.email, PASSWORD).text


@pytest.mark.parametrize("password", [PASSWORD, "not-the-one-that-it-is"])
def test_what_is_kept_of_signing_in_to_a_suspended_account_calls_no_password_wrong(app, client, db, alice, password):
    users.disable(alice)
    db.commit()
    attempt(client, alice.email, password)
    users.enable(users.find_by_email(alice.email))
    db.commit()

    page = pages.sign_in(app.test_client(), alice).get("/activity").text

    assert "Somebody tried to sign in while the account was suspended" in page
    assert "wrong password" not in page


@pytest.mark.parametrize("email, password, named", [("", PASSWORD, "email"), ("alice@example.com", "", "password")])
def test_a_missing_field_is_named_beside_it(client, alice, email, password, named):
    answer = attempt(client, email, password)

    assert answer.status_code == 422
    assert f'id="{named}-error"' in answer.text
    assert ('value="alice@example.com"' in answer.text) == bool(email)


@pytest.mark.standard("P-02")
def test_a_wrong_password_is_kept_in_the_owners_activity(client, alice):
    attempt(client, alice.email, "wrong-" + PASSWORD)

    event = activity.list_for(alice)[0]
    assert (event.kind, event.address, event.suspicious) == ("sign_in.failed", "127.0.0.1", True)


def guess(client, email, times):
    form = {"csrf_token": pages.csrf(client.get("/login")), "email": email}
    return [client.post("/login", data={**form, "password": f"guess {number}"}) for number in range(times)]


@pytest.mark.standard("L-05")
@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_guessing_at_one_account_is_slowed_down_whether_it_exists_or_not(client, alice, clock, email):
    answers = guess(client, email, 12)

    assert [answer.status_code for answer in answers] == [422] * 10 + [429] * 2
    assert answers[-1].headers["Retry-After"] == "60"
    assert "Too many tries" in answers[-1].text
    assert len(activity.list_for(alice)) in (0, 11)


def test_the_right_password_is_not_looked_at_while_one_has_to_wait(app, client, alice, clock):
    guess(client, alice.email, 11)

    refused = attempt(app.test_client(), alice.email, PASSWORD)
    clock.move(seconds=61)
    heard = attempt(app.test_client(), alice.email, PASSWORD)

    assert (refused.status_code, heard.status_code) == (429, 303)


@pytest.mark.standard("L-05")
def test_a_stranger_cannot_lock_out_a_browser_that_was_here_before(app, alice, clock):
    hers, strangers = app.test_client(), app.test_client()
    attempt(hers, alice.email, PASSWORD)
    hers.post("/logout", data={"csrf_token": pages.csrf(hers.get("/"))})
    guess(strangers, alice.email, 11)

    assert attempt(strangers, alice.email, PASSWORD).status_code == 429
    assert attempt(hers, alice.email, PASSWORD).status_code == 303


def test_a_known_browser_is_slowed_down_by_its_own_guesses_and_for_its_accounts_alone(app, alice, bob, clock):
    hers = app.test_client()
    attempt(hers, alice.email, PASSWORD)
    hers.post("/logout", data={"csrf_token": pages.csrf(hers.get("/"))})

    own = guess(hers, alice.email, 11)
    elsewhere = guess(hers, bob.email, 11)

    assert [own[9].status_code, own[10].status_code] == [422, 429]
    assert [elsewhere[9].status_code, elsewhere[10].status_code] == [422, 429]
    assert attempt(app.test_client(), alice.email, PASSWORD).status_code == 303


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("forged", ["", "x", "x.y.z", "WyJ4IixbIjEiXV0.aaaa.bbbb", "\x00"])
def test_a_forged_device_is_no_known_one(app, alice, clock, forged):
    client = app.test_client()
    client.set_cookie("device", forged)

    assert guess(client, alice.email, 11)[-1].status_code == 429


@pytest.mark.standard("M-07")
def test_a_known_browser_is_not_signed_in_by_being_known(client, alice):
    pages.sign_in(client, alice)
    device = client.get_cookie("device").value
    stranger = client.application.test_client()
    stranger.set_cookie("device", device)

    assert stranger.get("/tokens").status_code == 303
    assert pages.submit(stranger, "/login", email=alice.email, password="not the password").status_code == 422
    assert "remember" not in stranger.get("/login").text.lower()


@pytest.fixture
def written(monkeypatch):
    """What a sign-in writes, each transaction by itself, and when it looks at the password."""
    told, counting, looking = [], throttle.transaction, passwords.verify

    @contextmanager
    def counted():
        with counting() as connection:
            yield connection
        told.append("counted")

    monkeypatch.setattr(throttle, "transaction", counted)
    monkeypatch.setattr(passwords, "verify", lambda *given: told.append("password") or looking(*given))
    event.listen(engines().write, "commit", lambda _: told.append("written"))
    return told


@pytest.mark.standard("L-05")
def test_a_try_is_counted_before_its_password_is_looked_at_and_all_else_is_written_at_once(app, alice, written):
    """Not together: of tries at the same time, as many would be heard as there are threads everywhere."""
    client = app.test_client()

    attempt(client, alice.email, PASSWORD)
    new, written[:] = [*written], []
    pages.submit(client, "/logout", form="/tokens")
    written.clear()
    attempt(client, alice.email, PASSWORD)
    known, written[:] = [*written], []
    attempt(app.test_client(), alice.email, "not the password")

    assert new == known == ["counted", "password", "written"]
    assert written[:2] == ["counted", "password"]


@pytest.mark.standard("L-05")
def test_one_network_cannot_try_one_password_on_everybody(app, clock):
    for _ in range(60):
        throttle.hit(HERE)

    assert guess(app.test_client(), "somebody@example.com", 1)[0].status_code == 429


def test_a_flood_from_one_network_takes_nothing_from_an_account_and_from_everybody(app, alice, clock):
    flooding, elsewhere = app.test_client(), {"REMOTE_ADDR": "203.0.113.9"}
    for _ in range(limits.NETWORK[0].most):
        throttle.hit(HERE)

    # Each of them would have been counted to the account as well, and to all accounts together.
    answers = guess(flooding, alice.email, 30)

    assert {answer.status_code for answer in answers} == {429}
    hers = app.test_client()
    form = {"csrf_token": pages.csrf(hers.get("/login")), "email": alice.email, "password": PASSWORD}
    assert throttle.hit(Counter("sign-in-anywhere", (Limit(1, timedelta(minutes=1)),))) == 0
    assert hers.post("/login", data=form, environ_overrides=elsewhere).status_code == 303


def test_a_flood_on_one_account_takes_nothing_from_everybody(app, alice, clock):
    guess(app.test_client(), alice.email, 30)

    # Ten were looked at; only those count against what all sign-ins share.
    assert throttle.hit(Counter("sign-in-anywhere", (Limit(11, timedelta(minutes=1)),))) == 0


@pytest.mark.unnoted("others run the same lines")
def test_those_who_are_in_the_right_are_never_slowed_down(app, alice, clock):
    statuses = {attempt(app.test_client(), alice.email, PASSWORD).status_code for _ in range(65)}

    assert statuses == {303}


def test_a_forwarded_address_counts_for_nothing_unless_a_proxy_is_trusted(client, alice):
    form = {"csrf_token": pages.csrf(client.get("/login")), "email": alice.email, "password": PASSWORD}

    client.post("/login", data=form, headers={"X-Forwarded-For": "203.0.113.9"})

    assert [session.address for session in sessions.list_live(alice)] == ["127.0.0.1"]


@pytest.mark.standard("M-06")
def test_signing_out_ends_the_session_here_and_on_the_server(app, signed_in, alice):
    copied = app.test_client()
    copied.set_cookie("latchkey", signed_in.get_cookie("latchkey").value)
    page = signed_in.get("/")
    assert copied.get("/settings").status_code == 200

    answer = signed_in.post("/logout", data={"csrf_token": pages.csrf(page)})

    assert (answer.status_code, answer.location) == (303, "/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "latchkey=;" in answer.headers["Set-Cookie"]
    assert signed_in.get("/settings").status_code == 303
    assert copied.get("/settings").status_code == 303
    assert sessions.list_live(alice) == []


@pytest.mark.standard("M-06")
def test_signing_out_is_a_form_and_not_a_link(signed_in):
    assert signed_in.get("/logout").status_code == 405
    assert signed_in.post("/logout").status_code == 400
    assert signed_in.get("/settings").status_code == 200


def test_whoever_is_signed_in_is_led_on(signed_in):
    assert signed_in.get("/login").location == "/"
    assert signed_in.get("/login?next=/tokens").location == "/tokens"


def test_a_page_that_asked_to_sign_in_is_come_back_to(client, alice):
    asked = client.get("/tokens?status=ended")

    answer = client.get(asked.location)
    signed = client.post(
        "/login",
        data={
            "csrf_token": pages.csrf(answer),
            "email": alice.email,
            "password": PASSWORD,
            "next": parse_qs(urlsplit(asked.location).query)["next"][0],
        },
    )

    assert 'name="next" value="/tokens?status=ended"' in answer.text
    assert signed.location == "/tokens?status=ended"


def way(client_id, redirect_uri=CALLBACK, **more):
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, **more}
    return "/oauth/authorize?" + "&".join(f"{name}={value}" for name, value in query.items())


def policy(answer):
    return answer.headers["Content-Security-Policy"]


@pytest.mark.standard("N-05")
@pytest.mark.parametrize("uri", [CALLBACK, "http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/callback"])
def test_an_app_that_waits_is_named_and_its_form_may_lead_wherever_the_app_leads(client, bob, uri):
    app = make_client(bob, name="Field <notes>", redirect_uris=[uri]).client
    sent = uri.replace("127.0.0.1", "127.0.0.1:52100").replace("[::1]", "[::1]:52100")

    page = client.get("/login", query_string={"next": way(app.id, sent)})
    again = client.post(
        "/login",
        data={"csrf_token": pages.csrf(page), "email": "a@example.com", "password": "x", "next": way(app.id, sent)},
    )

    for answer in (page, again):
        assert "Sign in to continue to Field &lt;notes&gt;" in answer.text
        assert "Field &lt;notes&gt; never sees your password" in answer.text
        assert "form-action" not in policy(answer)
        assert "default-src 'none';" in policy(answer)
        assert "frame-ancestors 'none'; base-uri 'none'" in policy(answer)
    assert "/signup?next=/oauth/authorize" in page.text


def test_an_app_that_waits_is_named_to_whoever_signs_up_on_the_way_and_no_other(client, bob):
    app = make_client(bob, name="Field <notes>").client

    page = client.get("/signup", query_string={"next": way(app.id, CALLBACK)}).text
    wrong = client.get("/signup", query_string={"next": way(app.id, "https://evil.example/")}).text

    assert "Then you come straight back to Field &lt;notes&gt;" in page
    assert "straight back" not in wrong
    assert "straight back" not in client.get("/signup").text


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "app_00000000000000000000000000000000"},
        {"client_id": "x\x00"},
        {"client_id": ""},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
)
def test_whoever_is_no_app_or_sends_people_elsewhere_is_not_named(client, bob, change):
    app = make_client(bob).client

    page = client.get("/login", query_string={"next": way(**{"client_id": app.id, **change})})

    assert page.status_code == 200
    assert "to continue" not in page.text
    assert "form-action 'self';" in policy(page)


def test_an_app_may_have_somebody_sign_in_once_more(app, client, alice, bob):
    registered = make_client(bob).client
    pages.sign_in(client, alice)
    old = client.get_cookie("latchkey").value
    page = client.get("/login", query_string={"next": way(registered.id, prompt="login")})

    answer = client.post(
        "/login",
        data={
            "csrf_token": pages.csrf(page),
            "email": bob.email,
            "password": PASSWORD,
            "next": way(registered.id, prompt="login"),
        },
    )

    assert 'You are signed in as <b class="break">alice@example.com</b>' in page.text
    assert answer.location == way(registered.id, prompt="login")
    assert client.get_cookie("latchkey").value != old
    assert sessions.list_live(alice) == []
    assert "bob@example.com" in client.get("/settings").text


@pytest.mark.standard("A-01")
def test_the_host_that_a_request_names_appears_nowhere(app, alice, mailbox, settings):
    assert settings_module.current().base_url == "http://localhost"
    client = app.test_client()

    page = client.get("/login", headers={"Host": "evil.example"})
    make_user("carol@example.com", verified=False)
    form = client.get("/verify-email", headers={"Host": "evil.example"})
    client.post(
        "/verify-email",
        data={"csrf_token": pages.csrf(form), "email": "carol@example.com"},
        headers={"Host": "evil.example"},
    )

    assert "evil.example" not in page.text
    assert "evil.example" not in mailbox.last("carol@example.com").text
