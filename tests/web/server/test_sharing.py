"""Requests that share a commit: one answer for each, none before the commit, and a fault of one is nobody else's."""

import contextlib
import json
import sqlite3
import threading
import time
from itertools import count
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from sqlalchemy.exc import OperationalError

from latchkey import credentials, settings
from latchkey.clients.moved.record import ForeignClient, ForeignSecret
from latchkey.store.drivers import sqlite, transactions
from latchkey.store.session import configure, db, dispose, engines
from latchkey.tokens.imported import proofs
from oauth.token import codes as kept
from tests import conftest, factories
from tests.oauth import dance
from web.server.rsgi import ELSEWHERE, Application

NUMBERS = count()


class Headers(dict):
    def items(self):
        return list(super().items())


class Asked:
    """One request, as the server hands it over, and how it was answered."""

    def __init__(self, registered, **form):
        self.body = urlencode(form).encode()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "content-length": str(len(self.body)),
            "authorization": dance.basic(registered.client.id, registered.secret)["Authorization"],
        }
        self.scope = SimpleNamespace(
            http_version="1.1", server="127.0.0.1:5000", client="127.0.0.1:40000", scheme="http", method="POST",
            path="/oauth/token", query_string="", authority="127.0.0.1", headers=Headers(headers),
        )  # fmt: skip
        self.answers, self.too_early, self.done = [], False, threading.Event()

    def response_bytes(self, status, headers, body):
        self.headers = dict(headers)
        writer = engines()._writer
        self.too_early = engines().embedded and writer is not None and writer.in_transaction
        self.answers.append((status, json.loads(body)))
        self.number = next(NUMBERS)
        self.done.set()

    @property
    def status(self):
        return self.answers[0][0]

    @property
    def told(self):
        return self.answers[0][1]


def redeeming(registered, code):
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": dance.VERIFIER}
    return Asked(registered, redirect_uri=factories.CALLBACK, **form)


@pytest.fixture
def lines(app):
    """The log lines of what is asked."""
    written = []
    app.wsgi_app.write = written.append
    return written


@pytest.fixture
def ask(app, lines):
    """Has requests answered that all wait when the first is begun; each is answered and logged once."""
    app.testing = False
    server, jobs = Application(app), []
    server._sharing._threads = SimpleNamespace(submit=jobs.append)

    def act(*asked):
        db.remove()
        lines.clear()
        for each in asked:
            server._answer(each.scope, each.scope.headers, each, each.body)
        # Elsewhere than on an embedded database they have been begun by now.
        for job in jobs:
            job()
        jobs.clear()
        assert all(each.done.wait(30) for each in asked)
        assert [len(each.answers) for each in asked] == [1] * len(asked)
        assert not any(each.too_early for each in asked)
        logged = sorted(json.loads(line)["status"] for line in lines)
        assert logged == sorted(each.status for each in asked)
        return [each.status for each in asked]

    return act


@pytest.fixture
def codes(signed_in, example_client):
    return [dance.code(signed_in, example_client) for _ in range(5)]


@pytest.fixture
def works(app):
    caller = app.test_client(use_cookies=False)
    return lambda asked: dance.works(caller, asked.told["access_token"])


@pytest.mark.parametrize(
    "header, body, shares", [("Basic eDp4", b"x" * 4000, True), ("Basic " + "x" * 4000, b"x" * 100, False)]
)
def test_what_takes_long_to_read_is_read_without_the_lock_of_others(app, example_client, header, body, shares):
    server, shared, alone = Application(app), [], []
    server._sharing._threads, server._writers = (
        SimpleNamespace(submit=shared.append),
        SimpleNamespace(submit=alone.append),
    )
    asked = Asked(example_client)
    asked.scope.headers["authorization"] = header

    server._answer(asked.scope, asked.scope.headers, asked, body)

    # Elsewhere than on an embedded database nobody shares.
    assert (len(shared), len(alone)) == ((1, 0) if shares and engines().embedded else (0, 1))


