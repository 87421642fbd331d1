"""A forgotten password: the link, the form, and what ends with the old password."""

from urllib.parse import parse_qs, urlsplit

import pytest

from latchkey import grants, tokens
from latchkey.accounts import links, sessions, users
from latchkey.accounts.links import Purpose
from latchkey.journal import activity
from latchkey.store.session import db as session
from latchkey.tokens import access
from tests import pages
from tests.factories import PASSWORD, make_token, make_user

NEW = "lantern-orchid-57-gravel"


@pytest.fixture
def link(client, alice, mailbox):
    pages.submit(client, "/forgot-password", email=alice.email)
    return mailbox.last(alice.email).link("/reset-password/")


def choose(client, link, **fields):
    client.get(link)
    return pages.submit(client, "/reset-password", **{"password": NEW, **fields})


def test_a_forgotten_password_is_replaced_by_the_mailed_link(client, alice, link):
    opened = client.get(link)
    page = client.get(opened.location)
    answer = client.post("/reset-password", data={"csrf_token": pages.csrf(page), "password": NEW})

    assert (opened.status_code, opened.location) == (303, "/reset-password")
    assert alice.email in page.text
    assert (answer.status_code, answer.location) == (303, "/login")
    assert "Your password is changed" in client.get("/login").text
    assert users.authenticate(users.find_by_email(alice.email), PASSWORD) is None
    assert users.authenticate(users.find_by_email(alice.email), NEW)


@pytest.mark.standard("L-07")
def test_nobody_is_signed_in_by_it_and_everybody_else_is_signed_out(app, client, alice, link):
    other = pages.sign_in(app.test_client(), alice)

    choose(client, link)

    assert client.get("/settings").status_code == 303
    assert other.get("/settings").status_code == 303
    assert sessions.list_live(alice) == []


def test_whoever_does_it_while_signed_in_is_signed_out_too(client, alice, link):
    pages.sign_in(client, alice)

    choose(client, link)

    assert client.get("/settings").status_code == 303


@pytest.mark.standard("L-07")
def test_its_owner_is_told_without_the_link(client, alice, link, mailbox):
    choose(client, link)

    letter = mailbox.last(alice.email)
    assert letter.subject == "Your password was changed"
    assert "/reset-password/" not in letter.text
    assert [event.kind for event in activity.list_for(alice)] == [
        "security.password_reset",
        "security.password_reset_asked",
    ]


@pytest.mark.standard("L-06")
def test_looking_and_opening_change_nothing(app, client, alice, link):
    assert client.head(link).status_code == 200
    for _ in range(3):
        app.test_client().get(link, follow_redirects=True)

    assert users.authenticate(users.find_by_email(alice.email), PASSWORD)
    assert choose(client, link).status_code == 303


@pytest.mark.standard("L-06")
def test_the_secret_leaves_the_address_bar_before_anything_is_loaded(client, link):
    opened = client.get(link)
    page = client.get("/reset-password")

    assert "<link" not in opened.text
    assert link.rpartition("/")[2] not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.standard("L-06")
def test_a_link_works_once(app, client, alice, link):
    choose(client, link)

    again = app.test_client().get(link, follow_redirects=True)
    with_open_form = client.get(link, follow_redirects=True)

    for answer in (again, with_open_form):
        assert (answer.status_code, "This link no longer works" in answer.text) == (410, True)


def test_a_form_that_was_open_while_the_link_was_used_changes_nothing(app, client, alice, link):
    late = app.test_client()
    page = late.get(link, follow_redirects=True)
    choose(client, link)

    answer = late.post("/reset-password", data={"csrf_token": pages.csrf(page), "password": "another-owl-38-cabinet"})

    assert answer.status_code == 410
    assert users.authenticate(users.find_by_email(alice.email), NEW)


@pytest.mark.standard("L-06")
def test_a_link_expires_after_half_an_hour(client, clock, alice, mailbox):
    pages.submit(client, "/forgot-password", email=alice.email)
    link = mailbox.last(alice.email).link("/reset-password/")
    clock.move(minutes=30, seconds=1)

    answer = client.get(link, follow_redirects=True)

    assert answer.status_code == 410
    assert 'href="/forgot-password"' in answer.text


@pytest.mark.standard("L-06")
def test_a_link_dies_with_a_newer_one_another_password_or_another_address(app, client, alice, link, mailbox):
    pages.submit(client, "/forgot-password", email=alice.email)
    newer = mailbox.last(alice.email).link("/reset-password/")
    assert client.get(link, follow_redirects=True).status_code == 410
    browser = pages.sign_in(app.test_client(), alice)

    pages.submit(browser, "/settings/password", form="/settings", current=PASSWORD, password=NEW)
    assert client.get(newer, follow_redirects=True).status_code == 410

    pages.submit(client, "/forgot-password", email=alice.email)
    newest = mailbox.last(alice.email).link("/reset-password/")
    pages.submit(browser, "/settings/email", form="/settings", email="alice@new.example.com", password=NEW)
    confirm = mailbox.last("alice@new.example.com").link("/confirm-email/")
    pages.submit(browser, confirm)
    assert client.get(newest, follow_redirects=True).status_code == 410


@pytest.mark.parametrize("token", ["x", "%00", "%ff", "a" * 5_000, "<script>"])
def test_what_is_no_link_is_told_so(client, token):
    answer = client.get(f"/reset-password/{token}", follow_redirects=True)

    assert (answer.status_code, "This link no longer works" in answer.text) == (410, True)


