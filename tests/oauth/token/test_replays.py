"""What is used twice ends its grant, also while its user is deleted: neither waits for what the other has."""

import threading
from functools import partial

import pytest

from latchkey import grants, notices
from latchkey.accounts import users
from latchkey.grants import EndReason, Grant
from latchkey.safety import lockdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, db
from oauth.token.replays import Replayed
from tests import factories
from tests.crowd import SECONDS, at_once, until_somebody_waits_for_a_row
from tests.oauth import dance

REASONS = [EndReason.CODE_REPLAYED, EndReason.REFRESH_REPLAYED]


@pytest.fixture
def begun(bob):
    """A sign-in of Bob's app by somebody who is to be deleted."""
    carol, app = factories.make_user("carol@example.com"), factories.make_client(bob, name="Bob's")
    grant = grants.allow(carol, app.client, {"account:read"})
    db.commit()
    return grant


def delete(user_id):
    """Without beginning again, which would hide that two waited for each other."""
    commit_parts(lockdown.delete(users.find(user_id)))


@pytest.mark.standard("C-07", "E-05")
@pytest.mark.parametrize("reason", REASONS)
def test_its_end_and_a_deletion_do_not_wait_for_each_other(app, begun, reason, monkeypatch):
    user_id, grant_id, held = begun.user_id, begun.id, threading.Event()

    def in_the_midst(_user, _client):
        """The grant is held, and its user is told next."""
        held.set()
        until_somebody_waits_for_a_row()
        monkeypatch.undo()
        getattr(notices, name)(_user, _client)

    name = "code_replayed" if reason is EndReason.CODE_REPLAYED else "refresh_replayed"
    monkeypatch.setattr(notices, name, in_the_midst)

    def replay():
        with app.app_context():
            Replayed("The code was used before.", grant_id, reason).note()

    def remove():
        with app.app_context():
            assert held.wait(SECONDS)
            delete(user_id)

    db.remove()
    at_once(replay, remove)

    assert users.find(user_id) is None
    assert db.get(Grant, grant_id) is None


EXCHANGED = {
    "code": lambda caller, app, browser: partial(dance.redeem, caller, app, dance.code(browser, app)),
    "refresh": lambda caller, app, browser: partial(
        dance.refresh, caller, app, dance.tokens(browser, app)["refresh_token"]
    ),
    "device": lambda caller, app, browser: partial(dance.poll, caller, app, dance.agreed(browser, caller, app)),
}


@pytest.mark.standard("A-06", "D-11")
@pytest.mark.parametrize("asked", EXCHANGED)
def test_an_exchange_and_a_deletion_do_not_wait_for_each_other(
    app, caller, bobs_browser, alice, bob, *, asked, monkeypatch
):
    registered, user_id = factories.make_client(alice, device_flow=True), bob.id
    exchange, removed, held = EXCHANGED[asked](caller, registered, bobs_browser), users.remove, threading.Event()
    met, faults = conflicts.met, []

    def in_the_midst(user):
        """Whatever is the user's is held, and the user goes next."""
        held.set()
        until_somebody_waits_for_a_row()
        removed(user)

    monkeypatch.setattr(users, "remove", in_the_midst)
    # What is begun again may meet it again, until nobody tries any more.
    monkeypatch.setattr(conflicts, "met", lambda fault: faults.append(fault) or met(fault))

    def remove():
        with app.app_context():
            delete(user_id)

    def ask():
        assert held.wait(SECONDS)
        return exchange()

    db.remove()
    told, _ = at_once(ask, remove)

    assert (told.status_code, told.json["error"]) == (400, "invalid_grant")
    assert faults == []
    assert users.find(user_id) is None


@pytest.mark.standard("C-07")
def test_many_at_once_tell_their_user_once_and_wait_for_nobody_in_a_circle(app, begun, mailbox):
    user_id, grant_id = begun.user_id, begun.id

    def replay(reason):
        with app.app_context():
            Replayed("The code was used before.", grant_id, reason).note()

    db.remove()
    at_once(*(partial(replay, reason) for reason in REASONS * 3))

    assert db.get_one(Grant, grant_id).end_reason in REASONS
    assert len(mailbox.letters("carol@example.com")) == 1
    db.rollback()
    with app.app_context():
        delete(user_id)
    # Of a user who is gone there is nothing to end, and nobody to tell.
    with app.app_context():
        Replayed("The code was used before.", grant_id, EndReason.CODE_REPLAYED).note()
    assert users.find(user_id) is None
