"""While a password is hashed nobody else waits for it: nothing is written yet, and of one person few are under way."""

from contextlib import ExitStack

import pytest

from latchkey.accounts import passwords, users
from latchkey.oversight import invitations
from latchkey.store import session as store
from latchkey.turns import heavy
from tests import pages
from tests.factories import PASSWORD

NEW = "lantern-orchid-57-gravel"


def sign_up(client, _alice, _link):
    return pages.submit(client, "/signup", name="Grace", email="grace@example.com", password=NEW)


def sign_in(client, alice, _link):
    return pages.submit(client, "/login", email=alice.email, password=PASSWORD)


def accept(client, alice, link):
    with client.application.test_request_context():
        invitations.invite("grace@example.com", admin=False)
        store.db.commit()
    return pages.submit(client, link("grace@example.com", "/invitation/"), name="Grace", password=NEW)


def reset(client, alice, link):
    pages.submit(client, "/forgot-password", email=alice.email)
    client.get(link(alice.email, "/reset-password/"))
    return pages.submit(client, "/reset-password", password=NEW)


def change(client, alice, _link):
    pages.sign_in(client, alice)
    return pages.submit(client, "/settings/password", form="/settings", current=PASSWORD, password=NEW)


def choose(client, alice, _link):
    pages.sign_in(client, alice)
    report = pages.submit(client, "/hacked", since="7").location
    return pages.submit(client, "/hacked/password", form=report, password=NEW)


@pytest.fixture
def link(mailbox):
    return lambda address, path: mailbox.last(address).link(path)


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("form", [sign_up, sign_in, accept, reset, change, choose])
def test_nothing_is_written_before_the_hash_that_a_form_waits_for(client, alice, link, monkeypatch, form):
    """An embedded database has one writer: with a hash before it, everybody who writes would wait for all hashes."""
    run, written = heavy.run, []

    def watched(work, whose):
        written.append(not store.reads_only())
        return run(work, whose)

    monkeypatch.setattr(heavy, "run", watched)

    assert form(client, alice, link).status_code in (200, 303)
    assert written
    assert not any(written)


@pytest.mark.standard("L-05")
@pytest.mark.parametrize("form", [reset, change, choose])
def test_of_one_person_few_new_passwords_are_hashed_at_a_time(client, alice, bob, link, form):
    with ExitStack() as under_way:
        for _ in range(passwords.AT_ONCE):
            under_way.enter_context(passwords.few(f"next {alice.id}"))
        refused = form(client, alice, link)
        others = form(client.application.test_client(), bob, link)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert others.status_code == 303
    # The link, or the proof, is as good as before.
    page = client.get("/reset-password" if form is reset else "/settings", follow_redirects=True)
    again = {reset: "/reset-password", change: "/settings/password", choose: "/hacked/password"}[form]
    fields = {"csrf_token": pages.csrf(page), "current": PASSWORD, "password": NEW}
    assert client.post(again, data=fields).status_code == 303
    assert users.authenticate(users.find_by_email(alice.email), NEW)


@pytest.mark.standard("L-05")
def test_strangers_who_guess_take_no_place_from_whoever_sets_a_new_password(client, alice, link):
    with ExitStack() as guesses:
        for _ in range(passwords.AT_ONCE):
            guesses.enter_context(passwords.few(alice.id))

        assert reset(client, alice, link).status_code == 303
