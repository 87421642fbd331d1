"""The link that proves an address: opened, its button pressed here and elsewhere, too late, and asked for once more."""

import pytest

from latchkey.accounts import links, sessions, users
from latchkey.accounts.links import Purpose
from latchkey.journal import activity
from tests import pages
from tests.factories import PASSWORD, make_user

CAROL = "carol@example.com"


@pytest.fixture
def carol(db):
    return make_user(CAROL, verified=False)


@pytest.fixture
def link(db, carol):
    plaintext = links.issue(carol, Purpose.VERIFY_EMAIL, next_path="/tokens/new")
    db.commit()
    return f"/verify-email/{plaintext}"


@pytest.fixture
def newcomer(client):
    """The browser that signed up."""
    answer = pages.submit(client, "/signup", name="Carol", email=CAROL, password=PASSWORD, next="/tokens/new")
    assert answer.status_code == 200
    return client


@pytest.fixture
def mailed(newcomer, mailbox):
    """The link that came then."""
    return mailbox.last(CAROL).link("/verify-email/")


def verified() -> bool:
    return users.find_by_email(CAROL).verified


@pytest.mark.standard("L-08")
def test_opening_the_link_changes_nothing_however_often_and_wherever(app, newcomer, mailed):
    for browser in (newcomer, app.test_client()):
        for method in ("GET", "HEAD", "GET"):
            answer = browser.open(mailed, method=method)
            assert answer.status_code == 200

    assert ">Verify e-mail</button>" in answer.text
    assert f'<b class="break">{CAROL}</b> is yours' in answer.text
    assert not verified()
    assert sessions.list_live(users.find_by_email(CAROL)) == []


def test_the_button_verifies_and_signs_in_the_browser_that_signed_up(newcomer, mailed):
    answer = pages.submit(newcomer, mailed)

    assert (answer.status_code, answer.location) == (303, "/tokens/new")
    assert verified()
    assert newcomer.get("/settings").status_code == 200


