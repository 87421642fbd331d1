"""Calls that are read for together: each has its own answer, by what the database holds after it came."""

import base64
import contextlib
import json
import threading
from collections import Counter
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from latchkey import credentials, tokens
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import suspension
from latchkey.credentials import Kind
from latchkey.store.drivers import foresight, readers
from latchkey.store.drivers.foresight import Wanted
from latchkey.store.drivers.readers import Readers
from latchkey.store.session import db, engines
from latchkey.tokens import Token
from tests import factories
from web.server import reading
from web.server.reading import Reading
from web.server.rsgi import Application
from web.server.threads import Threads

SECONDS = 30
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """However slow the machine is, what was read is not too old."""
    monkeypatch.setattr(reading, "FRESH_SECONDS", 3600.0)


class Call(NamedTuple):
    environ: dict[str, str]

    @property
    def name(self):
        return self.environ["name"]


def call(name, path="/read"):
    return Call({"PATH_INFO": path, "name": name})


class Statement:
    """One that finds the name that it is given."""

    def __init__(self):
        self.asked = []

    def read(self, wanted):
        self.asked.append([each.facts["name"] for each in wanted])
        return [[each.facts["name"]] for each in wanted]


@pytest.fixture
def statement(monkeypatch):
    statement = Statement()
    monkeypatch.setattr(foresight, "read", statement.read)
    return statement


@pytest.fixture
def place(statement):
    """Where calls are read for, once `go` is called; what each found is among the `answers`."""
    alone, jobs, answers, done = [], [], [], threading.Semaphore(0)

    def answer(asked):
        handed = foresight.current.get()
        answers.append((asked.name, handed.take(statement, {"name": asked.name, "now": 1}) if handed else None))
        done.release()

    def foresee(environ):
        return Wanted(statement, {"name": environ["name"]}, {}) if environ["name"] else None

    foresights = {"/read": foresee}
    threads, others = SimpleNamespace(submit=jobs.append), SimpleNamespace(submit=alone.append)
    place = Reading(threads, others, foresights, answer)

    def go():
        while jobs:
            jobs.pop(0)()

    return SimpleNamespace(reading=place, jobs=jobs, alone=alone, answers=answers, go=go, done=done)


def test_those_that_wait_are_asked_for_at_once_and_each_has_its_own(place, statement):
    for name in "abc":
        place.reading.submit(call(name), short=True)
    place.go()
    place.reading.submit(call("d"), short=True)
    place.go()

    assert statement.asked == [["a", "b", "c"], ["d"]]
    assert place.answers == [(name, [name]) for name in "abcd"]
    assert foresight.current.get() is None


def test_however_many_wait_they_are_all_answered_and_no_job_is_left(place, statement, monkeypatch):
    monkeypatch.setattr(reading, "MOST", 4)
    for number in range(10):
        place.reading.submit(call(str(number)), short=True)
    assert len(place.jobs) == 1
    place.go()

    assert [len(asked) for asked in statement.asked] == [4, 4, 2]
    assert [name for name, _ in place.answers] == [str(number) for number in range(10)]


def test_what_nobody_can_tell_beforehand_is_left_alone(place, statement):
    place.reading.submit(call("long"), short=False)
    place.reading.submit(call("elsewhere", "/other"), short=True)
    place.reading.submit(call("a"), short=True)
    place.reading.submit(call(""), short=True)
    place.go()

    assert (statement.asked, place.answers) == ([["a"]], [("a", ["a"])])
    for job in place.alone:
        job()
    assert place.answers[1:] == [("long", None), ("elsewhere", None), ("", None)]


@pytest.mark.parametrize("fails", [lambda _wanted: [], lambda _wanted: {}["fault"]])
def test_where_reading_ahead_comes_to_nothing_each_asks_for_itself(place, monkeypatch, fails):
    monkeypatch.setattr(foresight, "read", fails)
    place.reading.submit(call("a"), short=True)
    place.reading.submit(call("b"), short=True)
    try:
        place.go()
    except KeyError:
        place.go()

    assert not place.answers
    for job in place.alone:
        job()
    assert place.answers == [("a", None), ("b", None)]


