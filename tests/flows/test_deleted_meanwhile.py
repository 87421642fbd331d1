"""Accounts, apps and tokens that end while something of them is asked for: answers of the protocols, never a fault."""

from functools import partial

import pytest

from latchkey import clients, grants, tokens
from latchkey.accounts import users
from latchkey.clients import Cause
from latchkey.safety import lockdown, shutdown
from latchkey.store import conflicts
from latchkey.store.session import db
from latchkey.tokens import Token
from tests import factories
from tests.api.apps.test_calls import NEW as NEW_APP
from tests.api.calls import Caller, caller
from tests.crowd import at_once
from tests.oauth import dance

ROUNDS = 6

pytestmark = pytest.mark.slow("many threads meet, round after round")


@pytest.fixture
def together(app):
    """What each act was answered, all having begun at the same moment; those without an answer ran in the domain."""

    def run(act):
        with app.app_context():
            return act()

    return lambda *acts: at_once(*(partial(run, act) for act in acts))


def carry_out(parts):
    """What an operator's command does."""

    def run():
        for _part in parts():
            db.commit()
        db.commit()

    conflicts.again(run)


def faults(answers):
    return [
        (answer.status, answer.text[:300]) for answer in answers if answer is not None and answer.status_code >= 500
    ]


@pytest.mark.standard("A-06")
def test_an_app_that_is_deleted_meanwhile(together, app, alice, signed_in):
    for number in range(ROUNDS):
        registered = factories.make_client(alice, name=f"App {number}")
        app_id = registered.client.id
        code = dance.code(signed_in, registered)
        issued = dance.tokens(signed_in, registered)
        hers = caller(app.test_client(), users.find(alice.id), description=f"Writer {number}")
        db.rollback()

        answers = together(
            lambda: dance.redeem(app.test_client(), registered, code),
            lambda: dance.refresh(app.test_client(), registered, issued["refresh_token"]),
            lambda: dance.post(app.test_client(), "/oauth/token", registered, grant_type="client_credentials"),
            lambda: dance.post(app.test_client(), "/oauth/introspect", registered, token=issued["access_token"]),
            lambda: hers.patch(f"/v1/apps/{app_id}", {"name": "Other"}),
            lambda: hers.post(f"/v1/apps/{app_id}/secret"),
            lambda: carry_out(lambda: shutdown.delete(clients.find(app_id)) if clients.find(app_id) else iter(())),
        )

        assert faults(answers) == []
        assert {answer.status_code for answer in answers if answer} <= {200, 201, 400, 401, 404}
        db.expire_all()
        assert clients.find(app_id) is None
        db.rollback()


@pytest.mark.standard("A-06", "I-08")
def test_an_account_that_is_deleted_meanwhile(together, app, bob):
    for number in range(ROUNDS):
        carol = factories.make_user(f"carol{number}@example.com")
        carol_id = carol.id
        theirs = caller(app.test_client(), carol, description="Writer")
        own = factories.make_client(carol, name="Carol's")
        used = factories.make_client(bob, name=f"Bob's {number}")
        grants.allow(carol, used.client, {"account:read"})
        grants.allow(bob, own.client, {"account:read"})
        db.commit()
        db.rollback()

        answers = together(
            lambda: theirs.post("/v1/tokens", {"description": "Child", "scopes": ["account:read"]}),
            lambda: theirs.post("/v1/apps", NEW_APP),
            lambda: theirs.patch("/v1/me", {"name": "Other"}),
            lambda: dance.post(app.test_client(), "/oauth/token", own, grant_type="client_credentials"),
            lambda: carry_out(lambda: lockdown.delete(users.find(carol_id)) if users.find(carol_id) else iter(())),
            lambda: carry_out(lambda: lockdown.delete(users.find(carol_id)) if users.find(carol_id) else iter(())),
        )

        assert faults(answers) == []
        assert {answer.status_code for answer in answers if answer} <= {200, 201, 400, 401, 404}
        db.expire_all()
        assert users.find(carol_id) is None
        db.rollback()


@pytest.mark.standard("I-06")
@pytest.mark.parametrize(
    "path, body", [("/v1/tokens", {"description": "Child", "scopes": ["tokens:write"]}), ("/v1/apps", NEW_APP)]
)
def test_what_a_thief_makes_while_the_owner_regenerates_is_refused_or_dead(together, app, alice, *, path, body):
    for number in range(ROUNDS):
        minted = factories.make_token(
            users.find(alice.id), description=f"Old {number}", scopes={"tokens:write", "apps:write"}
        )
        token_id = minted.token.id
        db.rollback()
        thief = Caller(app.test_client(), minted.plaintext)

        def steal():
            return [thief.post(path, body) for _ in range(4)]

        def regenerate():
            tokens.regenerate(db.get(Token, token_id))
            db.commit()
            return [clients.list_for(users.find(alice.id))]

        stolen, stolen_too, (before,) = together(steal, steal, regenerate)

        db.expire_all()
        made = [answer.json for answer in stolen + stolen_too if answer.status_code == 201]
        assert {answer.status_code for answer in stolen + stolen_too} <= {201, 401, 409}
        if path == "/v1/tokens":
            assert [child.status for child in tokens.children(db.get(Token, token_id))] == ["revoked"] * len(made)
        else:
            known = {client.id for client in before}
            assert {one["id"] for one in made} <= known, "an app was registered after its token had ended"
            for client in clients.list_for(users.find(alice.id)):
                clients.remove(client)
            db.commit()
        db.rollback()


@pytest.mark.standard("I-08")
def test_nothing_begins_beside_a_suspension(together, app, alice, bob, signed_in):
    for number in range(ROUNDS):
        carol = factories.make_user(f"carol{number}@example.com")
        carol_id = carol.id
        writer = caller(app.test_client(), carol, "apps:write", description="Writer")
        db.rollback()

        def suspend():
            conflicts.again(lambda: (lockdown.suspend(users.find(carol_id)), db.commit()))

        answers = together(*[lambda: writer.post("/v1/apps", NEW_APP)] * 3, suspend)

        assert faults(answers) == []
        db.expire_all()
        assert all(Cause.OWNER in clients.causes(one) for one in clients.list_for(users.find(carol_id)))
        db.rollback()


def test_suspending_and_reporting_at_once_do_not_block_each_other(together, app, alice):
    for number in range(ROUNDS):
        writer = caller(app.test_client(), users.find(alice.id), description=f"Writer {number}")
        made = [writer.post("/v1/apps", NEW_APP | {"name": f"App {number} {n}"}).json["id"] for n in range(3)]
        db.rollback()

        def suspend(client_id):
            def run():
                shutdown.suspend(clients.find(client_id), Cause.ADMINISTRATOR)
                db.commit()

            return lambda: conflicts.again(run)

        answers = together(
            lambda: writer.post("/v1/credentials/revoke", {"credentials": [writer.plaintext]}, Authorization=""),
            *[suspend(client_id) for client_id in reversed(made)],
        )

        assert answers[0].status_code == 202
        db.expire_all()
        assert all(clients.causes(clients.find(one)) == {Cause.ADMINISTRATOR, Cause.LEAK} for one in made)
        db.rollback()
