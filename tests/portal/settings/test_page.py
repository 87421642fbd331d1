"""The Settings page: name, theme, password, sessions, and the end of an account."""

import re

import pytest
from sqlalchemy import func, select

from latchkey.accounts import links, sessions, steps, users
from latchkey.accounts.links import Purpose
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.journal import activity
from latchkey.store.session import db
from latchkey.tokens import access
from tests import pages
from tests.factories import PASSWORD, make_client, make_token

NEW = "lantern-orchid-57-gravel"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def send(client, part, **fields):
    return pages.submit(client, f"/settings/{part}", form="/settings", **fields)


def test_settings_are_for_people_who_are_signed_in(client):
    assert client.get("/settings").location == "/login?next=/settings"
    for part in ("profile", "theme", "email", "password", "delete", "sessions/end-others"):
        assert (
            client.post(f"/settings/{part}", data={"csrf_token": pages.csrf(client.get("/login"))}).status_code == 303
        )


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("part", ["profile", "theme", "email", "password", "delete"])
def test_every_part_needs_the_forms_token_and_has_an_address_to_reload(signed_in, part):
    assert signed_in.post(f"/settings/{part}").status_code == 400
    assert signed_in.get(f"/settings/{part}").location == f"/settings#{part}"


def test_a_new_name_is_shown_everywhere(signed_in, alice):
    answer = send(signed_in, "profile", name="  Zoë “Z” 李 ")

    page = signed_in.get("/settings")
    assert (answer.status_code, answer.location) == (303, "/settings#profile")
    assert 'value="Zoë “Z” 李"' in page.text
    assert "Your name is changed." in page.text
    assert activity.list_for(alice)[0].kind == "account.renamed"


@pytest.mark.parametrize("name", ["", " ", "\x00", "a\nb", "\u202eevil", "x" * 81, "x" * 40_000])
def test_a_bad_name_is_refused_beside_the_field_and_kept_for_editing(signed_in, alice, name):
    answer = send(signed_in, "profile", name=name)

    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    assert users.find_by_email(alice.email).name == "Alice"


def test_a_theme_is_kept_by_the_browser(signed_in):
    send(signed_in, "theme", theme="dark")
    dark = signed_in.get("/settings").text
    send(signed_in, "theme", theme="system")
    system = signed_in.get("/settings").text

    assert '<html lang="en" data-theme="dark">' in dark
    assert re.search(r'value="dark" checked', dark)
    assert '<html lang="en">' in system
    assert re.search(r'value="system" checked', system)


@pytest.mark.settings(base_url="http://localhost:5001")
def test_a_theme_is_kept_where_the_cookie_has_the_port_in_its_name(signed_in):
    send(signed_in, "theme", theme="dark")

    for path in ("/settings", "/docs/authentication"):
        page = signed_in.get(path).text
        assert '<html lang="en" data-theme="dark">' in page
        assert "prefers-color-scheme: dark" not in page


@pytest.mark.parametrize("theme", ["", "blue", "dark\x00", "x" * 40_000])
def test_there_is_no_other_theme(signed_in, theme):
    answer = send(signed_in, "theme", theme=theme)

    assert answer.status_code == 422
    assert 'id="theme-error"' in answer.text


def test_another_password_ends_every_other_session_and_renews_this_one(app, signed_in, alice, mailbox):
    other = pages.sign_in(app.test_client(), alice)
    copied = app.test_client()
    copied.set_cookie("latchkey", signed_in.get_cookie("latchkey").value)

    answer = send(signed_in, "password", current=PASSWORD, password=NEW)

    assert (answer.status_code, answer.location) == (303, "/settings#password")
    assert "Your password is changed" in signed_in.get("/settings").text
    assert other.get("/settings").status_code == 303
    assert copied.get("/settings").status_code == 303
    assert users.authenticate(users.find_by_email(alice.email), NEW)
    assert users.authenticate(users.find_by_email(alice.email), PASSWORD) is None
    assert mailbox.last(alice.email).subject == "Your password was changed"


