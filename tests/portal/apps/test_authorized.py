"""The apps that act for a user, and taking that back."""

import html

import pytest

from latchkey import clients, grants
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.store.session import db as session
from latchkey.tokens import access, usage
from tests import factories, pages
from tests.bearers import works
from tests.factories import make_client

BOTH = {"account:read", "account:write"}


def issued(user, client, scopes=BOTH):
    return factories.make_access_token(grants.allow(user, client, scopes))


def path(user, client):
    return f"/authorized-apps/{grants.find_authorization(user, client).id}/revoke"


@pytest.fixture
def ledger(bob):
    return make_client(bob, name="Ledger", scopes=BOTH).client


@pytest.mark.standard("K-05")
def test_the_list_says_in_words_what_each_app_may_do(signed_in, alice, ledger):
    issued(alice, ledger)

    page = html.unescape(signed_in.get("/authorized-apps").text)

    assert "Ledger" in page
    assert "By <b>Bob</b>" in page
    assert "See your name and e-mail address" in page
    assert "Change your name" in page
    assert "Since" in page
    assert "Never used" in page
    assert "Revoke access" in page


@pytest.mark.standard("K-05")
def test_the_list_says_when_an_app_was_last_used(signed_in, alice, ledger):
    access.admit(issued(alice, ledger))
    usage.flush()
    session.expire_all()

    assert "Last used" in signed_in.get("/authorized-apps").text


@pytest.mark.standard("K-05")
def test_revoking_ends_the_app_at_its_next_request(signed_in, alice, ledger):
    token = issued(alice, ledger)

    answer = pages.submit(signed_in, path(alice, ledger))

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/authorized-apps"
    assert not works(token)
    page = signed_in.get("/authorized-apps").text
    assert "Ledger can no longer act for you." in html.unescape(page)
    assert "No apps act for you" in page
    assert activity.list_for(alice)[0].kind == EventKind.AUTHORIZATION_WITHDRAWN


def test_one_who_takes_back_gets_no_mail_about_it(signed_in, alice, ledger, mailbox):
    issued(alice, ledger)

    pages.submit(signed_in, path(alice, ledger))

    assert mailbox.letters(alice.email) == []


def test_asking_revokes_nothing(signed_in, alice, ledger):
    token = issued(alice, ledger)

    page = html.unescape(signed_in.get(path(alice, ledger)).text)

    assert "Revoke access of Ledger?" in page
    assert "What it already did stays." in page
    assert works(token)


def test_revoking_twice_is_like_revoking_once(signed_in, alice, ledger):
    issued(alice, ledger)
    page = signed_in.get(path(alice, ledger))
    address, fields = path(alice, ledger), {"csrf_token": pages.csrf(page)}

    assert signed_in.post(address, data=fields).status_code == 303
    assert signed_in.post(address, data=fields).status_code == 303
    assert len(activity.list_for(alice, kinds=[EventKind.AUTHORIZATION_WITHDRAWN])) == 1
    assert signed_in.get(address).status_code == 404


def test_nobody_takes_back_what_somebody_else_allowed(signed_in, bob, ledger):
    token = issued(bob, ledger)
    fields = {"csrf_token": pages.csrf(signed_in.get("/apps"))}

    assert signed_in.get(path(bob, ledger)).status_code == 404
    assert signed_in.post(path(bob, ledger), data=fields).status_code == 404
    assert works(token)
    assert "Ledger" not in signed_in.get("/authorized-apps").text


def test_revoking_takes_a_csrf_token(signed_in, alice, ledger):
    token = issued(alice, ledger)

    assert signed_in.post(path(alice, ledger)).status_code == 400
    assert works(token)


def test_signed_out_people_are_sent_to_sign_in(client):
    assert client.get("/authorized-apps").headers["Location"].startswith("/login?next=")


def test_a_suspended_app_is_marked_and_can_be_taken_back(signed_in, alice, ledger):
    issued(alice, ledger)
    clients.suspend(ledger)
    session.commit()

    assert "Suspended" in signed_in.get("/authorized-apps").text
    assert pages.submit(signed_in, path(alice, ledger)).status_code == 303


def test_a_name_is_shown_as_text(signed_in, alice, bob):
    issued(alice, make_client(bob, name="<script>x</script>").client, {"account:read"})

    page = signed_in.get("/authorized-apps").text

    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
