"""Whoever asks for a credential is deleted, or suspended for a moment, right before any statement of that request.

On SQLite who writes is alone, and what comes before the first statement that does is tested where it stands.
"""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from werkzeug.test import TestResponse

from latchkey.accounts import users
from latchkey.credentials import spotted
from latchkey.safety import lockdown
from latchkey.store import conflicts
from latchkey.store.drivers.direct import Direct
from latchkey.store.session import commit_parts, db
from tests import connections, crowd, factories, pages
from tests.api.calls import caller
from tests.oauth import dance
from tests.oauth.conftest import enter

pytestmark = [
    pytest.mark.slow("sends each request once a statement"),
    pytest.mark.skipif(not connections.POSTGRESQL, reason="is about who writes beside others"),
]


class Between:
    """The statements of this thread, and what somebody else begins before one of them.

    It is waited for until it is done, or waits itself for what the request holds.
    """

    def __init__(self) -> None:
        self._here, self._act, self._left = threading.get_ident(), None, 0
        self._other: threading.Thread | None = None
        self.faults: list[BaseException] = []

    def arrange(self, act: Callable[[], object], after: int) -> None:
        self._act, self._left, self._other = act, after, None

    def tick(self) -> None:
        if threading.get_ident() != self._here or self._act is None:
            return
        if self._left:
            self._left -= 1
            return
        act, self._act = self._act, None
        self._other = threading.Thread(target=self._carry_out, args=(act,))
        self._other.start()
        crowd.until_somebody_waits_for_a_row(lambda: not self._other.is_alive())

    def _carry_out(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as fault:  # noqa: BLE001 - the test's to tell
            self.faults.append(fault)
        finally:
            db.remove()

    def happened(self) -> bool:
        """Whether the request was long enough; what was begun is done then."""
        if self._other is None:
            return False
        self._other.join()
        return True


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Iterator[Between]:
    """Hears of each statement of the drivers, and of each commit."""
    told = Between()
    for kind, name in ((psycopg.Cursor, "execute"), (Direct, "execute"), (psycopg.Connection, "commit")):
        run = getattr(kind, name)

        def ticking(*given, run=run, **named):
            told.tick()
            return run(*given, **named)

        monkeypatch.setattr(kind, name, ticking)
    return told


def form(app, carol) -> Callable[[], TestResponse]:
    browser = enter(app.test_client(), carol)
    page = browser.get("/tokens/new")
    fields = {"csrf_token": pages.csrf(page), "form_id": pages.hidden(page, "form_id"), "expires": "30"}
    return lambda: browser.post("/tokens/new", data=fields | {"description": "Made", "scope": "account:read"})


def by_api(app, carol) -> Callable[[], TestResponse]:
    program = caller(app.test_client(use_cookies=False), carol, "tokens:write", "account:read")
    return lambda: program.post("/v1/tokens", {"description": "Made", "scopes": ["account:read"]})


def regenerated(app, carol) -> Callable[[], TestResponse]:
    program = caller(app.test_client(use_cookies=False), carol, "tokens:write")
    return lambda: program.post(f"/v1/tokens/{program.token_id}/regenerate", {"keep_old_seconds": 3600})


def agreed(app, carol) -> Callable[[], TestResponse]:
    registered = factories.make_client(users.find_by_email("bob@example.com"))
    browser = enter(app.test_client(), carol)
    page = dance.authorize(browser, registered)

    def agree_and_redeem() -> TestResponse:
        answer = dance.decide(browser, page)
        if "code=" not in answer.headers.get("Location", ""):
            return answer
        return dance.redeem(app.test_client(use_cookies=False), registered, dance.back(answer).parameters["code"])

    return agree_and_redeem


def delete(carol_id: str) -> None:
    conflicts.again(lambda: commit_parts(lockdown.delete(users.find(carol_id))))


def suspend(carol_id: str) -> None:
    """For a moment: what acted for them before does not come back."""
    conflicts.again(lambda: (lockdown.suspend(users.find(carol_id)), db.commit()))
    conflicts.again(lambda: (lockdown.restore(users.find(carol_id)), db.commit()))


@pytest.mark.standard("A-06", "I-08")
@pytest.mark.parametrize(
    "ask, act", [(form, delete), (form, suspend), (by_api, suspend), (regenerated, suspend), (agreed, delete)]
)
def test_nothing_that_was_handed_out_works_afterwards(app, bob, between, ask, act):
    # What the first of all connections asks of the server is not the request's.
    ask(app, factories.make_user("warm@example.com"))()
    for number in range(100):
        carol = factories.make_user(f"carol{number}@example.com")
        carol_id, send = carol.id, ask(app, carol)
        db.rollback()

        def end(carol_id=carol_id):
            with app.app_context():
                act(carol_id)

        between.arrange(end, after=number)
        answer = send()
        if not between.happened():
            break

        assert answer.status_code < 500, (number, answer.text[:300])
        assert between.faults == [], number
        for credential in spotted(answer.text):
            assert not dance.works(app.test_client(use_cookies=False), credential), number
    assert number > 5
