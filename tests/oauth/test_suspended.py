"""An app that is suspended, by itself or with its owner, does nothing from the very next call on (contract 6)."""

import pytest

from latchkey import clients, grants
from latchkey.accounts import users
from latchkey.clients import Cause
from latchkey.safety import lockdown, shutdown
from latchkey.store.session import db
from latchkey.tokens import access
from latchkey.tokens.issued import issuing
from tests import factories, pages
from tests.oauth import dance


@pytest.fixture
def owner(app, bob):
    """What suspends and restores with the app's owner, as an operator does it."""

    class Owner:
        def suspend(self):
            with app.app_context():
                lockdown.suspend(users.find(bob.id))
                db.commit()

        def restore(self):
            with app.app_context():
                lockdown.restore(users.find(bob.id))
                db.commit()

    return Owner()


@pytest.fixture
def alone(app, example_client):
    """The same for the app alone."""

    class Alone:
        def suspend(self):
            with app.app_context():
                shutdown.suspend(clients.find(example_client.client.id), Cause.ADMINISTRATOR, "Asked for too much")
                db.commit()

        def restore(self):
            with app.app_context():
                shutdown.restore(clients.find(example_client.client.id), Cause.ADMINISTRATOR)
                db.commit()

    return Alone()


@pytest.fixture(params=["alone", "owner"])
def hand(request):
    return request.getfixturevalue(request.param)


def itself(caller, registered):
    return dance.post(caller, "/oauth/token", registered, grant_type="client_credentials")


def introspected(caller, registered, token):
    return dance.post(caller, "/oauth/introspect", registered, token=token)


@pytest.mark.standard("I-08")
def test_a_suspended_app_is_refused_from_the_next_call_on_and_goes_on_afterwards(
    hand, signed_in, *, caller, alice, example_client
):
    issued = dance.tokens(signed_in, example_client)
    developers = factories.make_token(alice).plaintext

    hand.suspend()

    assert not dance.works(caller, issued["access_token"])
    assert dance.refresh(caller, example_client, issued["refresh_token"]).json["error"] == "invalid_client"
    assert itself(caller, example_client).json["error"] == "invalid_client"
    assert introspected(caller, example_client, developers).status_code == 401
    asked = dance.authorize(signed_in, example_client, prompt="consent")
    assert (asked.status_code, "Location" in asked.headers) == (400, False)

    hand.restore()

    assert dance.works(caller, issued["access_token"])
    assert dance.refresh(caller, example_client, issued["refresh_token"]).status_code == 200
    assert itself(caller, example_client).status_code == 200
    assert introspected(caller, example_client, developers).json["active"] is True


@pytest.mark.standard("I-08")
def test_codes_and_questions_end_even_if_the_app_goes_on_at_once(hand, signed_in, caller, example_client):
    code = dance.code(signed_in, example_client)
    question = dance.authorize(signed_in, example_client, prompt="consent")

    hand.suspend()
    hand.restore()

    assert dance.redeem(caller, example_client, code).json["error"] == "invalid_grant"
    assert "Location" not in dance.decide(signed_in, question).headers, "they are asked anew"
    assert dance.redeem(caller, example_client, dance.code(signed_in, example_client)).status_code == 200


def test_two_causes_are_lifted_one_by_one(alone, owner, signed_in, caller, example_client):
    token = dance.tokens(signed_in, example_client)["access_token"]

    alone.suspend()
    owner.suspend()
    owner.restore()
    assert not dance.works(caller, token), "an administrator stopped the app itself"

    owner.suspend()
    alone.restore()
    assert not dance.works(caller, token), "its owner is still suspended"

    owner.restore()
    assert dance.works(caller, token)


def test_what_acts_for_a_suspended_owner_stays_ended(owner, app, signed_in, *, caller, bob, alice):
    hers = factories.make_client(alice, name="Alice's")
    his = pages.sign_in(app.test_client(), bob)
    for_him = dance.tokens(his, hers)["access_token"]
    own = factories.make_token(bob).plaintext

    owner.suspend()
    owner.restore()

    assert not dance.works(caller, for_him)
    assert not dance.works(caller, own)
    assert his.get("/tokens").status_code in (302, 303)
    assert grants.list_for(bob) == []


def test_its_users_and_its_owner_are_told_why(alone, app, signed_in, *, bob, example_client, mailbox):
    dance.tokens(signed_in, example_client)

    with app.app_context():
        client = clients.find(example_client.client.id)
        shutdown.suspend(client, Cause.ADMINISTRATOR, "Asked for too much")
        db.commit()
        assert sum(shutdown.tell_users(client)) == 1
        db.commit()

    assert "App suspended: Example" in [letter.subject for letter in mailbox.letters("bob@example.com")]
    assert "was suspended" in mailbox.last("alice@example.com").subject


@pytest.mark.standard("I-08")
def test_an_app_cannot_be_registered_for_a_suspended_owner(app, bob):
    with app.app_context():
        lockdown.suspend(users.find(bob.id))
        db.commit()

    with pytest.raises(users.UserGone):
        factories.make_client(bob, name="Late")
    db.rollback()


def test_a_suspended_client_gets_no_grant(example_client, alice):
    clients.suspend(example_client.client)
    db.commit()

    with pytest.raises(clients.ClientGone):
        issuing.as_itself(example_client.client.id, 0, frozenset({"account:read"}), None)
    with pytest.raises(clients.ClientGone):
        grants.allow(alice, example_client.client, {"account:read"})
    db.rollback()


def test_developer_tokens_of_others_are_not_touched(alone, alice):
    plaintext = factories.make_token(alice).plaintext

    alone.suspend()

    assert access.find(plaintext).user_id == alice.id


@pytest.mark.standard("K-08")
def test_not_you_signs_out_also_when_the_app_was_suspended_meanwhile(signed_in, example_client, hand):
    page = dance.authorize(signed_in, example_client)
    hand.suspend()

    answer = dance.decide(signed_in, page, "switch")

    assert (answer.status_code, "Location" in answer.headers) == (400, False)
    assert "suspended" in answer.text
    assert signed_in.get("/settings").status_code == 303