@pytest.mark.standard("L-09")
@pytest.mark.parametrize(
    "current, password, named",
    [
        ("", NEW, "current"),
        ("wrong-" + PASSWORD, NEW, "current"),
        ("\x00", NEW, "current"),
        (PASSWORD, "", "new-password"),
        (PASSWORD, "short", "new-password"),
        (PASSWORD, "a" * 257, "new-password"),
        (PASSWORD, "alice@example.com", "new-password"),
        (PASSWORD, "x" * 20_000, "new-password"),
    ],
)
def test_a_password_is_not_changed_without_the_present_one_or_to_a_bad_one(signed_in, alice, current, password, named):
    answer = send(signed_in, "password", current=current, password=password)

    assert answer.status_code == 422
    assert f'id="{named}-error"' in answer.text
    assert PASSWORD not in answer.text
    assert users.authenticate(users.find_by_email(alice.email), PASSWORD)


def test_guessing_the_present_password_is_slowed_down(signed_in, alice, clock):
    form = {"csrf_token": pages.csrf(signed_in.get("/settings")), "password": NEW}

    statuses = [
        signed_in.post("/settings/password", data={**form, "current": f"guess {n}"}).status_code for n in range(11)
    ]

    assert statuses == [422] * 10 + [429]
    assert activity.list_for(alice)[0].kind == "sign_in.failed"


@pytest.fixture
def elsewhere(app, alice):
    """Alice's other browser."""
    browser = app.test_client()
    browser.environ_base["HTTP_USER_AGENT"] = FIREFOX
    browser.environ_base["REMOTE_ADDR"] = "192.0.2.44"
    return pages.sign_in(browser, alice)


@pytest.mark.standard("L-05")
def test_whoever_has_taken_over_one_browser_uses_up_no_tries_of_another(signed_in, elsewhere):
    form = {"csrf_token": pages.csrf(signed_in.get("/settings")), "password": NEW}
    for number in range(11):
        thief = signed_in.post("/settings/password", data={**form, "current": f"guess {number}"})

    assert thief.status_code == 429
    assert pages.submit(elsewhere, "/login/again", password=PASSWORD).status_code == 303
    assert signed_in.post("/settings/password", data={**form, "current": PASSWORD}).status_code == 429


def other_session(alice):
    return next(session for session in sessions.list_live(alice) if session.address == "192.0.2.44")


@pytest.mark.standard("M-05")
def test_sessions_say_device_address_since_when_and_last_seen(signed_in, elsewhere):
    page = signed_in.get("/settings").text

    rows = [
        " ".join(re.sub(r"<[^>]+>", " ", row).split())
        for row in re.findall(r"<li class=\"sess.*?</li>", page, re.DOTALL)
    ]
    assert len(rows) == 2
    assert any("This browser" in row and "127.0.0.1" in row and "End session" not in row for row in rows)
    assert any(
        row.startswith("Firefox on Linux 192.0.2.44 Signed in just now Password Last seen just now End session")
        for row in rows
    )


@pytest.mark.standard("M-05")
def test_one_session_is_ended(signed_in, elsewhere, alice):
    session = other_session(alice)

    answer = send(signed_in, f"sessions/{session.id}/end")

    assert (answer.status_code, answer.location) == (303, "/settings#sessions")
    assert elsewhere.get("/settings").status_code == 303
    assert signed_in.get("/settings").status_code == 200
    assert activity.list_for(alice)[0].kind == "sign_in.session_ended"


def test_a_script_gets_the_row_back(signed_in, elsewhere, alice):
    session = other_session(alice)
    form = {"csrf_token": pages.csrf(signed_in.get("/settings"))}

    answer = signed_in.post(
        f"/settings/sessions/{session.id}/end",
        data=form,
        headers={"HX-Request": "true", "HX-Request-Type": "partial"},
    )

    assert answer.status_code == 200
    assert answer.text.strip().startswith(f'<li class="sessions__row" id="{session.id}"')
    assert "Signed out" in answer.text
    assert "<form" not in answer.text


def test_a_session_of_somebody_else_is_not_found(app, signed_in, bob):
    his = pages.sign_in(app.test_client(), bob)
    session = sessions.list_live(bob)[0]

    answer = send(signed_in, f"sessions/{session.id}/end")

    assert answer.status_code == 404
    assert his.get("/settings").status_code == 200


@pytest.mark.parametrize("session_id", ["ses_0000000000000000000000000000", "x", "%00", "..%2f"])
def test_what_is_no_session_is_not_found(signed_in, session_id):
    assert send(signed_in, f"sessions/{session_id}/end").status_code == 404


