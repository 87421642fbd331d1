"""Where requests arrive, what reads an embedded database is answered, as long as that is quick."""

import threading
from types import SimpleNamespace

import pytest

from latchkey.store.session import engines
from web.server import rsgi
from web.server.rsgi import Application


class Asked:
    """A call that reads, as the server hands it over, and the thread that answered it."""

    scope = SimpleNamespace(
        http_version="1.1", server="127.0.0.1:5000", client="127.0.0.1:40000", scheme="http", method="GET",
        path="/v1/me", query_string="", authority="127.0.0.1", headers={"authorization": "Bearer nobody"},
    )  # fmt: skip

    def __init__(self, **other: object) -> None:
        self.scope = SimpleNamespace(**vars(self.scope) | other)
        self.done = threading.Event()

    def response_bytes(self, _status, _headers, _body):
        self.thread = threading.current_thread().name
        self.done.set()


@pytest.fixture
def answers(app):
    server = Application(app)

    def answer(**other: object) -> str:
        asked = Asked(**other)
        server.dispatch(asked.scope, asked)
        assert asked.done.wait(30)
        return asked.thread

    return answer


def test_while_reading_takes_long_nobody_else_waits_for_it(answers, monkeypatch):
    here = threading.current_thread().name if engines().embedded else "reader"
    monkeypatch.setattr(rsgi, "LONG_SECONDS", -1.0)
    monkeypatch.setattr(rsgi, "WARY_SECONDS", 3600.0)

    assert answers().startswith(here)
    assert answers().startswith("reader")


def test_afterwards_it_is_answered_where_it_arrives_again(answers, monkeypatch):
    here = threading.current_thread().name if engines().embedded else "reader"
    monkeypatch.setattr(rsgi, "LONG_SECONDS", -1.0)
    monkeypatch.setattr(rsgi, "WARY_SECONDS", -3600.0)

    assert answers().startswith(here)
    assert answers().startswith(here)


def test_whoever_reads_slowly_in_a_thread_keeps_the_others_there(app, monkeypatch):
    """Nobody needs to find out once a second, for as long as it takes, where all requests arrive."""
    server, handed = Application(app), []
    monkeypatch.setattr(server._reading_ahead, "submit", lambda asked, **_: handed.append(server._read(asked)))
    # Between two looks at the clock a second goes by.
    monkeypatch.setattr(rsgi, "time", SimpleNamespace(monotonic=iter(range(1, 100)).__next__))

    for _ in range(5):
        server.dispatch(Asked.scope, Asked())

    assert len(handed) == (4 if engines().embedded else 5)


@pytest.mark.standard("A-06")
@pytest.mark.parametrize(
    "other", [{"path": "/oauth/check", "query_string": "a&" * 2100}, {"headers": {"authorization": "Basic " * 700}}]
)
def test_what_is_long_to_read_is_not_read_where_all_requests_arrive(answers, other):
    """A stranger's query of eight thousand fields takes four milliseconds, in which nobody else was answered."""
    assert answers(**other).startswith("reader")


class _Counting(SimpleNamespace):
    """A head that tells how often its headers were copied."""

    copies = 0

    @property
    def headers(self):
        self.copies += 1
        return {"authorization": "Bearer nobody"}


def test_headers_are_copied_once(app):
    given = {name: value for name, value in vars(Asked.scope).items() if name != "headers"}
    scope, asked = _Counting(**given), Asked()

    Application(app).dispatch(scope, asked)

    assert asked.done.wait(30)
    assert scope.copies == 1
