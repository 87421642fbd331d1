"""A server, or its database, ends in the midst of exchanges: what was answered is kept, and no code is used twice."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests
from sqlalchemy import select

from app import create_app
from latchkey import credentials, grants, settings
from latchkey.accounts import sessions
from latchkey.store import migrations
from latchkey.store import session as store
from latchkey.store.drivers.direct import Direct
from latchkey.store.session import db
from latchkey.tokens import Token
from oauth.token import codes
from tests import factories, servers
from tests.factories import CALLBACK
from tests.oauth import dance
from tests.oauth.conftest import enter

CODES, THREADS, ANSWERED = 20, 16, 4

pytestmark = pytest.mark.slow("starts a server, or a cluster of its own")


def made(user, registered, count):
    """So many codes, each of a sign-in of its own."""
    session, told = sessions.open(user), {}
    db.commit()
    for _ in range(count):
        grant, code = grants.allow(user, registered.client, ["account:read"]), credentials.opaque()
        kept = {"redirect_uri": CALLBACK, "redirect_uri_sent": True, "challenge": dance.CHALLENGE}
        codes.save(code, grant, session, **kept)
        told[code] = grant.id
        db.commit()
    return told


def issued(grant_id):
    """The digests of the access tokens under a sign-in."""
    return set(db.scalars(select(Token.digest).where(Token.grant_id == grant_id, Token.kind == "oat")))


def family(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


@pytest.mark.standard("C-06")
def test_what_a_killed_server_answered_is_kept_and_the_rest_can_be_asked_again(settings, app, alice, example_client):
    """Those that wait share a commit: an answer before it would be lost with it."""
    caller = app.test_client(use_cookies=False)
    grant_of, answers, enough = made(alice, example_client, CODES), {}, threading.Event()
    common = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": dance.VERIFIER}
    given = {"forked": True, "LATCHKEY_DATABASE_URL": settings.database_url}
    with servers.latchkey(settings.instance, **given) as server, ThreadPoolExecutor(THREADS) as pool:

        def redeem(code):
            proof = (example_client.client.id, example_client.secret)
            try:
                told = requests.post(f"{server.url}/oauth/token", data=common | {"code": code}, auth=proof, timeout=60)
                answers[code] = told.json()
            except requests.RequestException:
                return
            if len(answers) >= ANSWERED:
                enough.set()

        asking = [pool.submit(redeem, code) for code in grant_of]
        assert enough.wait(240)
        for pid in family(server.process._process.pid):
            os.kill(pid, signal.SIGKILL)
        for each in asking:
            each.result()

    assert len(answers) >= ANSWERED
    for code, told in answers.items():
        assert issued(grant_of[code]) == {credentials.digest(told["access_token"])}
        assert dance.works(caller, told["access_token"])
    # Whoever got no answer asks again: it was used, or is good, and then once.
    for code in set(grant_of) - set(answers):
        before = issued(grant_of[code])
        again = dance.redeem(caller, example_client, code)
        assert (again.status_code == 200) is (not before)
        assert len(issued(grant_of[code])) == 1
        if before:
            assert again.json["error"] == "invalid_grant"
    for code in grant_of:
        assert dance.redeem(caller, example_client, code).json["error"] == "invalid_grant"


@pytest.fixture(scope="module")
def cluster():
    # What is committed is there after a crash, too.
    with servers.postgres(synchronous_commit="on") as cluster:
        cluster.create("latchkey")
        yield cluster


@pytest.fixture
def on_cluster(cluster, tmp_path):
    """An application on a database that can be stopped."""
    given = {"base_url": "http://localhost", "mode": "development", "instance": tmp_path}
    settings.use(settings.load({}, **given, database_url=cluster.url("latchkey")))
    app = create_app(settings.current())
    migrations.upgrade()
    yield app
    db.remove()
    store.dispose()
    if not cluster.answers():
        cluster.start()


@pytest.fixture
def there(on_cluster, tmp_path):
    """A code, and what redeems it."""
    user = factories.make_user(f"{tmp_path.name}@example.com")
    registered = factories.make_client(user)
    [(code, grant_id)] = made(user, registered, 1).items()
    db.remove()

    def redeem():
        answer = dance.redeem(on_cluster.test_client(use_cookies=False), registered, code)
        db.remove()
        return answer

    return redeem, grant_id


def is_told_to_ask_again(answer):
    return answer.status_code == 503 and answer.headers["Retry-After"]


@pytest.mark.postgres
@pytest.mark.standard("C-06", "C-08")
def test_a_code_is_still_good_whose_exchange_the_database_did_not_finish(cluster, there):
    redeem, grant_id = there
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    url = cluster.url("latchkey").replace("+psycopg", "")
    with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as watch, ThreadPoolExecutor() as pool:
        # The exchange is at the server, and comes no further.
        other.execute("SELECT FROM authorization_code WHERE grant_id = %s FOR UPDATE", [grant_id])
        asked = pool.submit(redeem)
        servers.wait_until(lambda: watch.execute(waits).fetchone()[0], "the exchange")
        cluster.stop(at_once=True)
        assert is_told_to_ask_again(asked.result())
        other.close()
        watch.close()
    assert is_told_to_ask_again(redeem())
    cluster.start()

    answers = [redeem() for _ in range(3)]

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
    assert {answer.json["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    assert len(issued(grant_id)) == 1


@pytest.mark.postgres
@pytest.mark.standard("C-08")
def test_a_database_that_crashed_is_told_as_away_and_then_everything_goes_on(cluster, on_cluster):
    """Connections that a crash ended are met by whatever is asked next, each by its own way to the database."""
    browser, caller = on_cluster.test_client(), on_cluster.test_client(use_cookies=False)
    user = factories.make_user("crash@example.com")
    registered = factories.make_client(user)
    token = factories.make_token(user, scopes=["account:read", "tokens:read", "tokens:write"]).plaintext
    enter(browser, user)
    bearing, new = {"Authorization": f"Bearer {token}"}, {"description": "one", "scopes": ["account:read"]}
    reading = {
        "/v1/me": lambda: caller.get("/v1/me", headers=bearing),
        "/oauth/check": lambda: caller.get("/oauth/check", headers=bearing),
        "/oauth/introspect": lambda: dance.post(caller, "/oauth/introspect", registered, token=token),
    }
    asked = reading | {
        "/v1/tokens": lambda: caller.get("/v1/tokens", headers=bearing),
        "new token": lambda: caller.post("/v1/tokens", headers=bearing, json=new),
        "/tokens": lambda: browser.get("/tokens"),
    }

    def statuses(those):
        told = {}
        for name, ask in those.items():
            told[name] = ask().status_code
            db.remove()
        return told

    before = statuses(asked)
    assert set(before.values()) == {200, 201}
    for _ in range(2):
        cluster.stop(at_once=True)
        for _ in range(3):
            # A gateway makes a 500 of any other status than these.
            assert statuses(asked) == dict.fromkeys(asked, 503) | {"/oauth/check": 403}
        cluster.start()
        assert statuses(asked) == before
    cluster.stop(at_once=True)
    cluster.start()
    # What reads is asked again at once, as when the server restarts.
    assert statuses(reading) == dict.fromkeys(reading, 200)


@pytest.mark.postgres
@pytest.mark.standard("C-06", "C-07")
def test_a_code_whose_exchange_was_kept_but_not_answered_is_told_as_used(there, monkeypatch):
    """A connection may break off when the commit is done: asking again must issue nothing more."""
    redeem, grant_id = there
    run = Direct.execute

    def broken(self, text, given):
        run(self, text, given)
        if text.startswith("WITH spent"):
            self.connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return self

    with monkeypatch.context() as lost:
        lost.setattr(Direct, "execute", broken)
        assert is_told_to_ask_again(redeem())
    assert len(issued(grant_id)) == 1

    assert redeem().json["error"] == "invalid_grant"

    assert len(issued(grant_id)) == 1
    assert not db.get_one(grants.Grant, grant_id).live
