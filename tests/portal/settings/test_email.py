"""Another e-mail address: asked for with the password, confirmed at the new one, told at the old one (L-08)."""

import re

import pytest

from latchkey import settings as settings_module
from latchkey.accounts import users
from latchkey.journal import activity
from tests import pages
from tests.factories import PASSWORD, make_user

NEW = "alice@new.example.com"


def ask(client, **fields):
    return pages.submit(client, "/settings/email", form="/settings", **{"email": NEW, "password": PASSWORD, **fields})


@pytest.mark.standard("L-08")
def test_nothing_changes_before_the_new_address_is_confirmed(signed_in, mailbox):
    answer = ask(signed_in)

    page = signed_in.get("/settings").text
    assert (answer.status_code, answer.location) == (303, "/settings#email")
    assert f"on its way to {NEW}" in page
    assert "Waiting for you to open the link" in page
    assert users.find_by_email("alice@example.com")
    assert users.find_by_email(NEW) is None
    assert {letter.to for letter in mailbox.letters()} == {NEW, "alice@example.com"}


@pytest.mark.standard("L-08")
def test_confirming_changes_it_and_tells_the_old_address(client, signed_in, mailbox):
    ask(signed_in)
    link = mailbox.last(NEW).link("/confirm-email/")
    opened = signed_in.get(link)
    assert users.find_by_email(NEW) is None

    answer = signed_in.post(link, data={"csrf_token": pages.csrf(opened)})

    user = users.find_by_email(NEW)
    assert answer.location == "/settings#email"
    assert f"Your e-mail address is now {NEW}." in signed_in.get("/settings").text
    assert user.verified
    assert users.find_by_email("alice@example.com") is None
    assert activity.list_for(user)[0].kind == "account.email_changed"
    assert mailbox.last("alice@example.com").subject == "Your e-mail address was changed"


def test_a_confirmation_works_once(signed_in, mailbox):
    ask(signed_in)
    link = mailbox.last(NEW).link("/confirm-email/")
    pages.submit(signed_in, link)

    assert signed_in.get(link).status_code == 410
    assert signed_in.post(link, data={"csrf_token": pages.csrf(signed_in.get("/settings"))}).status_code == 410


def test_whoever_reads_the_mail_cannot_confirm_for_somebody_else(app, signed_in, bob, mailbox):
    ask(signed_in)
    link = mailbox.last(NEW).link("/confirm-email/")
    stranger = app.test_client()

    assert stranger.get(link).location.startswith("/login?next=/confirm-email/")
    pages.sign_in(stranger, bob)
    opened = stranger.get(link)
    assert (opened.status_code, "This link is for another account" in opened.text) == (200, True)
    assert stranger.post(link, data={"csrf_token": pages.csrf(opened)}).status_code == 409
    assert pages.submit(signed_in, link).status_code == 303


def test_of_two_changes_the_later_one_counts(signed_in, mailbox):
    ask(signed_in, email="first@example.com")
    ask(signed_in, email="second@example.com")

    first = signed_in.get(mailbox.last("first@example.com").link("/confirm-email/"))
    pages.submit(signed_in, mailbox.last("second@example.com").link("/confirm-email/"))

    assert first.status_code == 410
    assert users.find_by_email("second@example.com")
    assert users.find_by_email("first@example.com") is None


def test_an_address_of_somebody_else_gets_the_same_answer_and_a_letter(signed_in, bob, mailbox):
    answer = ask(signed_in, email="BOB@example.com")

    assert answer.status_code == 303
    assert "on its way to BOB@example.com" in signed_in.get("/settings").text
    assert mailbox.last("bob@example.com").subject == "You already have an account"
    assert "/confirm-email/" not in mailbox.last("bob@example.com").text


