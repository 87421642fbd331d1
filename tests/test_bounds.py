"""No request of a stranger, however it is made, keeps the processor busy (A-07)."""

import sys

import pytest

from benchmarks import hostile
from portal.guides import search
from tests import factories, pages, processor

pytestmark = pytest.mark.standard("A-07")

# The goal is 20; a machine that runs other tests beside this one is slow.
MILLISECONDS = 100
# So that several workers have a part of it, and none is last with all.
SHARES = 4
# Of routes that send a stranger away alike, so many try all attacks together.
ALIKE = 5


@pytest.fixture
def unwatched():
    """Without what looks at each line for coverage: it would be measured, too."""
    watcher = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(watcher)


@pytest.mark.either_database("measures what is done before a statement, and takes long")
@pytest.mark.slow("sends what takes long where it is not bounded")
@pytest.mark.timeout(600)
@pytest.mark.settings(quota_apps=200)
@pytest.mark.parametrize("share", range(SHARES))
def test_no_request_of_a_stranger_is_dear(app, bob, unwatched, share):
    for number in range(100):
        made = factories.make_client(bob, confidential=False, redirect_uris=[f"https://spa{number}.example/cb"])

    found = hostile.costs(app, made.client.id, MILLISECONDS / 2, share, SHARES, alike=ALIKE)

    assert [cost for cost in found if cost.milliseconds > MILLISECONDS] == []
    assert [cost for cost in found if cost.status >= 500] == []
    # The attacks reach what they are meant for.
    forms = {422} if "POST /login" in {cost.route for cost in found} else set()
    assert {404, 413, 414, 431} | forms <= {cost.status for cost in found}


def test_a_password_is_judged_once_a_sign_up(client, monkeypatch):
    judged = []
    monkeypatch.setattr("zxcvbn.zxcvbn", lambda *_, **__: judged.append(1) or {"guesses": 1e9})

    pages.submit(client, "/signup", name="Ada", email="ada@example.com", password=factories.PASSWORD)

    assert len(judged) == 1


@pytest.mark.parametrize("path", ["/login", "/signup", "/forgot-password", "/verify-email"])
def test_an_address_of_combining_marks_is_refused_at_once(client, path):
    """40 KiB of it took 3 seconds and held the whole process; normalising it once takes half a second."""
    marks = "a" + "\u0301" * 10_000 + "\u0316" * 10_000
    token = pages.csrf(client.get(path))
    forms = [
        # As bytes, which are half as many as escaped.
        f"csrf_token={token}&email={text}&name={text[:20]}&password={'x' * 20}".encode()
        for text in (marks, "a@" * 30_000, "1" * 60_000)
    ]

    def send() -> None:
        for form in forms:
            assert client.post(path, data=form, content_type="application/x-www-form-urlencoded").status_code == 422

    processor.takes_less(0.3, send)


def test_the_guides_are_searched_without_being_rendered_again(client, signed_in, monkeypatch):
    client.get("/docs/search?q=token")
    monkeypatch.setattr(search, "sections", lambda _pages: pytest.fail("rendered again"))

    for browser in (client, signed_in):
        assert "PKCE" in browser.get("/docs/search?q=pkce").text


def test_nothing_of_whoever_searched_first_is_found_by_others(app, signed_in):
    assert "alice@example.com" not in signed_in.get("/docs/search?q=ada@example.com").text
    assert "No section" in app.test_client().get("/docs/search?q=alice@example.com").text
