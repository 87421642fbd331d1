"""Who may introspect, and how much: marked apps everything, others as the operator wants (F-06)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from latchkey import clients
from latchkey.store.session import db
from tests import factories
from tests.oauth import dance

FEW = pytest.mark.settings(quota_introspection="3/second")


@pytest.fixture
def live(alice):
    return factories.make_token(alice).plaintext


def ask(caller, registered, token, **headers):
    return dance.post(caller, "/oauth/introspect", registered, token=token, **headers)


def mark(registered, on=True):
    clients.mark_resource_server(clients.find(registered.client.id), on=on)
    db.commit()


@pytest.mark.standard("F-06")
@pytest.mark.settings(introspection="marked")
def test_only_marked_apps_are_told_of_tokens_where_the_operator_wants_it(caller, signed_in, example_client, live):
    # Of its own tokens too: whoever may not introspect may not introspect.
    own = dance.tokens(signed_in, example_client)["access_token"]
    before = [ask(caller, example_client, token).json for token in (live, own)]
    mark(example_client)
    marked = [ask(caller, example_client, token).json["active"] for token in (live, own)]
    mark(example_client, on=False)

    assert before == [{"active": False}] * 2
    assert marked == [True, True]
    assert ask(caller, example_client, live).json == {"active": False}


@pytest.mark.standard("F-06")
@pytest.mark.settings(introspection="marked")
def test_the_whole_way_decides_as_the_short_one_does(caller, example_client, live):
    # A request from a page of another origin goes the whole way.
    credentials = dance.basic(example_client.client.id, example_client.secret)
    cross = {"headers": credentials | {"Origin": "https://app.example.com"}}
    short, whole = ask(caller, example_client, live), ask(caller, example_client, live, **cross)
    mark(example_client)

    assert short.json == whole.json == {"active": False}
    assert ask(caller, example_client, live, **cross).json["active"] is True


@FEW
@pytest.mark.standard("F-06")
@pytest.mark.parametrize("token", ["x", "lk_dev_000000000000000000000000000000000000"])
def test_an_unmarked_app_hears_of_few_inactive_tokens_a_second(caller, example_client, live, clock, token):
    answers = [ask(caller, example_client, token) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert answers[-1].json["error"] == "temporarily_unavailable"
    assert answers[-1].headers["Retry-After"] == "1"
    assert answers[-1].headers["Cache-Control"] == "no-store"
    # Live ones are told without limit, and other apps are not slowed.
    assert ask(caller, example_client, live).json["active"] is True
    clock.move(seconds=1)
    assert ask(caller, example_client, token).json == {"active": False}


@FEW
def test_other_apps_are_not_slowed_by_one(caller, bob, example_client, clock):
    other = factories.make_client(bob, name="Other")
    for _ in range(5):
        ask(caller, example_client, "x")

    assert ask(caller, other, "x").json == {"active": False}


@FEW
def test_a_marked_app_hears_of_as_many_as_it_asks_for(caller, example_client, clock):
    mark(example_client)

    assert {ask(caller, example_client, "x").status_code for _ in range(10)} == {200}


@FEW
@pytest.mark.standard("F-06")
@pytest.mark.settings(introspection="marked")
def test_guessing_is_slowed_where_nothing_is_told_either(caller, example_client, live, clock):
    assert [ask(caller, example_client, live).status_code for _ in range(5)] == [200] * 3 + [429] * 2


@FEW
def test_many_at_once_hear_of_no_more(app, example_client, clock):
    barrier = threading.Barrier(16)

    def run(_):
        caller = app.test_client(use_cookies=False)
        barrier.wait()
        return ask(caller, example_client, "x").status_code

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(run, range(16))) == [200] * 3 + [429] * 13


def test_a_public_app_is_no_resource_server(bob):
    public = factories.make_client(bob, confidential=False).client

    with pytest.raises(clients.BadClient):
        clients.mark_resource_server(public, on=True)


@pytest.mark.standard("F-06")
def test_its_owner_cannot_give_an_app_the_mark(app, bob, example_client):
    from tests.api.calls import caller

    his = caller(app.test_client(), bob)

    his.patch(f"/v1/apps/{example_client.client.id}", {"resource_server": True})

    db.expire_all()
    assert clients.find(example_client.client.id).resource_server is False