@pytest.mark.parametrize("kind", ["token", "introspect"])
def test_a_form_that_takes_long_to_read_keeps_no_quick_call_waiting(app, example_client, kind):
    server, formed = Application(app), []
    server._forms = SimpleNamespace(submit=lambda job, _place: formed.append(job))
    asked = Asked(example_client)
    asked.scope.path = f"/oauth/{kind}"

    server._answer(asked.scope, asked.scope.headers, asked, b"a=" + b"%41" * 10_000)

    assert (len(formed), asked.answers) == (1, [])


@pytest.mark.standard("C-06")
def test_those_that_wait_are_kept_by_one_commit(ask, works, codes, example_client):
    said = []
    with transactions.write_lock() as writer:
        if writer is not None:
            writer.set_trace_callback(said.append)
    asked = [redeeming(example_client, code) for code in codes]

    assert ask(*asked) == [200] * 5

    assert all(map(works, asked))
    assert said.count("COMMIT") == engines().embedded


@pytest.mark.standard("C-06", "C-07")
def test_a_code_that_comes_twice_at_once_is_redeemed_once_and_ends_its_grant_alone(ask, works, codes, example_client):
    first, second = redeeming(example_client, codes[0]), redeeming(example_client, codes[0])
    other = redeeming(example_client, codes[1])

    assert sorted(ask(first, other, second)) == [200, 200, 400]

    (refused,) = (each for each in (first, second) if each.status == 400)
    assert refused.told["error"] == "invalid_grant"
    assert not works(first if refused is second else second)
    assert works(other)


@pytest.mark.standard("E-05", "E-06")
@pytest.mark.settings(refresh_grace_seconds=10)
def test_a_refresh_that_is_refused_takes_nothing_from_those_beside_it(ask, works, codes, signed_in, example_client):
    spent = dance.tokens(signed_in, example_client)["refresh_token"]
    asked = [Asked(example_client, grant_type="refresh_token", refresh_token=spent) for _ in range(3)]
    beside = [redeeming(example_client, code) for code in codes[:2]]

    statuses = ask(beside[0], *asked, beside[1])

    # Twice within the grace; the third is a replay, which ends all of them.
    assert sorted(statuses) == [200, 200, 200, 200, 400]
    assert all(map(works, beside))
    assert not any(works(each) for each in asked if each.status == 200)


@pytest.mark.standard("C-06")
def test_a_fault_of_one_is_its_own(ask, works, codes, example_client, monkeypatch):
    exchange, unlucky = kept.exchange, kept.find(codes[2]).code_id

    def broken(code, under):
        # What the database refuses when the code is used up already.
        return exchange(code._replace(scope=None) if code.code_id == unlucky else code, under)

    asked = [redeeming(example_client, code) for code in codes]
    with monkeypatch.context() as fault:
        fault.setattr(kept, "exchange", broken)
        assert ask(*asked) == [200, 200, 500, 200, 200]

    again = redeeming(example_client, codes[2])
    assert ask(again) == [200]
    assert all(map(works, [*asked[:2], *asked[3:], again]))


@pytest.mark.skipif(conftest.POSTGRESQL, reason="is about requests that are answered in turn")
def test_refusals_with_more_to_do_are_told_after_those_that_are_kept(ask, codes, example_client):
    refused = [redeeming(example_client, "x" * 43), redeeming(example_client, "y" * 43)]
    kept_ones = [redeeming(example_client, code) for code in codes[:2]]

    assert ask(refused[0], kept_ones[0], refused[1], kept_ones[1]) == [400, 200, 400, 200]

    assert max(each.number for each in kept_ones) < min(each.number for each in refused)


@pytest.fixture
def moved(app, example_client):
    """An app that moved in, of whose secret another system kept what takes long to compare."""
    secret = example_client.client.secrets[0]
    db.add(ForeignClient(name=credentials.digest("moved"), client_id=example_client.client.id))
    db.add(ForeignSecret(secret_id=secret.id, proof="$2y$14$"))
    db.commit()
    credentials.expect_foreign(on=True)
    return SimpleNamespace(client=SimpleNamespace(id="moved"), secret="w" * 40)