def test_ending_ones_own_session_signs_out(signed_in, alice):
    session = sessions.list_live(alice)[0]

    answer = send(signed_in, f"sessions/{session.id}/end")

    assert answer.location == "/"
    assert signed_in.get("/settings").status_code == 303


@pytest.mark.standard("M-05")
def test_all_other_sessions_are_ended_at_once(app, signed_in, elsewhere, alice, bob):
    third = pages.sign_in(app.test_client(), alice)
    his = pages.sign_in(app.test_client(), bob)

    answer = send(signed_in, "sessions/end-others")

    assert answer.location == "/settings#sessions"
    assert [browser.get("/settings").status_code for browser in (signed_in, elsewhere, third, his)] == [
        200,
        303,
        303,
        200,
    ]


@pytest.mark.standard("M-01", "M-02")
def test_whoever_copied_the_cookie_or_is_half_way_in_goes_with_all_other_sessions(app, signed_in, alice):
    copied = app.test_client()
    copied.set_cookie("latchkey", signed_in.get_cookie("latchkey").value)
    with app.app_context():
        step = steps.begin(users.lock(alice.id)).plaintext
        link = links.issue(users.lock(alice.id), Purpose.CHANGE_EMAIL, email="thief@example.com")
        db.commit()
    assert copied.get("/settings").status_code == 200

    send(signed_in, "sessions/end-others")

    assert [browser.get("/settings").status_code for browser in (signed_in, copied)] == [200, 303]
    assert steps.find(step) is None
    assert links.peek(link, Purpose.CHANGE_EMAIL) is None


def test_a_session_that_is_used_is_seen(signed_in, alice, clock):
    clock.move(minutes=5)

    signed_in.get("/")

    assert sessions.list_live(alice)[0].last_seen_at == clock.now()


@pytest.mark.standard("L-12")
def test_an_account_and_everything_in_it_is_deleted_at_once(signed_in, elsewhere, alice, bob, mailbox):
    hers, his = make_token(alice), make_token(bob)
    make_client(alice)

    answer = send(signed_in, "delete", email=" Alice@Example.com", password=PASSWORD)

    assert (answer.status_code, answer.location) == (303, "/")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "Your account and everything in it is deleted." in signed_in.get("/").text
    assert [browser.get("/settings").status_code for browser in (signed_in, elsewhere)] == [303, 303]
    with pytest.raises(access.InvalidToken):
        access.admit(hers.plaintext)
    assert access.admit(his.plaintext)
    assert db.scalars(select(User.email)).all() == ["bob@example.com"]
    assert db.scalar(select(func.count()).select_from(Client)) == 0
    assert mailbox.last("alice@example.com").subject == "Your account was deleted"


@pytest.mark.parametrize(
    "email",
    ["", "bob@example.com", "alice@example.com\x00"],
)
def test_nothing_is_deleted_without_the_address(signed_in, alice, email):
    answer = send(signed_in, "delete", email=email)

    assert answer.status_code == 422
    assert 'id="delete-email-error"' in answer.text
    assert "<details" in answer.text
    assert re.search(r"<details[^>]* open", answer.text)
    assert users.find_by_email(alice.email)


@pytest.mark.standard("L-09")
def test_nothing_is_deleted_without_fresh_proof(signed_in, alice, clock):
    clock.move(minutes=16)

    assert pages.asks_for_proof(send(signed_in, "delete", email="alice@example.com"))
    assert users.find_by_email(alice.email)


def test_the_address_of_a_deleted_account_is_free(client, signed_in, mailbox):
    send(signed_in, "delete", email="alice@example.com", password=PASSWORD)

    pages.submit(client, "/signup", name="Alice", email="alice@example.com", password=NEW)

    assert pages.submit(client, mailbox.last("alice@example.com").link("/verify-email/")).status_code == 303


@pytest.mark.parametrize("part, leads", [("letters", "reminders"), ("sessions", "sessions")])
def test_a_part_has_an_address_of_its_own(signed_in, part, leads):
    answer = signed_in.get(f"/settings/{part}")

    assert (answer.status_code, answer.location) == (303, f"/settings#{leads}")
    assert f'id="{leads}"' in signed_in.get("/settings").text