def test_the_form_without_a_link_is_told_so(client):
    assert client.get("/reset-password").status_code == 410
    form = {"csrf_token": pages.csrf(client.get("/login")), "password": NEW}
    assert client.post("/reset-password", data=form).status_code == 410


@pytest.mark.parametrize(
    "password, says",
    [
        ("", "Choose a password."),
        ("short", "at least 12"),
        ("a" * 257, "at most 256"),
        ("alice@example.com", "too easy"),
        ("x" * 40_000, "at most 256"),
    ],
)
def test_a_bad_password_is_refused_and_the_link_still_works(client, alice, link, password, says):
    answer = choose(client, link, password=password)

    assert answer.status_code == 422
    assert says in answer.text
    assert 'id="password-error"' in answer.text
    assert choose(client, link).status_code == 303


@pytest.mark.standard("I-08", "L-07")
def test_tokens_and_apps_live_on_unless_their_end_is_asked_for(client, alice, example_client, mailbox):
    minted = make_token(alice)
    grants.allow(alice, example_client.client, ["account:read"])
    session.commit()

    def reset(**fields):
        pages.submit(client, "/forgot-password", email=alice.email)
        return choose(client, mailbox.last(alice.email).link("/reset-password/"), **fields)

    reset()
    lived_on = access.admit(minted.plaintext)
    reset(password="another-owl-38-cabinet", revoke="y")

    assert lived_on is not None
    with pytest.raises(access.InvalidToken):
        access.admit(minted.plaintext)
    assert tokens.find(minted.plaintext).status == "revoked"
    assert grants.list_for(alice) == []


def test_a_reset_proves_the_address_and_throws_out_whoever_signed_up_with_it(app, client, mailbox):
    intruder = make_user("carol@example.com", verified=False)
    theirs = pages.sign_in(app.test_client(), intruder)
    pages.submit(client, "/forgot-password", email="carol@example.com")

    choose(client, mailbox.last("carol@example.com").link("/reset-password/"))

    assert theirs.get("/settings").status_code == 303
    assert users.find_by_email("carol@example.com").verified
    assert users.authenticate(users.find_by_email("carol@example.com"), PASSWORD) is None


@pytest.mark.standard("L-04")
def test_asking_answers_alike_for_everybody_and_mails_only_whoever_has_an_account(app, db, alice, bob, mailbox):
    users.disable(bob)
    db.commit()

    answers = [
        pages.submit(app.test_client(), "/forgot-password", email=email)
        for email in ("alice@example.com", "nobod@example.com", "bob@example.com")
    ]

    lengths = [len(answer.text.replace("bob@example.com", "alice@example.com")) for answer in answers]
    assert {answer.status_code for answer in answers} == {200}
    assert "If there is an account for" in answers[1].text
    assert "a link is on its way. It works for 30 minutes." in answers[1].text
    assert lengths[0] == lengths[1] == lengths[2]
    assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1
    assert [letter.to for letter in mailbox.letters()] == ["alice@example.com"]
    assert links.waiting(bob, Purpose.RESET_PASSWORD) is None


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_asking_without_end_has_to_wait_whether_the_account_exists_or_not(client, alice, email):
    form = {"csrf_token": pages.csrf(client.get("/forgot-password")), "email": email}

    answers = [client.post("/forgot-password", data=form) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 6
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
    assert "look for the newest letter" in answers[-1].text


@pytest.mark.parametrize("email", ["", "alice", "alice@example.com\x00", "\u202e@example.com", "x" * 40_000])
def test_what_is_no_address_is_named_beside_the_field(client, email):
    answer = pages.submit(client, "/forgot-password", email=email)

    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text


@pytest.mark.standard("M-02")
def test_a_link_for_another_account_replaces_no_session(client, bob, alice, link):
    pages.sign_in(client, bob)
    opened = client.get(link, follow_redirects=True)
    form = {"csrf_token": pages.csrf(opened)}

    pressed = client.post("/reset-password", data=form | {"password": NEW})

    for answer in (opened, pressed):
        assert "This link is for another account" in answer.text
        assert '<b class="break">bob@example.com</b>' in answer.text
    assert users.authenticate(users.find_by_email(alice.email), PASSWORD)
    assert "bob@example.com" in client.get("/settings").text

    left = pages.submit(client, "/reset-password", do="sign-out")
    assert (left.status_code, left.location) == (303, "/reset-password")
    assert client.get("/settings").status_code == 303
    assert pages.submit(client, "/reset-password", password=NEW).status_code == 303
    assert users.authenticate(users.find_by_email(alice.email), NEW)


def test_a_password_forgotten_in_the_middle_of_an_apps_request_leads_back_to_it(client, alice, mailbox):
    way = "/oauth/authorize?client_id=app_1&state=a%20b"
    signin = client.get("/login", query_string={"next": way})
    forgot = client.get("/forgot-password", query_string={"next": way})
    sent = client.post("/forgot-password", data={"csrf_token": pages.csrf(forgot), "email": alice.email, "next": way})
    answer = choose(client, mailbox.last(alice.email).link("/reset-password/"))

    assert 'href="/forgot-password?next=/oauth/authorize?client_id%3Dapp_1%26state%3Da%2520b"' in signin.text
    hidden = 'name="next" value="/oauth/authorize?client_id=app_1&amp;state=a%20b"'
    assert hidden in forgot.text
    assert hidden in sent.text
    assert parse_qs(urlsplit(answer.location).query)["next"] == [way]
