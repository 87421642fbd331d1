"""The page where an app is given keys in place of its secret."""

import json

import pytest

from latchkey import clients
from latchkey.clients.keys import proving, record
from latchkey.fetching import Answer
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.store.session import db as records
from tests import factories, pages
from tests.oauth import hosts, signing
from tests.oauth.conftest import enter
from tests.oauth.signing import Pair
from tests.portal.apps.app_pages import secret_of

pytestmark = pytest.mark.standard("D-15")


@pytest.fixture
def caller(app):
    return app.test_client(use_cookies=False)


@pytest.fixture
def mine(alice):
    return factories.make_client(alice, name="Fieldnotes")


def give(browser, client, **fields):
    page = browser.get(f"/apps/{client.id}")
    return browser.post(f"/apps/{client.id}/keys", data={"csrf_token": pages.csrf(page)} | fields)


def test_keys_take_the_place_of_the_secret_and_their_owner_hears_of_it(signed_in, caller, alice, mine, mailbox):
    client, pair = mine.client, Pair()
    assert "private_key_jwt" in signed_in.get(f"/apps/{client.id}/keys").text

    answer = give(signed_in, client, jwks=signing.key_set(pair))

    assert answer.status_code == 303
    page = signed_in.get(f"/apps/{client.id}").text
    assert "there is no secret" in page
    assert "Rotate secret" not in page
    assert '<code class="break">one</code> · ES256' in page
    assert factories.find_secret(client, mine.secret) is None
    assert (
        caller.post("/oauth/token", data={"grant_type": "client_credentials"} | pair.proof(client.id)).status_code
        == 200
    )
    assert "Keys changed: Fieldnotes" in mailbox.last(alice.email).message["Subject"]
    assert activity.list_for(alice)[0].kind == EventKind.APP_KEYS_CHANGED
    assert signed_in.get(f"/apps/{client.id}/secret/rotate").status_code == 404
    for language in ("curl", "python", "javascript"):
        start = signed_in.get(f"/apps/{client.id}?lang={language}").text
        assert "client_assertion" in start or "PrivateKeyJ" in start
        assert "Client secret" not in start


def test_the_same_keys_twice_are_told_once(signed_in, alice, mine):
    text = signing.key_set(Pair())
    for _ in range(2):
        assert give(signed_in, mine.client, jwks=text).status_code == 303

    kinds = [event.kind for event in activity.list_for(alice)]
    assert kinds.count(EventKind.APP_KEYS_CHANGED) == 1


def test_a_secret_again_in_place_of_the_keys(signed_in, caller, mine):
    client, pair = mine.client, Pair()
    give(signed_in, client, jwks=signing.key_set(pair))
    page = signed_in.get(f"/apps/{client.id}/keys")
    form = {"csrf_token": pages.csrf(page)}

    answer = signed_in.post(f"/apps/{client.id}/keys/end", data=form)
    again = signed_in.post(f"/apps/{client.id}/keys/end", data=form)

    assert answer.headers["Cache-Control"] == "no-store"
    assert factories.find_secret(clients.find(client.id), secret_of(answer))
    assert again.status_code == 303
    assert record.find(client.id) is None
    sent = {"grant_type": "client_credentials"} | pair.proof(client.id)
    assert caller.post("/oauth/token", data=sent).status_code == 401


@pytest.mark.standard("J-09")
def test_keys_at_an_address_are_read_when_they_are_saved(signed_in, caller, mine):
    pair, client = Pair(), mine.client
    with hosts.serving() as host:
        host.document = json.loads(signing.key_set(pair))
        address = f"http://127.0.0.1:{host.port}/keys.json"

        assert give(signed_in, client, jwks_uri=address).status_code == 303
        assert len(host.asked) == 1
        host.status = 500
        refused = give(signed_in, client, jwks_uri=address)

    assert refused.status_code == 422
    assert "We asked this address and could not use it" in refused.text
    assert address in signed_in.get(f"/apps/{client.id}").text
    sent = {"grant_type": "client_credentials"} | pair.proof(client.id)
    assert caller.post("/oauth/token", data=sent).status_code == 200


@pytest.mark.standard("J-09")
def test_nothing_is_held_while_the_address_is_asked(signed_in, mine, monkeypatch):
    """A slow host would keep a connection to the database, of which there are few."""
    open_then = []

    def ask(_url, _person):
        open_then.append(records().in_transaction())
        return Answer(signing.key_set(Pair()).encode(), "")

    monkeypatch.setattr(proving, "ask", ask)

    assert give(signed_in, mine.client, jwks_uri="https://app.example.com/keys.json").status_code == 303
    assert open_then == [False]


@pytest.mark.parametrize(
    "fields, why",
    [
        ({}, "either of them"),
        ({"jwks": "{}", "jwks_uri": "https://app.example.com/jwks"}, "either of them"),
        ({"jwks": "x"}, "no JSON object"),
        ({"jwks": "x" * 20_000}, "longer than"),
        ({"jwks": json.dumps(Pair().key.as_dict(private=True))}, "A private or symmetric key"),
        ({"jwks_uri": "http://app.example.com/jwks"}, "https"),
        ({"jwks_uri": "https://127.0.0.1/jwks"}, "the host is not public"),
    ],
    ids=range(7),
)
def test_what_cannot_be_is_said_and_changes_nothing(signed_in, mine, fields, why):
    answer = give(signed_in, mine.client, **fields)

    assert answer.status_code == 422
    assert why in answer.text
    assert factories.find_secret(mine.client, mine.secret) is not None
    assert not clients.find(mine.client.id).keyed


def test_a_stranger_finds_no_such_page(signed_in, app, bob, mine):
    stranger = enter(app.test_client(), bob)
    page = stranger.get("/apps")
    for path in ("keys", "keys/end"):
        form = {"csrf_token": pages.csrf(page), "jwks": signing.key_set(Pair())}
        assert stranger.post(f"/apps/{mine.client.id}/{path}", data=form).status_code == 404
    assert stranger.get(f"/apps/{mine.client.id}/keys").status_code == 404
    assert not clients.find(mine.client.id).keyed


@pytest.mark.standard("L-09")
def test_other_keys_ask_for_fresh_proof(signed_in, mine, clock):
    clock.move(minutes=20)

    answer = give(signed_in, mine.client, jwks=signing.key_set(Pair()))

    assert answer.status_code != 422
    assert not clients.find(mine.client.id).keyed


@pytest.mark.standard("J-06")
def test_the_keys_of_a_trusted_app_are_an_administrators(signed_in, alice):
    trusted = factories.make_client(alice, trusted=True)

    answer = give(signed_in, trusted.client, jwks=signing.key_set(Pair()))

    assert answer.status_code == 422
    assert "only an administrator can change this" in answer.text
    assert not clients.find(trusted.client.id).keyed


def test_a_public_app_has_no_keys(signed_in, alice):
    public = factories.make_client(alice, confidential=False)

    assert signed_in.get(f"/apps/{public.client.id}/keys").status_code == 404
    assert give(signed_in, public.client, jwks=signing.key_set(Pair())).status_code == 404