def test_nobody_tries_again_at_once_where_it_came_to_nothing(place, statement, monkeypatch):
    monkeypatch.setattr(reading, "PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr(foresight, "read", lambda _wanted: [])
    place.reading.submit(call("a"), short=True)
    place.go()
    place.reading.submit(call("b"), short=True)

    assert (place.jobs, len(place.alone)) == ([], 2)


@pytest.fixture
def moves(monkeypatch):
    """Moves the time that is looked at while calls are read for."""
    now = [1000.0]
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(reading, "FRESH_SECONDS", 0.25)

    def move(seconds):
        now[0] += seconds

    return move


def test_what_was_read_too_long_ago_is_read_anew(place, moves):
    """A call that another one held up must not be told what ended meanwhile."""
    answer = place.reading._answer
    place.reading._answer = lambda asked: (answer(asked), moves(0.2))
    for name in "abc":
        place.reading.submit(call(name), short=True)
    place.go()

    assert place.answers == [("a", ["a"]), ("b", ["b"])]
    place.alone[0]()
    assert place.answers[2:] == [("c", None)]


def test_what_took_long_to_read_is_read_anew_and_for_a_second_each_asks_for_itself(place, moves, monkeypatch):
    """Else each row would be read twice while a database is slow, and the first time for nothing."""
    read = foresight.read
    monkeypatch.setattr(foresight, "read", lambda wanted: (moves(0.3), read(wanted))[1])
    for name in "ab":
        place.reading.submit(call(name), short=True)
    place.go()
    moves(0.9)
    place.reading.submit(call("c"), short=True)

    assert (place.answers, place.jobs, len(place.alone)) == ([], [], 3)
    moves(0.2)
    place.reading.submit(call("d"), short=True)
    assert (len(place.jobs), len(place.alone)) == (1, 3)
    for job in place.alone:
        job()
    assert place.answers == [(name, None) for name in "abc"]


def test_a_fault_of_one_is_nobody_elses(place, caplog):
    place.reading._answer = lambda asked: place.answers.append(asked.name) if asked.name != "b" else {}["fault"]
    for name in "abc":
        place.reading.submit(call(name), short=True)
    place.go()

    assert place.answers == ["a", "c"]
    assert "a request ended without an answer: KeyError" in caplog.text
    assert foresight.current.get() is None


def test_where_one_stands_still_the_others_are_answered_all_the_same(statement):
    """Also when nobody comes after them."""
    held, answered = threading.Event(), threading.Semaphore(0)

    def answer(asked):
        if asked.name == "held":
            held.wait(SECONDS)
        answered.release()

    foresights = {"/read": lambda environ: Wanted(statement, {"name": environ["name"]}, {})}
    together, alone = Threads("together", 2, 1), Threads("alone", 1)
    place = Reading(together, alone, foresights, answer)
    gate = threading.Event()
    together.submit(lambda: gate.wait(SECONDS))
    for name in ("held", "a", "b"):
        place.submit(call(name), short=True)
    gate.set()

    try:
        assert all(answered.acquire(timeout=SECONDS) for _ in range(2))
    finally:
        held.set()
    assert answered.acquire(timeout=SECONDS)


class Asked:
    """A call by HTTP, as the server hands it over, and how it was answered."""

    def __init__(self, path, authorization, **form):
        self.body = urlencode(form).encode()
        headers = {"authorization": authorization, "content-type": "application/x-www-form-urlencoded"}
        self.scope = SimpleNamespace(
            http_version="1.1", server="127.0.0.1:5000", client="127.0.0.1:40000", scheme="http",
            method="POST" if form else "GET", path=path, query_string="", authority="127.0.0.1",
            headers=headers | {"content-length": str(len(self.body))},
        )  # fmt: skip
        self.answers, self.done = [], threading.Event()

    def response_bytes(self, status, headers, body):
        self.answers.append((status, dict(headers), body))
        self.done.set()

    @property
    def told(self):
        ((status, headers, body),) = self.answers
        if self.scope.path == "/oauth/check":
            return status, headers.get("X-Auth-Token-Id")
        told = json.loads(body)
        return status, told.get("id") or (told.get("sub") if told.get("active") else None)


@pytest.fixture
def people():
    """Some, with a token each."""
    found = [factories.make_user(f"person{number}@example.com") for number in range(8)]
    made = [factories.make_token(each) for each in found]
    db.commit()
    return [SimpleNamespace(id=user.id, token=each) for user, each in zip(found, made, strict=True)]


@pytest.fixture
def basic(example_client):
    pair = f"{example_client.client.id}:{example_client.secret}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.fixture
def ways(monkeypatch):
    """How many were read for at once, each time."""
    counted, fetch, fetch_each = Counter(), Readers.fetch, Readers.fetch_each

    def counting(self, asked):
        counted[len(asked)] += 1
        return fetch_each(self, asked)

    def one(self, *given, **named):
        counted["alone"] += 1
        return fetch(self, *given, **named)

    monkeypatch.setattr(Readers, "fetch", one)
    monkeypatch.setattr(Readers, "fetch_each", counting)
    return counted


@pytest.fixture
def ask(app):
    """Has calls answered that all wait when the first is begun."""
    server, jobs = Application(app), []
    server._reading_ahead._threads = SimpleNamespace(submit=jobs.append)

    def act(*asked):
        db.remove()
        for each in asked:
            server._answer(each.scope, each.scope.headers, each, each.body)
        while jobs:
            jobs.pop(0)()
        assert all(each.done.wait(SECONDS) for each in asked)
        return [each.told for each in asked]

    act.server = server
    return act


def every(people, basic):
    """A call of each kind by each of them."""
    bearers = [(each, f"Bearer {each.token.plaintext}") for each in people]
    asked = [(Asked("/v1/me", bearer), each.id) for each, bearer in bearers]
    asked += [(Asked("/oauth/check", bearer), each.token.token.id) for each, bearer in bearers]
    asked += [(Asked("/oauth/introspect", basic, token=each.token.plaintext), each.id) for each in people]
    return asked


def test_each_is_answered_with_what_is_known_of_its_own_token(ask, people, basic, ways):
    asked = every(people, basic)

    assert ask(*(each for each, _ in asked)) == [(200, told) for _, told in asked]
    # An embedded database is asked by each, where requests arrive.
    assert ways == ({"alone": 24} if engines().embedded else {24: 1})


def test_what_ended_before_a_call_came_is_refused_to_it_and_not_to_those_beside_it(ask, people, basic):
    told = ask(*(Asked("/v1/me", f"Bearer {each.token.plaintext}") for each in people))
    assert [status for status, _ in told] == [200] * 8
    tokens.revoke(db.get_one(Token, people[0].token.token.id))
    users.disable(db.get_one(User, people[1].id))
    db.commit()
    nobody = credentials.generate(Kind.DEVELOPER)

    for path in ("/v1/me", "/oauth/check"):
        bearers = [nobody, *(each.token.plaintext for each in people)]
        told = ask(*(Asked(path, f"Bearer {each}") for each in bearers))
        assert [status for status, _ in told] == [401] * 3 + [200] * 6
    told = ask(*(Asked("/oauth/introspect", basic, token=each.token.plaintext) for each in people))
    assert told == [(200, None)] * 2 + [(200, each.id) for each in people[2:]]


def test_an_app_that_proves_nothing_is_refused_beside_one_that_does(ask, people, basic, example_client):
    token, wrong = people[0].token.plaintext, base64.b64encode(f"{example_client.client.id}:lk_sec_x".encode())
    asked = [
        Asked("/oauth/introspect", basic, token=token),
        Asked("/oauth/introspect", f"Basic {wrong.decode()}", token=token),
    ]

    assert [status for status, _ in ask(*asked)] == [200, 401]
    suspension.suspend(example_client.client)
    db.commit()
    asked = [Asked("/oauth/introspect", basic, token=token), Asked("/oauth/introspect", basic, token=token)]
    assert [status for status, _ in ask(*asked)] == [401, 401]


def test_a_database_that_ended_its_connections_is_asked_anew(ask, people, basic):
    ask(*(each for each, _ in every(people, basic)))
    if not engines().embedded:
        with engines().write.connect() as connection:
            connection.execute(text(f"SELECT pg_terminate_backend(pid, 20000) {OTHERS}"))
    asked = every(people, basic)

    assert ask(*(each for each, _ in asked)) == [(200, told) for _, told in asked]


@contextlib.contextmanager
def timing_out():
    """Nobody reads the secrets of apps: what waits for them is ended, by the fault that a time limit ends it by."""
    if engines().embedded:
        yield
        return
    over = threading.Event()

    def end():
        with engines().write.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not over.wait(0.01):
                connection.execute(text(f"SELECT pg_cancel_backend(pid) {OTHERS} AND wait_event_type = 'Lock'"))

    ending = threading.Thread(target=end)
    with engines().write.begin() as connection:
        connection.execute(text("LOCK TABLE client_secret IN ACCESS EXCLUSIVE MODE"))
        ending.start()
        try:
            yield
        finally:
            over.set()
            ending.join()


@pytest.fixture
def lent(monkeypatch):
    """The connections that were opened to read by, and not closed since."""
    opened, detached, close = [], readers.detached, readers.close

    def begin(engine):
        connection = detached(engine)
        opened.append(connection)
        return connection

    def end(engine, connection):
        if connection in opened:
            opened.remove(connection)
        close(engine, connection)

    monkeypatch.setattr(readers, "detached", begin)
    monkeypatch.setattr(readers, "close", end)
    return opened


@pytest.mark.standard("A-06")
def test_what_is_ended_in_the_midst_is_asked_by_each_and_no_connection_is_left_behind(ask, people, basic, ways, lent):
    asked = every(people, basic)
    ask(*(each for each, _ in asked))

    for _ in range(3):
        with timing_out():
            told = ask(*(each for each, _ in every(people[:2], basic)))
        read = [(200, each) for each in (people[0].id, people[1].id)]
        checked = [(200, each.token.token.id) for each in people[:2]]
        assert told == [*read, *checked, *(read if engines().embedded else [(503, None)] * 2)]
        # As if the pause were over that follows it.
        ask.server._reading_ahead._not_before = 0.0

    if not engines().embedded:
        assert ways[6] == 3, "each time they were read for together, and that came to nothing"
    idle = [cursor.connection for cursor in engines()._readers._idle]
    assert all(any(each is kept for kept in idle) for each in lent), "it is closed or kept for the next"
    asked = every(people, basic)
    assert ask(*(each for each, _ in asked)) == [(200, told) for _, told in asked]


def test_many_that_come_at_once_are_each_answered_once(app, people, basic):
    """With the threads of a server."""
    server = Application(app)
    db.remove()
    asked = [pair for _ in range(20) for pair in every(people, basic)]
    meet = threading.Barrier(4, timeout=SECONDS)

    def come(first):
        meet.wait()
        for each, _ in asked[first::4]:
            server._answer(each.scope, each.scope.headers, each, each.body)
            each.done.wait(0.001)

    coming = [threading.Thread(target=come, args=(first,)) for first in range(4)]
    for thread in coming:
        thread.start()
    for thread in coming:
        thread.join()

    assert all(each.done.wait(SECONDS) for each, _ in asked)
    assert [each.told for each, _ in asked] == [(200, told) for _, told in asked]
