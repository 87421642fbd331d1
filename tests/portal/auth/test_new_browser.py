"""A sign-in from a browser that the account does not know: the letter, and the page that its link opens."""

import re

import pytest

from latchkey.accounts import sessions
from latchkey.notices import owners
from tests import pages

SUBJECT = "New sign-in to your account"


def subjects(mailbox, user):
    return [letter.subject for letter in mailbox.letters(user.email)]


def link(mailbox, user):
    return re.search(r"/sessions/end/\S+", mailbox.last(user.email).text)[0]


@pytest.mark.standard("L-13")
def test_a_new_browser_is_told_of_and_a_known_one_is_not(app, alice, mailbox):
    first, second = app.test_client(), app.test_client()

    pages.sign_in(first, alice)
    assert subjects(mailbox, alice) == []
    pages.sign_in(second, alice)
    assert subjects(mailbox, alice) == [SUBJECT]
    assert "Password" in mailbox.last(alice.email).text

    second.post("/logout", data={"csrf_token": pages.csrf(second.get("/settings"))})
    pages.sign_in(second, alice)
    assert subjects(mailbox, alice) == [SUBJECT]


@pytest.mark.standard("L-13")
def test_its_link_ends_that_session_by_a_button_and_nothing_by_being_opened(app, alice, mailbox):
    owner, thief = pages.sign_in(app.test_client(), alice), pages.sign_in(app.test_client(), alice)
    opened = app.test_client()
    address = link(mailbox, alice)

    page = opened.get(address)
    assert thief.get("/settings").status_code == 200
    assert opened.post(address).status_code == 400
    done = opened.post(address, data={"csrf_token": pages.csrf(page)})

    assert "That session has ended" in done.text
    assert thief.get("/settings").status_code == 303
    assert owner.get("/settings").status_code == 200
    assert "That session has ended" in opened.get(address).text
    assert opened.get("/settings").status_code == 303


@pytest.mark.standard("L-13")
def test_whoever_signs_in_again_and_again_buries_no_letter_under_these(app, alice, mailbox, clock, monkeypatch):
    monkeypatch.setattr(owners, "MOST_TOLD", 3)
    for _ in range(7):
        pages.sign_in(app.test_client(), alice)
    first = len(subjects(mailbox, alice))
    clock.move(hours=2)
    pages.sign_in(app.test_client(), alice)

    assert (first, len(subjects(mailbox, alice))) == (2, 3)


@pytest.mark.parametrize("spoil", [lambda token: token[:-8] + "A" * 8, lambda _: "x"])
def test_a_link_that_is_not_ours_ends_nothing(app, alice, mailbox, spoil):
    pages.sign_in(app.test_client(), alice), pages.sign_in(app.test_client(), alice)
    start, _, token = link(mailbox, alice).rpartition("/")

    assert app.test_client().get(f"{start}/{spoil(token)}").status_code == 410
    assert len(sessions.list_live(alice)) == 2


def test_the_link_is_good_as_long_as_the_session_may_last(app, alice, mailbox, clock):
    pages.sign_in(app.test_client(), alice), pages.sign_in(app.test_client(), alice)
    address = link(mailbox, alice)
    clock.move(days=8)

    assert app.test_client().get(address).status_code == 410


def test_a_browser_new_to_an_account_that_was_not_used_for_long_is_told_of(app, alice, mailbox, clock):
    clock.move(days=2)

    pages.sign_in(app.test_client(), alice)

    assert subjects(mailbox, alice) == [SUBJECT]


def end_by_the_letter(app, alice, mailbox, _owner):
    stranger, address = app.test_client(), link(mailbox, alice)
    assert "has ended" in pages.submit(stranger, address).text


def end_it(_app, _alice, _mailbox, owner):
    page = owner.get("/settings")
    [action] = set(re.findall(r'action="(/settings/sessions/ses_\w+/end)"', page.text))
    owner.post(action, data={"csrf_token": pages.csrf(page)})


def end_all_others(_app, _alice, _mailbox, owner):
    pages.submit(owner, "/settings/sessions/end-others", form="/settings")


@pytest.mark.standard("L-13", "M-05")
@pytest.mark.parametrize("end", [end_by_the_letter, end_it, end_all_others])
def test_whoever_was_signed_out_is_told_of_when_they_come_back(app, alice, mailbox, end):
    """A thief who has the password came back without a word: their browser was known by then."""
    owner, thief = pages.sign_in(app.test_client(), alice), pages.sign_in(app.test_client(), alice)
    end(app, alice, mailbox, owner)
    assert thief.get("/settings").status_code == 303

    pages.sign_in(thief, alice)

    assert subjects(mailbox, alice) == [SUBJECT, SUBJECT]


@pytest.mark.standard("L-05")
@pytest.mark.parametrize("end", [end_it, end_all_others])
def test_a_browser_in_which_others_were_signed_out_stays_known(app, alice, mailbox, end):
    owner, _ = pages.sign_in(app.test_client(), alice), pages.sign_in(app.test_client(), alice)
    end(app, alice, mailbox, owner)
    owner.post("/logout", data={"csrf_token": pages.csrf(owner.get("/settings"))})

    pages.sign_in(owner, alice)

    assert subjects(mailbox, alice) == [SUBJECT]
