"""An app that describes itself proves itself by the keys that its document names now, also where nobody signs in."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from latchkey.clients import asking
from latchkey.clients.keys import proving
from latchkey.values import Limit
from tests.oauth import dance, hosts, signing
from tests.oauth.protocol.test_keys import described, redeem, send
from tests.oauth.signing import Pair

pytestmark = [pytest.mark.settings(client_documents="open"), pytest.mark.standard("D-15", "J-09", "J-10")]


@pytest.fixture
def refresh(app, signed_in, caller, host, pair):
    """Refreshes a sign-in of such an app, proved by a key, which was one of its own first."""
    named = described(host, jwks=json.loads(signing.key_set(pair)))
    kept = [redeem(caller, named, pair, dance.code(signed_in, named)).json["refresh_token"]]
    host.asked.clear()

    def act(key):
        form = {"grant_type": "refresh_token", "refresh_token": kept[0]} | key.proof(named.client.id)
        answer = app.test_client(use_cookies=False).post("/oauth/token", data=form)
        if answer.status_code == 200:
            kept[0] = answer.json["refresh_token"]
        return answer.status_code

    return act


def test_a_new_key_works_at_once_and_the_old_one_no_more(refresh, host, pair):
    described(host, jwks=json.loads(signing.key_set(new := Pair(kid="two"))))

    assert refresh(new) == 200
    assert refresh(pair) == 401
    assert len(host.asked) == 1


def test_a_key_that_was_taken_out_opens_nothing_past_the_documents_time(refresh, host, pair, clock):
    described(host, jwks=json.loads(signing.key_set(Pair(kid="two"))))
    assert refresh(pair) == 200
    clock.move(minutes=61)

    assert refresh(pair) == 401
    assert len(host.asked) == 1


def test_nor_beside_another_request_that_has_it_asked_for(refresh, host, pair, clock, monkeypatch):
    monkeypatch.setattr("latchkey.grants.documented.YOUNG_SECONDS", 60.0)
    described(host, jwks=json.loads(signing.key_set(Pair(kid="two"))))
    clock.move(hours=2)

    with ThreadPoolExecutor(4) as pool, host.silent() as asked:
        first = pool.submit(refresh, pair)
        assert asked()
        others = [pool.submit(refresh, pair) for _ in range(3)]
        host._go.set()
        assert {first.result(60), *(each.result(60) for each in others)} == {401}
    assert len(host.asked) == 1


def test_other_keys_at_another_address_count_too(refresh, caller, host, pair, clock):
    with hosts.serving() as keys:
        keys.document = json.loads(signing.key_set(new := Pair(kid="two")))
        del host.document["jwks"]
        described(host, jwks_uri=f"http://127.0.0.1:{keys.port}/keys.json")

        assert refresh(new) == 200
        assert refresh(pair) == 401


def test_while_its_host_is_away_what_was_read_holds_for_a_week(refresh, host, pair, clock):
    host.status = 500
    for _ in range(2):
        clock.move(days=3)
        assert [refresh(pair), refresh(pair)] == [200, 200]
    assert len(host.asked) == 2, "once in a while"
    clock.move(days=2)

    assert refresh(pair) == 401


def test_by_a_document_that_cannot_be_used_nobody_is_proved(refresh, host, pair, clock):
    described(host, jwks={"keys": []})
    clock.move(hours=2)
    assert [refresh(pair), refresh(pair)] == [401, 401]

    described(host, jwks=json.loads(signing.key_set(pair)))
    assert refresh(pair) == 200


def test_strangers_have_it_asked_for_seldom_and_never_in_place_of_who_has_a_key(refresh, caller, host, *, pair, clock):
    for _ in range(3):
        assert send(caller, Pair(kid="two").proof(host.url)).status_code == 401
    assert len(host.asked) == 1
    clock.move(minutes=6)
    assert send(caller, Pair(kid="two").proof(host.url)).status_code == 401
    assert len(host.asked) == 2
    clock.move(hours=2)

    assert send(caller, Pair().proof(host.url)).status_code == 401
    assert len(host.asked) == 2
    assert refresh(pair) == 200
    assert len(host.asked) == 3


def test_where_it_cannot_be_asked_for_it_holds_an_hour_and_then_the_app_waits(refresh, host, pair, clock, monkeypatch):
    monkeypatch.setattr(asking, "IN_ALL", (Limit(1, timedelta(minutes=1)),))

    def crowded():
        asking.ask(host.url, asking.Sort.KEYS_AGAIN, most=9_000, kinds=proving.KINDS)
        return refresh(pair)

    clock.move(minutes=119)
    assert crowded() == 200
    clock.move(minutes=2)
    assert crowded() == 429
    clock.move(minutes=2)
    assert refresh(pair) == 200


@pytest.mark.parametrize("hours", [2, 24 * 8])
def test_no_new_key_stands_at_an_address_that_a_document_past_its_use_named(refresh, host, clock, hours):
    """Whoever has that address by then puts a new key there for each call, and none of them was known before."""
    with hosts.serving() as keys:
        keys.document = json.loads(signing.key_set(known := Pair(kid="two")))
        del host.document["jwks"]
        described(host, jwks_uri=f"http://127.0.0.1:{keys.port}/keys.json")
        assert refresh(known) == 200

        if hours == 2:
            del host.document["client_id"]
        else:
            host.status = 500
        clock.move(hours=hours)
        keys.document = json.loads(signing.key_set(new := Pair(kid="three")))

        assert refresh(new) == 401
