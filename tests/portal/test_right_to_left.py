"""Names from right to left, which are welcome: each is drawn by itself, and turns no sentence of ours round."""

import html
import re

import pytest

from latchkey import texts
from latchkey.clients import Client
from latchkey.store.session import db
from tests import factories, pages
from tests.oauth import dance
from tests.oauth.authorize.test_undecided import ELSEWHERE, described
from tests.oauth.conftest import enter
from tests.portal.test_welcome_back import let_act
from web import filters

PERSON, APP = "דנה לוי", "مفتاح"
# How a name stands apart: in a page, and where there is text alone.
MARKUP, TEXT = "<bdi>{}</bdi>", "\u2068{}\u2069"
pytestmark = pytest.mark.standard("J-04")


@pytest.fixture
def dana(db):
    return factories.make_user("dana@example.com", name=PERSON)


@pytest.fixture
def app_of_hers(dana):
    return factories.make_client(dana, name=APP, homepage="https://123.example")


def stands_apart(page: str, name: str) -> None:
    """Wherever the name stands beside other words, it stands apart from them."""
    read = html.unescape(page)
    for before, after in re.findall(rf"(.{{0,6}}){name}(.{{0,6}})", read):
        alone = re.search(r'[>"]$', before) and re.match(r'[<"]', after)
        assert alone or (before.endswith("\u2068") and after.startswith("\u2069")), f"{before}{name}{after}"
    assert name in read


@pytest.mark.parametrize("name", [PERSON, APP, "Ada 𐤀", "Ada ﷽", "Ada ﺕ", "Ada 𞤀", "1 ܐ"])
def test_a_name_with_such_letters_stands_apart(name):
    assert texts.apart(name) == TEXT.format(name)
    assert filters.apart(name) == MARKUP.format(name)


@pytest.mark.parametrize("name", ["Ada", "Zoë Ōta", "小林", "Ада", "आदा", "Ada 😀", "12 (a)", ""])
def test_any_other_is_left_as_it_is(name):
    assert texts.apart(name) == filters.apart(name) == name


def test_what_is_markup_in_such_a_name_stays_text():
    assert filters.apart(f"<b>{APP}") == MARKUP.format(f"&lt;b&gt;{APP}")


def test_whoever_is_asked_reads_who_asks_and_of_where(app, signed_in, app_of_hers):
    nobody = app.test_client()
    sign_in = nobody.get(dance.authorize(nobody, app_of_hers).location)
    asked = dance.authorize(signed_in, app_of_hers, scope="account:read")

    assert f"Sign in to continue to {MARKUP.format(APP)}" in sign_in.text
    assert f"{MARKUP.format(APP)} never sees your password" in sign_in.text
    assert f"{MARKUP.format(APP)} wants to use your" in asked.text
    assert f'By <b>{MARKUP.format(PERSON)}</b>, <a href="https://123.example"' in asked.text
    stands_apart(asked.text, APP)


def test_whoever_is_led_nowhere_reads_whom_by(signed_in):
    stranger = described(db, ELSEWHERE, name=APP)

    stopped = dance.authorize(signed_in, stranger, redirect_uri=ELSEWHERE, scope="bogus")

    assert f"An app that calls itself <b>{MARKUP.format(APP)}</b>" in stopped.text
    stands_apart(stopped.text, APP)


def test_its_owner_reads_with_what_they_run_the_flow(app, dana, app_of_hers):
    page = enter(app.test_client(), dana).get(f"/apps/{app_of_hers.client.id}/run").text

    assert f"The code flow with {MARKUP.format(APP)}’s real settings" in page
    assert f"Run the flow: {TEXT.format(APP)}" in page


def test_whoever_let_it_act_reads_what_it_is(signed_in, alice, app_of_hers, clock):
    given = let_act(alice, app_of_hers.client, clock.now())
    listed = signed_in.get("/authorized-apps").text
    asked = signed_in.get(f"/authorized-apps/{given.id}/revoke")
    stands_apart(listed, APP)
    stands_apart(asked.text, APP)

    signed_in.post(f"/authorized-apps/{given.id}/revoke", data={"csrf_token": pages.csrf(asked)})

    assert f"{TEXT.format(APP)} can no longer act for you." in signed_in.get("/authorized-apps").text
    stands_apart(signed_in.get("/activity").text, APP)


@pytest.mark.settings(require_second_factor="nobody")
def test_administrators_read_whom_they_act_on(app, dana, app_of_hers):
    ada = enter(app.test_client(), factories.make_user("ada@example.com", name="Ada", admin=True))
    for path in ("users", f"users/{dana.id}", "apps", f"apps/{app_of_hers.client.id}"):
        stands_apart(ada.get(f"/admin/{path}").text, PERSON)
    path = f"/admin/users/{dana.id}/suspend"
    stands_apart(ada.get(path).text, PERSON)

    done = pages.submit(ada, path, reason=f"{APP} leaked")

    assert f"Suspended {TEXT.format(PERSON)}." in ada.get(done.location).text
    assert db.get_one(Client, app_of_hers.client.id, populate_existing=True).suspended_at is not None