@pytest.mark.standard("D-08")
def test_who_has_secrets_of_apps_that_moved_in_hashed_holds_up_no_other_app(app, moved, example_client, monkeypatch):
    app.testing = False
    done, begun, server = threading.Event(), threading.Event(), Application(app)
    monkeypatch.setattr(proofs, "verifier", lambda _: lambda _: begun.set() or not done.wait(30))
    guesses = [Asked(moved, grant_type="client_credentials") for _ in range(ELSEWHERE.writers[0] + 3)]
    for alone in guesses[:-3]:
        # Such a request shares no commit.
        alone.scope.query_string = "alone"
    other = Asked(example_client, grant_type="client_credentials")
    db.remove()
    try:
        for each in guesses:
            server._answer(each.scope, each.scope.headers, each, each.body)
        assert begun.wait(30)
        server._answer(other.scope, other.scope.headers, other, other.body)
        assert other.done.wait(30)
        # Those that are too many are told so at once; of all others nobody knows anything yet.
        assert {each.status for each in guesses if each.answers} <= {429}
    finally:
        done.set()

    assert other.status == 200
    assert all(each.done.wait(30) for each in guesses)
    assert {each.status for each in guesses} <= {401, 429}


def test_a_commit_that_fails_is_done_again_for_each(ask, works, codes, example_client, monkeypatch):
    together = transactions.together

    @contextlib.contextmanager
    def full():
        with together():
            yield
            raise OperationalError("COMMIT", {}, OSError("the disk was full for a moment"))

    monkeypatch.setattr(transactions, "together", full)
    asked = [redeeming(example_client, code) for code in codes]

    assert ask(*asked) == [200] * 5

    assert all(map(works, asked))


@pytest.mark.skipif(conftest.POSTGRESQL, reason="is about the one who writes on SQLite")
def test_who_waited_together_in_vain_does_not_wait_once_more_each(ask, codes, example_client, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.5)
    dispose()
    configure(settings.current().database_url)
    invalid = [redeeming(example_client, f"{number:043}") for number in range(8)]
    asked = [redeeming(example_client, code) for code in codes]
    with contextlib.closing(sqlite3.connect(engines().write.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        statuses = ask(*invalid, *asked)
        taken = time.monotonic() - begun
        other.execute("ROLLBACK")

    assert statuses == [503] * 13
    assert all(each.headers["Retry-After"] for each in (*invalid, *asked))
    # Once for all, and a moment each; not once for each.
    assert taken < 13 * 0.5
    assert ask(*(redeeming(example_client, code) for code in codes)) == [200] * 5


def test_nobody_is_told_of_what_was_not_kept(ask, works, codes, example_client, monkeypatch):
    if engines().embedded:
        with monkeypatch.context() as broken:
            broken.setattr(transactions, "_WHOLE", ("BEGIN IMMEDIATE", "COMMIT nothing", ("ROLLBACK",)))
            assert ask(*(redeeming(example_client, code) for code in codes)) == [503] * 5
    asked = [redeeming(example_client, code) for code in codes]

    assert ask(*asked) == [200] * 5

    assert all(map(works, asked))


@pytest.mark.skipif(conftest.POSTGRESQL, reason="is about a transaction of SQLite")
def test_what_sqlite_rolled_back_by_itself_stays_undone(codes):
    def meet_a_full_disk():
        with transactions.together():
            with transactions.transaction() as connection:
                connection.execute("UPDATE authorization_code SET consumed_at = '2026-01-01 00:00:00.000000'")
            with transactions.write_lock() as connection:
                connection.execute("ROLLBACK")
            with transactions.transaction():
                pytest.fail("it would have been kept alone")

    with pytest.raises(transactions.Spoiled):
        meet_a_full_disk()

    with transactions.write_lock() as connection:
        assert connection.execute("SELECT count(consumed_at) FROM authorization_code").fetchone() == (0,)
