"""What a consent stands on may change at the same moment: the grant comes before or after, never beside it (B-19)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from latchkey import clients, grants
from latchkey.accounts import sessions, users
from latchkey.clients import Client
from latchkey.grants import Authorization, Grant
from latchkey.safety import lockdown
from latchkey.store.session import db
from oauth.token.codes import AuthorizationCode
from tests import factories
from tests.factories import CALLBACK
from tests.oauth import dance
from tests.oauth.conftest import enter

ROUNDS = 12
EVIL = "https://evil.example/callback"

pytestmark = [pytest.mark.slow("many threads meet, round after round"), pytest.mark.standard("B-19")]


@pytest.fixture
def beside(app):
    """What a browser was answered while something else happened at the same moment."""
    with ThreadPoolExecutor(2) as pool:

        def run(ask, change):
            barrier = threading.Barrier(2)

            def asking():
                barrier.wait()
                return ask()

            def changing():
                with app.app_context():
                    barrier.wait()
                    change()
                    db.commit()
                    db.remove()

            answered, changed = pool.submit(asking), pool.submit(changing)
            changed.result()
            return answered.result()

        yield run


def test_a_wider_app_never_gets_more_than_was_shown(beside, signed_in, bob):
    for number in range(ROUNDS):
        app = factories.make_client(bob, name=f"App {number}")
        page = dance.authorize(signed_in, app, scope=None)

        def widen(client_id=app.client.id):
            db.get(Client, client_id).scope = "account:read account:write"

        answer = beside(lambda: dance.decide(signed_in, page), widen)

        assert answer.status_code == 303
        assert {grant.scope for grant in db.query(Grant)} == {"account:read"}
        db.rollback()


def test_an_address_that_changes_at_the_moment_gets_no_code(beside, signed_in, bob):
    for number in range(ROUNDS):
        app = factories.make_client(bob, name=f"App {number}")
        page = dance.authorize(signed_in, app, redirect_uri=None)

        def lead_astray(client_id=app.client.id):
            db.get(Client, client_id).redirect_uris = [EVIL]

        answer = beside(lambda: dance.decide(signed_in, page), lead_astray)

        assert answer.status_code in (200, 303)
        if answer.status_code == 303:
            assert answer.headers["Location"].startswith(CALLBACK)
        assert {code.redirect_uri for code in db.query(AuthorizationCode)} <= {CALLBACK}
        db.rollback()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_withdrawal_is_not_undone_by_the_way_without_a_question(beside, signed_in, alice, bob, *, trusted):
    for number in range(ROUNDS):
        app = factories.make_client(bob, name=f"App {number}", trusted=trusted)
        dance.code(signed_in, app)
        standing = grants.find_authorization(alice, app.client).id

        answer = beside(
            lambda: dance.authorize(signed_in, app),
            lambda: grants.withdraw(db.get(Authorization, standing)),
        )

        assert answer.status_code in (200, 303)
        live = [grant for grant in db.query(Grant).filter(Grant.client_id == app.client.id) if grant.live]
        if not trusted:
            # Led back before the withdrawal, and ended by it; or after it, and asked.
            assert live == []
            assert db.get(Authorization, standing).withdrawn_at is not None
        db.rollback()


@pytest.mark.parametrize("end", ["sign-out", "password", "suspension"])
def test_a_session_that_ends_at_the_moment_gets_no_code_that_works(app, beside, caller, *, alice, bob, end):
    for number in range(ROUNDS):
        registered = factories.make_client(bob, name=f"App {number}")
        browser = enter(app.test_client(), alice)
        page = dance.authorize(browser, registered)

        def stop():
            user = users.lock(alice.id)
            if end == "password":
                lockdown.change_password(user, users.prepare_password(user, f"another-{factories.PASSWORD}"))
            elif end == "suspension":
                lockdown.suspend(user)
            else:
                sessions.end_all(user)

        answer = beside(lambda: dance.decide(browser, page), stop)

        assert answer.status_code in (303, 400)
        if answer.status_code == 303 and "code=" in answer.headers["Location"]:
            redeemed = dance.redeem(caller, registered, dance.back(answer).parameters["code"])
            assert redeemed.json["error"] == "invalid_grant"
        users.enable(users.find(alice.id))
        db.commit()


@pytest.mark.parametrize("gone", ["app", "user"])
def test_what_is_deleted_at_the_moment_is_no_fault(app, beside, bob, gone):
    for number in range(ROUNDS):
        carol = factories.make_user(f"carol{number}@example.com")
        registered = factories.make_client(bob, name=f"App {number}")
        browser = enter(app.test_client(), carol)
        page = dance.authorize(browser, registered)
        client_id, user_id = registered.client.id, carol.id

        def remove():
            if gone == "app":
                clients.remove(clients.get_for(bob, client_id, lock=True))
            else:
                users.remove(users.lock(user_id))

        answer = beside(lambda: dance.decide(browser, page), remove)

        assert answer.status_code in (303, 400), answer.text[:500]
        db.rollback()
