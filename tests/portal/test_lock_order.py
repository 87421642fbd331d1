"""Two who change the same things at once take them in one order: none waits for what the other has, and is undone."""

import threading

import pytest
from sqlalchemy import event

from latchkey import clients, grants, notices
from latchkey.accounts import users
from latchkey.clients import secrets
from latchkey.grants import Authorization
from latchkey.grants import record as grant_record
from latchkey.safety import leaks, lockdown
from latchkey.store.session import commit_parts, db, engines
from portal.admin import guard
from portal.settings import index as settings_page
from tests import factories, pages
from tests.crowd import SECONDS, at_once, until_somebody_waits_for_a_row
from tests.oauth.conftest import enter

pytestmark = [pytest.mark.settings(require_second_factor="nobody"), pytest.mark.standard("A-06")]


@pytest.fixture
def administrators():
    return [factories.make_user(f"{name}@example.com", admin=True) for name in ("grace", "heidi")]


def act_on(other):
    return f"/admin/users/{other.id}/sign-out"


def revoke_of(other):
    return f"/admin/tokens/{factories.make_token(other).token.id}/revoke"


def withdraw_of(other):
    app = factories.make_client(other, name=f"App of {other.name}").client
    grant = grants.allow(other, app, {"account:read"})
    db.commit()
    return f"/admin/authorizations/{grant.authorization_id}/withdraw"


def delete_own(_other):
    return "/settings/delete"


@pytest.mark.parametrize(
    "first, second", [(act_on, act_on), (revoke_of, withdraw_of), (act_on, delete_own), (delete_own, delete_own)]
)
def test_two_administrators_who_act_on_each_other_do_so_one_after_the_other(
    app, administrators, monkeypatch, first, second
):
    grace, heidi = administrators
    factories.make_user("ivan@example.com", admin=True)
    tries, begun = [], []

    def one_after_the_other(of):
        called = of.acting_user

        def acting_user():
            tries.append(1)
            user = called()
            begun.append(user)
            until_somebody_waits_for_a_row(lambda: len(begun) > 1)
            return user

        monkeypatch.setattr(of, "acting_user", acting_user)

    def send(me, path):
        browser = enter(app.test_client(), me)
        own = path == "/settings/delete"
        page = browser.get("/settings" if own else path)
        form = {"csrf_token": pages.csrf(page), "read": pages.hidden(page, "read"), "reason": "As agreed"}
        form |= {"email": me.email} if own else {}
        return lambda: browser.post(path, data=form).status_code

    acts = [send(me, how(other)) for me, other, how in ((heidi, grace, first), (grace, heidi, second))]
    db.remove()
    one_after_the_other(guard)
    one_after_the_other(settings_page)

    answers = at_once(*acts)

    # Whoever was signed out or deleted by the first is told so, at the door where the first was so quick; nobody had to
    # begin again because both waited.
    assert set(answers) <= {303, 401, 404}
    assert 1 <= len(tries) <= len(acts)


def test_an_app_is_cut_off_beside_somebody_who_takes_back_what_it_may_do(app, alice, example_client, monkeypatch):
    client_id, grant = example_client.client.id, grants.allow(alice, example_client.client, {"account:read"})
    db.commit()
    authorization_id, held, ended = grant.authorization_id, threading.Event(), grant_record._end

    def in_the_midst(*given):
        """The authorization is taken back, and its sign-ins end next."""
        monkeypatch.setattr(grant_record, "_end", ended)
        held.set()
        until_somebody_waits_for_a_row()
        return ended(*given)

    def take_back():
        with app.app_context():
            grants.withdraw(db.get(Authorization, authorization_id))
            db.commit()

    def cut_off():
        with app.app_context():
            client = clients.find(client_id)
            assert held.wait(SECONDS)
            while grants.withdraw_all(client):
                db.commit()
            db.commit()

    db.remove()
    monkeypatch.setattr(grant_record, "_end", in_the_midst)

    at_once(take_back, cut_off)

    assert db.get(Authorization, authorization_id).withdrawn_at is not None
    assert not db.get(grant_record.Grant, grant.id).live


@pytest.mark.standard("D-12")
def test_a_secret_is_replaced_beside_the_writing_down_of_its_use(app, example_client):
    client = example_client.client
    clients.rotate_secret(client, by=None)
    db.commit()
    client_id, both, held = client.id, [secret.id for secret in clients.live_secrets(client)], threading.Event()

    def in_the_midst(_connection, _cursor, statement, *_):
        """The newer one got an end, and the older one is removed next."""
        if statement.startswith("DELETE FROM client_secret") and not held.is_set():
            held.set()
            until_somebody_waits_for_a_row()

    def replace():
        with app.app_context():
            clients.rotate_secret(clients.find(client_id), by=None)
            db.commit()

    def write_down():
        assert held.wait(SECONDS)
        for secret_id in both:
            secrets.note_secret_use_soon(secret_id)
        return secrets.flush_secret_uses()

    db.remove()
    event.listen(engines().write, "before_cursor_execute", in_the_midst)

    _, written = at_once(replace, write_down)

    assert written == 2
    assert [secret.id for secret in clients.live_secrets(clients.find(client_id))][1:] == both[:1]


@pytest.mark.standard("I-10")
def test_tokens_of_two_are_reported_beside_somebody_who_locks_both(app, alice, administrators, monkeypatch):
    made = sorted((factories.make_token(user).plaintext, user.id) for user in administrators for _ in range(9))
    # Whose id is the higher one comes first.
    last = max(user_id for _, user_id in made)
    found = [next(text for text, user_id in made if user_id == last)]
    found.append(next(text for text, user_id in made if user_id != last and text > found[0]))
    held, told = threading.Event(), notices.token_reported

    def in_the_midst(*given):
        """The first one is ended, and the other comes next."""
        monkeypatch.setattr(notices, "token_reported", told)
        held.set()
        until_somebody_waits_for_a_row()
        return told(*given)

    def report():
        with app.app_context():
            return commit_parts(leaks.report_all(found))

    def suspend():
        with app.app_context():
            assert held.wait(SECONDS)
            lockdown.suspend(users.find(alice_id))
            db.commit()

    alice_id = alice.id
    db.remove()
    monkeypatch.setattr(notices, "token_reported", in_the_midst)

    reported, _ = at_once(report, suspend)

    assert reported == 2
    assert users.find(alice_id).disabled_at is not None
