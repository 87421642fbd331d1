"""A key that an app took out of the set at its address opens nothing past the set's time, whoever sees to it that the
address is not asked."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from latchkey import clients
from latchkey.clients import asking
from latchkey.clients.keys import changing, proving
from latchkey.store.session import db as records
from latchkey.values import Limit
from tests import factories
from tests.oauth import signing
from tests.oauth.protocol.test_keys import send, taken
from tests.oauth.signing import Pair

pytestmark = pytest.mark.standard("D-15", "J-09")
ONE = (Limit(1, timedelta(minutes=1)),)


@pytest.fixture
def stolen():
    return Pair()


@pytest.fixture
def url(host):
    return f"http://127.0.0.1:{host.port}/keys.json"


@pytest.fixture
def name(alice, host, url, stolen):
    """An app whose set held a key that was stolen, and holds another one now."""
    host.document = json.loads(signing.key_set(stolen))
    registered = factories.make_client(alice)
    wanted = changing.at(url, alice.id)
    changing.give(clients.lock(registered.client.id), wanted, by=None)
    records.commit()
    host.asked.clear()
    host.document = json.loads(signing.key_set(Pair(kid="new")))
    return registered.client.id


def test_it_opens_nothing_beside_another_request_that_has_its_address_asked(
    app, host, name, *, stolen, clock, monkeypatch
):
    monkeypatch.setattr(proving, "YOUNG_SECONDS", 60.0)
    clock.move(hours=2)

    def act(_):
        return send(app.test_client(use_cookies=False), stolen.proof(name)).status_code

    with ThreadPoolExecutor(2) as pool, host.silent() as asked:
        first = pool.submit(act, 1)
        assert asked()
        looked, real = threading.Event(), proving._same.one

        def look(**facts):
            looked.set()
            return real(**facts)

        monkeypatch.setattr(proving._same, "one", look)
        second = pool.submit(act, 2)
        assert looked.wait(60)
        host._go.set()
        assert (first.result(60), second.result(60)) == (401, 401)
    assert len(host.asked) == 1


def test_it_opens_nothing_while_strangers_have_other_addresses_of_its_host_asked(
    caller, host, url, *, name, stolen, clock, monkeypatch
):
    monkeypatch.setattr(asking, "OF_HOST", ONE)
    clock.move(hours=2)
    changing.at(url + "?1", "usr_mallory")
    with pytest.raises(clients.BadClient, match="too many addresses were asked for"):
        changing.at(url + "?2", "usr_mallory")

    with taken(asking.Sort.KEYS):
        assert send(caller, stolen.proof(name)).status_code == 401


@pytest.mark.parametrize("how", ["places", "budget"])
def test_where_its_address_cannot_be_asked_it_opens_nothing_past_an_hour_and_a_key_that_is_there_waits_a_moment(
    caller, host, *, name, stolen, clock, monkeypatch, how
):
    """Unless its host was asked, and is away."""
    monkeypatch.setattr(asking, "IN_ALL", ONE)

    def crowded():
        if how == "budget":
            asking.ask(f"http://127.0.0.1:{host.port}/x", asking.Sort.KEYS_AGAIN, most=9_000, kinds=proving.KINDS)
            return send(caller, stolen.proof(name))
        with taken(asking.Sort.KEYS_AGAIN):
            return send(caller, stolen.proof(name))

    clock.move(minutes=61)
    assert crowded().status_code == 200, "strangers stop no app at once"
    clock.move(minutes=60)
    answer = crowded()

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.json["error"] == "temporarily_unavailable"
    clock.move(minutes=2)
    assert send(caller, stolen.proof(name)).status_code == 401, "it is asked as soon as it can be"


def test_whoever_does_not_have_a_key_has_no_address_asked_in_its_name(caller, host, name, clock):
    clock.move(hours=2)

    assert send(caller, Pair().proof(name)).status_code == 401
    assert host.asked == []


@pytest.mark.parametrize(
    "left", [{"keys": []}, {"keys": [{"kty": "EC", "crv": "P-384", "x": "A", "y": "A"}]}], ids=["none", "others"]
)
def test_nothing_is_opened_by_the_keys_of_a_set_that_holds_none_any_more(caller, host, name, *, stolen, clock, left):
    host.document = left
    clock.move(hours=2)

    assert send(caller, stolen.proof(name)).status_code == 401
    host.document = json.loads(signing.key_set(new := Pair(kid="new")))
    clock.move(minutes=6)
    assert send(caller, new.proof(name)).status_code == 200


def test_a_host_that_is_away_holds_nobody_up_who_comes_after_it_was_asked(
    caller, host, name, *, stolen, clock, monkeypatch
):
    host.status = 500
    clock.move(hours=2)
    assert send(caller, stolen.proof(name)).status_code == 200
    monkeypatch.setattr(proving, "turns", None)

    assert [send(caller, stolen.proof(name)).status_code for _ in range(3)] == [200] * 3
    assert len(host.asked) == 1