def test_nothing_tells_an_address_of_somebody_else_from_a_free_one(app, signed_in, alice, bob, mailbox):
    seen = []
    for email in (bob.email, NEW):
        ask(signed_in, email=email)
        page = re.sub(r'value="[^"]*"', "", signed_in.get("/settings").text).replace(email, "it")
        letter = mailbox.last(alice.email)
        seen.append((page, letter.subject, re.sub(r"\d\d:\d\d", "", letter.text).replace(email, "it")))

    assert seen[0] == seen[1]


def test_an_address_that_was_taken_meanwhile_stays_with_whoever_has_it(signed_in, alice, mailbox):
    ask(signed_in)
    make_user(NEW, name="Quick")

    answer = pages.submit(signed_in, mailbox.last(NEW).link("/confirm-email/"))

    assert (answer.status_code, "That address is in use" in answer.text) == (410, True)
    assert users.find_by_email(NEW).name == "Quick"
    assert users.find_by_email("alice@example.com").name == "Alice"


def test_only_the_spelling_may_change_too(signed_in, mailbox):
    ask(signed_in, email="Alice@example.com")

    pages.submit(signed_in, mailbox.last("Alice@example.com").link("/confirm-email/"))

    assert users.find_by_email("alice@example.com").email == "Alice@example.com"


def test_whoever_mistyped_the_address_at_sign_up_can_correct_it(client, mailbox):
    pages.sign_in(client, make_user("alcie@example.com", verified=False))

    ask(client)
    pages.submit(client, mailbox.last(NEW).link("/confirm-email/"))

    assert users.find_by_email(NEW).verified


@pytest.mark.parametrize(
    "email",
    ["", "alice", "alice@example.com", NEW + "\x00", "x" * 40_000],
)
def test_what_is_wrong_is_named_beside_its_field(signed_in, mailbox, email):
    answer = ask(signed_in, email=email)

    assert answer.status_code == 422
    assert 'id="new-email-error"' in answer.text
    assert mailbox.letters() == []


@pytest.mark.standard("L-08", "L-09")
def test_another_address_takes_fresh_proof(signed_in, mailbox, clock):
    clock.move(minutes=16)

    asked = ask(signed_in, email=NEW)

    assert pages.asks_for_proof(asked)
    assert mailbox.letters() == []


def test_nobodys_mailbox_is_flooded(signed_in, mailbox):
    statuses = [ask(signed_in, email=f"{number}@new.example.com").status_code for number in range(11)]

    assert statuses == [303] * 10 + [429]


@pytest.mark.parametrize("token", ["x", "%00", "a" * 5_000])
def test_what_is_no_link_is_told_so(signed_in, token):
    assert signed_in.get(f"/confirm-email/{token}").status_code == 410


@pytest.mark.standard("L-12")
@pytest.mark.settings(signup="example.com")
def test_the_domains_that_may_sign_up_hold_for_a_change_too(signed_in, mailbox):
    answer = ask(signed_in, email="alice@evil.example")

    assert answer.status_code == 422
    assert "Accounts here are for addresses at example.com." in answer.text
    assert mailbox.letters() == []
    assert ask(signed_in, email="ally@example.com").status_code == 303


@pytest.mark.standard("L-12")
def test_a_change_that_was_asked_for_before_the_domains_were_set_is_not_made(signed_in, mailbox, settings):
    ask(signed_in)
    link = mailbox.last(NEW).link("/confirm-email/")
    secret = pages.csrf(signed_in.get(link))
    given = {"instance": settings.instance, "database_url": settings.database_url, "base_url": settings.base_url}
    settings_module.use(settings_module.load({}, **given, mode="development", signup="example.com"))

    assert signed_in.get(link).status_code == 410
    assert signed_in.post(link, data={"csrf_token": secret}).status_code == 410
    assert users.find_by_email(NEW) is None


def test_a_new_address_is_shown_as_it_is_written(signed_in, mailbox):
    ask(signed_in, email="alice@straße.example")

    page = signed_in.get("/settings").text
    assert page.count("alice@straße.example") == 2
    assert "xn--" not in page
    assert mailbox.last("alice@xn--strae-oqa.example")
    assert "alice@straße.example" in mailbox.last("alice@example.com").text
