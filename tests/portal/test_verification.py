"""The link that proves an address: opened, opened again, too late, and asked for once more."""

import pytest

from latchkey import links, sessions, users
from latchkey.links import Purpose
from tests import pages
from tests.factories import PASSWORD, make_user


@pytest.fixture
def carol(db):
    return make_user("carol@example.com", verified=False)


@pytest.fixture
def link(db, carol):
    plaintext = links.issue(carol, Purpose.VERIFY_EMAIL, next_path="/tokens/new")
    db.commit()
    return f"/verify-email/{plaintext}"


def test_looking_at_the_link_without_opening_it_changes_nothing(client, link):
    answer = client.head(link)

    assert answer.status_code == 200
    assert not users.find_by_email("carol@example.com").verified
    assert client.get(link).location == "/tokens/new"


def test_a_used_link_says_what_became_of_it(app, client, link):
    client.get(link)

    again = app.test_client().get(link)

    assert again.status_code == 410
    assert "This link was used already" in again.text
    assert 'href="/login?next=/tokens/new"' in again.text


def test_its_own_user_simply_goes_on(client, link):
    client.get(link)

    again = client.get(link)

    assert (again.status_code, again.location) == (303, "/tokens/new")


def test_an_expired_link_offers_another_one(client, clock, link, mailbox):
    clock.move(hours=25)

    answer = client.get(link)
    resent = client.post(
        "/verify-email", data={"csrf_token": pages.csrf(answer), "email": "carol@example.com", "next": "/tokens/new"}
    )
    opened = client.get(mailbox.last("carol@example.com").link("/verify-email/"))

    assert answer.status_code == 410
    assert "This link no longer works" in answer.text
    assert 'value="carol@example.com"' in answer.text
    assert "Check your e-mail" in resent.text
    assert (opened.status_code, opened.location) == (303, "/tokens/new")


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


def test_opening_a_link_in_a_browser_of_somebody_else_ends_their_session(client, alice, link):
    pages.sign_in(client, alice)

    client.get(link)

    assert "carol@example.com" in client.get("/settings").text
    assert sessions.list_live(alice) == []


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
    assert client.get(mailbox.last(carol.email).link("/verify-email/")).status_code == 303


def test_asking_without_end_has_to_wait(client, carol, mailbox):
    page = client.get("/verify-email")
    form = {"csrf_token": pages.csrf(page), "email": carol.email}

    statuses = [client.post("/verify-email", data=form).status_code for _ in range(11)]

    assert statuses == [200] * 10 + [429]
    assert len(mailbox.letters(carol.email)) == 10


@pytest.mark.parametrize("email", ["", "carol", "carol@example.com\x00", "x" * 40_000])
def test_what_is_no_address_is_named_beside_the_field(client, email):
    answer = pages.submit(client, "/verify-email", email=email)

    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text


def test_whoever_is_signed_in_gets_another_link_by_one_button(client, carol, mailbox):
    pages.sign_in(client, carol)
    waiting = client.get("/verify-email?next=/tokens/new")

    answer = client.post("/verify-email", data={"csrf_token": pages.csrf(waiting), "next": "/tokens/new"})
    page = client.get(answer.location)

    assert "carol@example.com" in waiting.text
    assert (answer.status_code, answer.location) == (303, "/verify-email?next=/tokens/new")
    assert "on its way to carol@example.com" in page.text
    assert client.get(mailbox.last(carol.email).link("/verify-email/")).location == "/tokens/new"


def test_whoever_is_verified_is_not_asked_again(signed_in):
    assert signed_in.get("/verify-email?next=/tokens").location == "/tokens"


def test_a_suspended_user_gets_no_link_and_opens_none(client, db, carol, link, mailbox):
    users.disable(carol)
    db.commit()

    answer = pages.submit(client, "/verify-email", email=carol.email)

    assert answer.status_code == 200
    assert mailbox.letters() == []
    assert client.get(link).status_code == 410


def test_a_password_typed_before_still_works_after_verifying(app, client, carol, link):
    client.get(link)

    assert "Welcome" in pages.sign_in(app.test_client(), carol, PASSWORD).get("/").text
