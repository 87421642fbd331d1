"""An account or app that is deleted while something of it is asked for: an error of the protocol, never a fault."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from latchkey import clients
from latchkey.accounts import users
from latchkey.clients import Cause
from latchkey.safety import lockdown, shutdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, db, engines
from latchkey.tokens.issued import issuing
from tests import factories
from tests.crowd import at_once
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


def end(registered, carol_id, gone):
    """Carries out what ends the app, its owner, its secret or its user."""
    app, carol = clients.find(registered.client.id), users.find(carol_id)
    if gone in ("app", "owner", "user"):
        owned = {"owner": app.owner, "user": carol}
        commit_parts(shutdown.delete(app) if gone == "app" else lockdown.delete(owned[gone]))
    elif gone == "suspended app":
        shutdown.suspend(app, Cause.ADMINISTRATOR)
    elif gone == "suspended user":
        lockdown.suspend(carol)
    else:
        clients.end_secrets(clients.lock(app.id))
    db.commit()


@pytest.mark.parametrize("asked", ["code", "refresh", "itself"])
@pytest.mark.parametrize("gone", ["app", "owner", "user", "suspended app", "suspended user", "secret"])
def test_what_ends_behind_the_proof_of_the_app_is_refused_or_of_no_use(app, alice, bob, *, asked, gone, monkeypatch):
    registered, carol = factories.make_client(bob), factories.make_user("carol@example.com")
    browser, caller, carol_id = enter(app.test_client(), carol), app.test_client(use_cookies=False), carol.id
    held = dance.tokens(browser, registered)
    held["code"] = dance.code(browser, registered)
    db.rollback()
    ended = []

    def end_in_the_app():
        with app.app_context():
            end(registered, carol_id, gone)

    def before(of, name):
        called = getattr(of, name)

        def behind(*given, **named):
            if not ended:
                ended.append(at_once(end_in_the_app))
            return called(*given, **named)

        monkeypatch.setattr(of, name, behind)

    if engines().embedded:
        # It is read and exchanged by the only one who writes: nobody comes in between.
        ended.append(at_once(end_in_the_app))
    before(issuing, "exchange")
    before(issuing, "as_itself")

    answer = ASK[asked](caller, registered, held)

    assert ended
    assert answer.status_code in (200, 400, 401), (answer.status, answer.text[:300])
    assert answer.content_type == "application/json"
    of_user = asked in ("code", "refresh")
    if "access_token" in answer.text and (gone in ("app", "owner", "suspended app") or (of_user and "user" in gone)):
        assert not dance.works(caller, answer.json["access_token"])
    if asked == "itself" and gone == "secret":
        # Whoever ends the secrets also ends what they began, of which this would be left.
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
