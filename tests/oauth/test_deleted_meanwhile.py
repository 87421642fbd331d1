"""An account or app that is deleted while something of it is asked for: an error of the protocol, never a fault."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from latchkey import clients
from latchkey.accounts import users
from latchkey.safety import lockdown, shutdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, db
from tests import factories
from tests.oauth import dance
from tests.oauth.conftest import enter

ROUNDS = 8

pytestmark = [pytest.mark.slow("many threads meet, round after round"), pytest.mark.standard("D-11")]

ASK = {
    "code": lambda caller, app, held: dance.redeem(caller, app, held["code"]),
    "refresh": lambda caller, app, held: dance.refresh(caller, app, held["refresh_token"]),
    "itself": lambda caller, app, held: dance.post(caller, "/oauth/token", app, grant_type="client_credentials"),
    "revoke": lambda caller, app, held: dance.post(caller, "/oauth/revoke", app, token=held["refresh_token"]),
    "introspect": lambda caller, app, held: dance.post(caller, "/oauth/introspect", app, token=held["access_token"]),
    "refused": lambda caller, app, held: dance.redeem(caller, app, "x" * 43),
}


@pytest.mark.parametrize("asked", ASK)
@pytest.mark.parametrize("gone", ["user", "app", "owner"])
def test_it_is_refused(app, alice, asked, gone):
    with ThreadPoolExecutor(4) as pool:
        for number in range(ROUNDS):
            owner = factories.make_user(f"owner{number}@example.com")
            carol = factories.make_user(f"carol{number}@example.com")
            registered = factories.make_client(owner, name=f"App {number}")
            browser = enter(app.test_client(), carol)
            held = dance.tokens(browser, registered)
            held["code"] = dance.code(browser, registered)
            barrier = threading.Barrier(4)

            def ask():
                caller = app.test_client(use_cookies=False)
                barrier.wait()
                return ASK[asked](caller, registered, held)

            def remove():
                with app.app_context():
                    barrier.wait()
                    conflicts.again(lambda: commit_parts(parts()))

            def parts():
                if gone == "app":
                    return shutdown.delete(clients.find(registered.client.id))
                return lockdown.delete(users.find((owner if gone == "owner" else carol).id))

            asking, removing = [pool.submit(ask) for _ in range(3)], pool.submit(remove)
            removing.result()
            for answer in (future.result() for future in asking):
                assert answer.status_code in (200, 400, 401), (answer.status, answer.text[:300])
                assert answer.content_type == "application/json"
            db.rollback()