def test_the_button_without_its_forms_token_does_nothing(newcomer, mailed):
    assert newcomer.post(mailed).status_code == 400
    assert newcomer.post(mailed, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert not verified()


@pytest.mark.standard("L-08")
def test_in_any_other_browser_the_button_leads_to_sign_in_and_the_password_verifies(app, newcomer, mailed):
    other = app.test_client()

    pressed = pages.submit(other, mailed)
    page = other.get(pressed.location)
    before = verified()
    answer = pages.submit(other, pressed.location, email=CAROL, password=PASSWORD, next="/tokens/new")

    assert (pressed.status_code, pressed.location) == (303, "/login?next=/tokens/new")
    assert "<h1>One more step</h1>" in page.text
    assert "the password that you chose at sign-up" in page.text
    assert f'value="{CAROL}"' in page.text
    assert "/forgot-password?next=/tokens/new" in page.text
    assert not before
    assert (answer.status_code, answer.location) == (303, "/tokens/new")
    assert verified()
    assert "One more step" not in app.test_client().get("/login").text


@pytest.mark.standard("L-08")
def test_a_strangers_password_is_not_confirmed_by_whoever_has_the_mailbox(app, newcomer, mailed):
    owner = app.test_client()
    pages.submit(owner, mailed)
    pages.submit(owner, "/login", email=CAROL, password="what the owner would choose")

    pages.sign_in(newcomer, users.find_by_email(CAROL))
    pages.sign_in(app.test_client(), users.find_by_email(CAROL))

    assert not verified()


def test_a_new_password_by_the_mailed_link_verifies_too_and_ends_the_strangers_sessions(app, newcomer, mailed, mailbox):
    stranger = pages.sign_in(app.test_client(), users.find_by_email(CAROL))
    owner = app.test_client()
    pages.submit(owner, mailed)
    pages.submit(owner, "/forgot-password", email=CAROL)
    owner.get(mailbox.last(CAROL).link("/reset-password/"))
    pages.submit(owner, "/reset-password", password="lantern-orchid-57-gravel")

    assert verified()
    assert stranger.get("/settings").status_code == 303


def test_signing_in_where_the_button_was_not_pressed_verifies_nothing_and_the_link_stays_good(app, newcomer, mailed):
    pages.submit(app.test_client(), mailed)

    pages.sign_in(app.test_client(), users.find_by_email(CAROL))

    assert not verified()
    assert pages.submit(newcomer, mailed).location == "/tokens/new"


def test_whoever_signed_in_before_pressing_is_asked_for_the_password_all_the_same(app, newcomer, mailed):
    shared = pages.sign_in(app.test_client(), users.find_by_email(CAROL))

    pressed = pages.submit(shared, mailed)

    assert pressed.location == "/login?next=/tokens/new"
    assert shared.get("/settings").status_code == 303
    assert not verified()
    pages.sign_in(shared, users.find_by_email(CAROL))
    assert verified()


def test_verifying_ends_all_other_sessions(app, newcomer, mailed):
    user = users.find_by_email(CAROL)
    thief = pages.sign_in(app.test_client(), user)
    pages.sign_in(newcomer, user)

    pages.submit(newcomer, mailed)

    assert thief.get("/settings").status_code == 303
    assert len(sessions.list_live(user)) == 1
    assert newcomer.get("/settings").status_code == 200


def test_verifying_by_a_sign_in_elsewhere_ends_all_other_sessions(app, newcomer, mailed):
    user = users.find_by_email(CAROL)
    thief = pages.sign_in(app.test_client(), user)
    other = app.test_client()
    pages.submit(other, mailed)

    pages.sign_in(other, user)

    assert thief.get("/settings").status_code == 303
    assert other.get("/settings").status_code == 200


@pytest.mark.standard("L-09")
def test_the_link_never_counts_as_a_password_given_lately(app, newcomer, mailed):
    pages.submit(newcomer, mailed)

    asked = newcomer.get("/settings/security/authenticator")
    assert pages.asks_for_proof(asked)
    assert "You are about to change how you sign in, and the link in your e-mail signed you in, without" in asked.text


def test_a_password_given_before_the_link_counts_as_long_as_it_would_have(clock, newcomer, mailed):
    pages.sign_in(newcomer, users.find_by_email(CAROL))
    clock.move(minutes=10)
    pages.submit(newcomer, mailed)
    lately = newcomer.get("/settings/security/authenticator").status_code == 200
    clock.move(minutes=6)

    assert lately
    assert pages.asks_for_proof(newcomer.get("/settings/security/authenticator"))


@pytest.mark.standard("M-02")
def test_verifying_gives_another_session(newcomer, mailed):
    pages.sign_in(newcomer, users.find_by_email(CAROL))
    before = newcomer.get_cookie("latchkey").value
    pages.submit(newcomer, mailed)

    assert newcomer.get_cookie("latchkey").value != before


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("cookie", ["signed-up", "pressed"])
@pytest.mark.parametrize("forged", ["", "x", "x.y.z", "WyJ4IixbIjEiXV0.aaaa.bbbb"])
def test_a_forged_proof_is_none(app, newcomer, mailed, cookie, forged):
    other = app.test_client()
    other.set_cookie(cookie, forged)

    assert pages.submit(other, mailed).location.startswith("/login")
    assert not verified()


def test_one_proof_is_not_the_other(app, newcomer, mailed):
    other = app.test_client()
    pages.submit(other, mailed)
    swapped = app.test_client()
    swapped.set_cookie("signed-up", other.get_cookie("pressed").value)
    swapped.set_cookie("pressed", newcomer.get_cookie("signed-up").value)

    pages.sign_in(swapped, users.find_by_email(CAROL))
    assert not verified()


def test_both_proofs_count_for_a_day(app, clock, newcomer, mailed, mailbox):
    other = app.test_client()
    pages.submit(other, mailed)
    clock.move(hours=24, seconds=1)
    pages.submit(app.test_client(), "/verify-email", email=CAROL)
    newer = mailbox.last(CAROL).link("/verify-email/")

    pages.sign_in(other, users.find_by_email(CAROL))

    assert not verified()
    assert pages.submit(newcomer, newer).location.startswith("/login")


@pytest.mark.standard("L-04")
def test_a_taken_address_gives_the_same_cookie_and_verifies_nothing(app, newcomer, mailed):
    second = app.test_client()
    answer = pages.submit(second, "/signup", name="Eve", email=CAROL, password="another-owl-38-cabinet")

    assert len(second.get_cookie("signed-up").value) == len(newcomer.get_cookie("signed-up").value)
    assert "Check your e-mail" in answer.text
    assert pages.submit(second, mailed).location.startswith("/login")
    assert not verified()


@pytest.mark.standard("M-02")
def test_a_link_of_another_account_replaces_no_session(client, alice, link):
    pages.sign_in(client, alice)

    opened = client.get(link)
    pressed = client.post(link, data={"csrf_token": pages.csrf(opened)})

    for page, status in ((opened, 200), (pressed, 409)):
        assert page.status_code == status
        assert "This link is for another account" in page.text
        assert '<b class="break">alice@example.com</b>' in page.text
        assert "Stay signed in" in page.text
    assert not verified()
    assert alice.email in client.get("/settings").text
    assert len(sessions.list_live(alice)) == 1


def test_whoever_signs_out_for_it_comes_to_the_button(client, alice, link):
    pages.sign_in(client, alice)

    left = pages.submit(client, link, do="sign-out")

    assert (left.status_code, left.location) == (303, link)
    assert ">Verify e-mail</button>" in client.get(link).text
    assert sessions.list_live(alice) == []
    assert activity.list_for(alice)[0].kind == "sign_in.signed_out"


def test_a_used_link_says_what_became_of_it(app, newcomer, mailed):
    pages.submit(newcomer, mailed)

    again = app.test_client().get(mailed)

    assert again.status_code == 410
    assert "This link was used already" in again.text
    assert 'href="/login?next=/tokens/new"' in again.text


def test_its_own_user_simply_goes_on(newcomer, mailed):
    pages.submit(newcomer, mailed)

    again = newcomer.get(mailed)

    assert (again.status_code, again.location) == (303, "/tokens/new")


def test_an_expired_link_offers_another_one(clock, newcomer, mailed, mailbox):
    clock.move(hours=25)

    answer = newcomer.get(mailed)
    resent = newcomer.post(
        "/verify-email", data={"csrf_token": pages.csrf(answer), "email": CAROL, "next": "/tokens/new"}
    )
    opened = pages.submit(newcomer, mailbox.last(CAROL).link("/verify-email/"))

    assert answer.status_code == 410
    assert "This link no longer works" in answer.text
    assert 'value="carol@example.com"' in answer.text
    assert "Check your e-mail" in resent.text
    assert (opened.status_code, opened.location) == (303, "/login?next=/tokens/new")


@pytest.mark.parametrize("token", ["x", "%00", "%ff%fe", "a" * 5_000, "<script>", "%2e%2e"])
def test_what_is_no_link_is_told_so(client, token):
    answer = client.get(f"/verify-email/{token}")

    assert answer.status_code == 410
    assert "This link no longer works" in answer.text


def test_a_link_for_another_address_than_the_present_one_is_worthless(client, db, carol, link):
    users.verify_email(carol, "carol@new.example.com")
    carol.email_verified_at = None
    db.commit()

    assert client.get(link).status_code == 410
    assert not users.find_by_email("carol@new.example.com").verified


def test_a_button_pressed_for_another_address_than_the_present_one_proves_nothing(client, db, carol, link):
    pages.submit(client, link)
    moved = users.find_by_email(CAROL)
    users.verify_email(moved, "carol@new.example.com")
    moved.email_verified_at = None
    db.commit()

    assert "One more step" not in client.get("/login").text
    pages.sign_in(client, moved)

    assert not users.find_by_email("carol@new.example.com").verified


@pytest.mark.standard("L-04")
def test_asking_again_answers_alike_for_everybody_and_mails_only_whoever_needs_it(app, alice, carol, mailbox):
    answers = [
        pages.submit(app.test_client(), "/verify-email", email=email)
        for email in ("carol@example.com", "alice@example.com", "nobod@example.com")
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert {len(answer.text) for answer in answers} == {len(answers[0].text)}
    assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1
    assert [letter.to for letter in mailbox.letters()] == ["carol@example.com"]


def test_the_newest_link_is_the_one_that_works(client, carol, link, mailbox):
    pages.submit(client, "/verify-email", email=carol.email)

    assert client.get(link).status_code == 410
    assert client.get(mailbox.last(carol.email).link("/verify-email/")).status_code == 200


def test_asking_without_end_has_to_wait(client, carol, mailbox):
    page = client.get("/verify-email")
    form = {"csrf_token": pages.csrf(page), "email": carol.email}

    statuses = [client.post("/verify-email", data=form).status_code for _ in range(11)]

    assert statuses == [200] * 5 + [429] * 6
    assert len(mailbox.letters(carol.email)) == 5


@pytest.mark.parametrize("email", ["", "carol", "carol@example.com\x00", "x" * 40_000])
def test_what_is_no_address_is_named_beside_the_field(client, email):
    answer = pages.submit(client, "/verify-email", email=email)

    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text


def test_whoever_is_signed_in_gets_another_link_by_one_button(newcomer, mailbox):
    pages.sign_in(newcomer, users.find_by_email(CAROL))
    waiting = newcomer.get("/verify-email?next=/tokens/new")

    answer = newcomer.post("/verify-email", data={"csrf_token": pages.csrf(waiting), "next": "/tokens/new"})
    page = newcomer.get(answer.location)

    assert "carol@example.com" in waiting.text
    assert (answer.status_code, answer.location) == (303, "/verify-email?next=/tokens/new")
    assert "on its way to carol@example.com" in page.text
    assert pages.submit(newcomer, mailbox.last(CAROL).link("/verify-email/")).location == "/tokens/new"


def test_whoever_is_verified_is_not_asked_again(signed_in):
    assert signed_in.get("/verify-email?next=/tokens").location == "/tokens"


def test_a_suspended_user_gets_no_link_and_opens_none(client, db, carol, link, mailbox):
    users.disable(carol)
    db.commit()

    answer = pages.submit(client, "/verify-email", email=carol.email)

    assert answer.status_code == 200
    assert mailbox.letters() == []
    assert client.get(link).status_code == 410
