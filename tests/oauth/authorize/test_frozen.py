"""What was shown is what is granted (B-13, B-19), whatever its owner changes while the page is open."""

import pytest

from latchkey import clients, grants
from latchkey.clients import Client
from latchkey.grants import Grant
from latchkey.journal.activity import Event, EventKind
from latchkey.store.session import db
from oauth.authorize.pending import PendingConsent
from tests import factories
from tests.factories import CALLBACK
from tests.oauth import dance

EVIL = "https://evil.example/callback"


def change(registered, **fields):
    client = db.get(Client, registered.client.id)
    for name, value in fields.items():
        setattr(client, name, value)
    db.commit()


@pytest.fixture
def app_of_two(bob):
    return factories.make_client(bob, scopes=("account:read", "activity:read"))


@pytest.mark.standard("B-13", "B-19")
def test_what_the_app_got_meanwhile_is_not_granted(signed_in, caller, example_client):
    page = dance.authorize(signed_in, example_client, scope=None)
    assert "account:write" not in page.text
    change(example_client, scope="account:read account:write")

    back = dance.back(dance.decide(signed_in, page))

    assert db.query(Grant).one().scope == "account:read"
    issued = dance.redeem(caller, example_client, back.parameters["code"]).json
    assert issued["scope"] == "account:read"
    wider = dance.refresh(caller, example_client, issued["refresh_token"], scope="account:read account:write")
    assert wider.json["error"] == "invalid_scope"
    assert db.query(Event).filter(Event.kind == EventKind.AUTHORIZED).one().detail["scopes"] == ["account:read"]


@pytest.mark.standard("E-02")
def test_no_secret_that_an_app_sends_by_mistake_is_kept_while_somebody_decides(signed_in, example_client):
    secret = example_client.secret

    page = dance.authorize(signed_in, example_client, client_secret=secret, refresh_token=secret, code=secret)

    assert page.status_code == 200
    kept = db.query(PendingConsent).one().parameters
    assert secret not in str(kept)
    assert kept["state"] == "xyz"
    assert "code" in dance.back(dance.decide(signed_in, page)).parameters


def test_what_the_app_lost_meanwhile_is_not_granted(signed_in, caller, app_of_two):
    page = dance.authorize(signed_in, app_of_two, scope="account:read activity:read")
    change(app_of_two, scope="account:read")

    back = dance.back(dance.decide(signed_in, page))

    assert db.query(Grant).one().scope == "account:read"
    assert dance.redeem(caller, app_of_two, back.parameters["code"]).json["scope"] == "account:read"


@pytest.mark.parametrize("scope", [None, "account:read activity:read"])
def test_an_app_that_lost_everything_shown_gets_nothing(signed_in, app_of_two, scope):
    page = dance.authorize(signed_in, app_of_two, scope=scope)
    change(app_of_two, scope="authorizations:read")

    assert dance.back(dance.decide(signed_in, page)).parameters["error"] == "invalid_scope"
    assert db.query(Grant).count() == 0


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Your Bank"},
        {"homepage": "https://bank.example"},
        {"logo": b"png", "logo_version": "0" * 16},
        {"confidential": False},
        {"name": "Your Bank", "scope": "account:read account:write"},
    ],
)
def test_an_app_that_looks_different_meanwhile_is_shown_again(signed_in, example_client, fields):
    page = dance.authorize(signed_in, example_client, scope=None)
    change(example_client, **fields)

    again = dance.decide(signed_in, page)

    assert again.status_code == 200
    assert "Location" not in again.headers
    assert "changed while the page was open" in again.text
    assert fields.get("name", "Example") in again.text
    assert ("account:write" in again.text) == ("scope" in fields)
    assert db.query(Grant).count() == grants.count_for(example_client.client) == 0
    back = dance.back(dance.decide(signed_in, again))
    assert "code" in back.parameters
    assert db.query(Grant).one().scope == fields.get("scope", "account:read")


def test_another_owner_name_is_shown_again(signed_in, bob, example_client):
    page = dance.authorize(signed_in, example_client)
    change(example_client)
    db.merge(bob).name = "Robert Example"
    db.commit()

    again = dance.decide(signed_in, page)

    assert again.status_code == 200
    assert "Robert Example" in again.text


def test_another_key_is_shown_again(signed_in, example_client):
    """Whoever put it there meanwhile could redeem the code."""
    page = dance.authorize(signed_in, example_client)
    clients.rotate_secret(clients.find(example_client.client.id), newest=None, by=None)
    db.commit()

    assert dance.decide(signed_in, page).status_code == 200
    assert db.query(Grant).count() == 0


def test_an_address_that_was_put_in_meanwhile_gets_no_code(signed_in, example_client):
    page = dance.authorize(signed_in, example_client, redirect_uri=None)
    change(example_client, redirect_uris=[EVIL])

    again = dance.decide(signed_in, page)

    assert again.status_code == 200
    assert "evil.example</b>" in again.text
    assert db.query(Grant).count() == 0
    assert dance.back(dance.decide(signed_in, again)).uri == EVIL


@pytest.mark.parametrize("uris", [[EVIL], [EVIL, "https://app.example.com/other"]])
def test_an_address_that_was_taken_out_meanwhile_gets_nothing(signed_in, example_client, uris):
    page = dance.authorize(signed_in, example_client)
    change(example_client, redirect_uris=uris)

    answer = dance.decide(signed_in, page)

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert db.query(Grant).count() == 0


def test_cancel_leads_to_no_address_that_was_not_shown(signed_in, example_client):
    page = dance.authorize(signed_in, example_client, redirect_uri=None)
    change(example_client, redirect_uris=[EVIL])

    answer = dance.decide(signed_in, page, "deny")

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "evil.example" not in answer.text


def test_a_further_address_does_not_stop_the_one_that_was_shown(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    change(example_client, redirect_uris=[CALLBACK, EVIL])

    assert dance.back(dance.decide(signed_in, page)).uri == CALLBACK


def test_cancel_still_cancels_when_the_app_has_another_name(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    change(example_client, name="Your Bank")

    assert dance.back(dance.decide(signed_in, page, "deny")).parameters["error"] == "access_denied"


@pytest.mark.parametrize("gone", ["deleted", "suspended"])
def test_an_app_that_is_gone_is_answered_by_a_page(signed_in, example_client, gone):
    page = dance.authorize(signed_in, example_client)
    {"deleted": clients.remove, "suspended": clients.suspend}[gone](clients.find(example_client.client.id))
    db.commit()

    answer = dance.decide(signed_in, page)

    assert answer.status_code == 400
    assert answer.content_type.startswith("text/html")
