import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from latchkey import clients, credentials
from latchkey.clients import BadClient, described
from latchkey.credentials import Kind
from latchkey.store.session import db as session
from tests import factories
from tests.factories import CALLBACK, make_client


def registered(owner, **changes):
    settings = {
        "name": "Fieldnotes",
        "homepage": "https://fieldnotes.example",
        "redirect_uris": [CALLBACK],
        "scopes": ["account:read"],
        "confidential": True,
    }
    return clients.register(owner, **(settings | changes))


@pytest.mark.standard("D-07")
def test_a_confidential_client_gets_a_secret_of_which_only_the_digest_is_kept(alice):
    client, secret = registered(alice)

    assert credentials.kind_of(secret) is Kind.SECRET
    [kept] = clients.live_secrets(client)
    assert kept.digest == credentials.digest(secret)
    assert kept.last4 == secret[-4:]
    assert factories.find_secret(client, secret) is kept


@pytest.mark.standard("D-07")
def test_a_public_client_gets_no_secret_and_recognises_none(alice, bob):
    client, secret = registered(alice, confidential=False)
    _, foreign = registered(bob)

    assert secret is None
    assert factories.find_secret(client, foreign) is None
    with pytest.raises(BadClient, match="no secret"):
        clients.rotate_secret(client, by=None)


@pytest.mark.standard("J-01")
def test_an_id_is_made_by_us_and_is_no_url(alice):
    first, _ = registered(alice)
    second, _ = registered(alice)

    assert first.id.startswith("app_")
    assert first.id != second.id
    assert clients.find(first.id) is first
    assert clients.find("https://app.example.com/client.json") is None


@pytest.mark.standard("J-04")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "changes, field, words",
    [
        ({"name": ""}, "name", "Write something"),
        ({"name": "x" * 61}, "name", "60 are the most"),
        ({"name": "Field\nnotes"}, "name", "control characters"),
        ({"name": "\u202egro.ymmud"}, "name", "cannot be seen"),
        ({"name": "Latchkey Support"}, "name", "pass for us"),
        ({"name": "my LATCHKEY"}, "name", "pass for us"),
        ({"name": "L\N{CYRILLIC SMALL LETTER A}tchkey"}, "name", "pass for us"),
        ({"name": "L\N{LATIN SMALL LETTER A WITH ACUTE}tchkey"}, "name", "pass for us"),
        ({"name": "\N{FULLWIDTH LATIN CAPITAL LETTER L}atchkey"}, "name", "pass for us"),
        ({"name": "1atchk3y"}, "name", "pass for us"),
        ({"homepage": "http://fieldnotes.example"}, "homepage", "https"),
        ({"homepage": "javascript:alert(1)"}, "homepage", "https"),
        ({"homepage": "https://a@fieldnotes.example"}, "homepage", "https"),
        ({"homepage": "https://"}, "homepage", "https"),
        ({"homepage": "fieldnotes.example"}, "homepage", "https"),
        ({"homepage": "https://fieldnotes.example/" + "a" * 500}, "homepage", "https"),
        ({"homepage": 'https://fieldnotes.example/"><script>'}, "homepage", "https"),
        ({"redirect_uris": []}, "redirect_uris", "at least one"),
        ({"redirect_uris": [f"https://a.example/{n}" for n in range(21)]}, "redirect_uris", "at most 20"),
        ({"redirect_uris": [CALLBACK, "http://a.example/"]}, "redirect_uris", "^Line 2: Use https"),
        ({"redirect_uris": ["http://a.example/"]}, "redirect_uris", "^Use https"),
        ({"scopes": []}, "scopes", "at least one scope"),
        ({"scopes": ["account:read", "moon:land"]}, "scopes", "does not exist"),
        ({"scopes": ["tokens:write"]}, "scopes", "administrator trusts"),
        ({"scopes": ["apps:write", "account:read"]}, "scopes", "administrator trusts"),
        ({"confidential": False, "pkce_required": False}, "pkce_required", "always uses PKCE"),
        ({"confidential": False, "trusted": True}, "trusted", "confidential"),
    ],
)
def test_a_client_that_cannot_be_is_refused_in_words(alice, changes, field, words):
    with pytest.raises(BadClient, match=words) as refusal:
        registered(alice, **changes)

    assert refusal.value.field == field
    assert clients.list_for(alice) == []


def test_a_refusal_names_everything_that_is_wrong(alice):
    with pytest.raises(BadClient) as refusal:
        registered(alice, name="", homepage="ftp://x", redirect_uris=[], scopes=[])

    assert list(refusal.value.errors) == ["name", "homepage", "redirect_uris", "scopes"]


def test_a_homepage_can_be_left_out_and_a_redirect_uri_repeated(alice):
    client, _ = registered(alice, homepage="", redirect_uris=[CALLBACK, CALLBACK])

    assert client.homepage == ""
    assert client.redirect_uris == [CALLBACK]


def test_a_client_that_an_administrator_trusts_may_ask_for_scopes_that_make_credentials(alice):
    client, _ = registered(alice, trusted=True, scopes=["tokens:write"])

    assert client.scopes == {"tokens:write"}


def test_an_operators_sensitive_scope_takes_no_trust_but_is_for_no_app_that_comes_by_itself(two_apis, alice):
    client, _ = registered(alice, scopes=["billing:read", "billing:refund"])

    assert client.askable == {"billing:read", "billing:refund"}
    assert "billing:read" in described.offered()
    assert "billing:refund" not in described.offered()


def test_a_form_that_is_sent_twice_registers_once(alice, bob):
    client, _ = registered(alice, form_id="f1")

    with pytest.raises(clients.AlreadyRegistered) as refusal:
        registered(alice, form_id="f1")

    assert refusal.value.client is client
    assert clients.list_for(alice) == [client]
    assert registered(bob, form_id="f1")[0].owner is bob


def test_only_the_owner_finds_a_client_as_own(alice, bob):
    client, _ = registered(alice)

    assert clients.get_for(alice, client.id) is client
    assert clients.get_for(bob, client.id) is None
    assert clients.list_for(bob) == []


@pytest.mark.standard("D-12")
def test_after_rotating_both_secrets_work_for_a_day(alice, clock):
    client, first = registered(alice)
    second = clients.rotate_secret(client, by=None)

    assert factories.find_secret(client, first)
    assert factories.find_secret(client, second)

    clock.move(hours=24)

    assert factories.find_secret(client, first) is None
    assert factories.find_secret(client, second)


def test_rotating_again_ends_the_secret_before_the_last(alice):
    client, first = registered(alice)
    second = clients.rotate_secret(client, by=None)
    third = clients.rotate_secret(client, by=None)

    assert factories.find_secret(client, first) is None
    assert len(clients.live_secrets(client)) == 2
    assert factories.find_secret(client, second)
    assert factories.find_secret(client, third)


def test_each_rotation_gives_the_secret_before_it_a_day_of_its_own(alice, clock):
    client, _ = registered(alice)
    clients.rotate_secret(client, by=None)
    old = clients.live_secrets(client)[1]
    end = old.expires_at
    clock.move(hours=1)

    clients.rotate_secret(client, by=None)

    assert old not in clients.live_secrets(client)
    assert clients.live_secrets(client)[1].expires_at == end + timedelta(hours=1)


def test_a_rotation_that_is_asked_twice_happens_once(alice):
    client, first = registered(alice)
    seen = clients.live_secrets(client)[0].id
    clients.rotate_secret(client, newest=seen, by=None)

    with pytest.raises(clients.AlreadyRotated):
        clients.rotate_secret(client, newest=seen, by=None)

    assert factories.find_secret(client, first)


def test_an_old_secret_is_ended_early_and_the_newest_never(alice, bob):
    client, first = registered(alice)
    other, _ = registered(bob)
    clients.rotate_secret(client, by=None)
    newest, old = clients.live_secrets(client)

    assert not clients.remove_secret(client, newest.id, by=None)
    assert not clients.remove_secret(other, old.id, by=None)
    assert clients.remove_secret(client, old.id, by=None)
    assert not clients.remove_secret(client, old.id, by=None)
    assert factories.find_secret(client, first) is None
    assert clients.live_secrets(client) == [newest]


def test_a_change_says_what_changed(alice, clock):
    client, _ = registered(alice)
    same = {
        "name": client.name,
        "homepage": client.homepage,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes,
        "optional_scopes": [],
        "pkce_required": True,
        "device_flow": False,
    }
    clock.move(minutes=1)

    assert clients.change(client, **same, by=None) == []
    assert client.updated_at < clock.now()

    changed = clients.change(
        client,
        **same
        | {"name": "Notes", "pkce_required": False, "device_flow": True, "scopes": ["activity:read"], "by": None},
    )

    assert set(changed) == {"name", "pkce_required", "device_flow", "scope"}
    assert client.updated_at == clock.now()


def test_a_change_is_held_to_the_rules_of_registration(alice):
    client, _ = registered(alice, confidential=False)

    with pytest.raises(BadClient, match="always uses PKCE"):
        clients.change(
            client,
            name=client.name,
            homepage="",
            redirect_uris=client.redirect_uris,
            scopes=client.scopes,
            optional_scopes=[],
            pkce_required=False,
            device_flow=False,
            by=None,
        )


def test_redirect_uris_come_and_go_one_by_one(alice):
    client, _ = registered(alice)

    assert clients.add_redirect_uri(client, "http://127.0.0.1/callback", by=None)
    assert not clients.add_redirect_uri(client, "http://127.0.0.1/callback", by=None)
    assert client.redirect_uris == [CALLBACK, "http://127.0.0.1/callback"]
    assert clients.remove_redirect_uri(client, CALLBACK, by=None)
    assert not clients.remove_redirect_uri(client, CALLBACK, by=None)
    with pytest.raises(BadClient, match="at least one"):
        clients.remove_redirect_uri(client, "http://127.0.0.1/callback", by=None)
    with pytest.raises(BadClient, match="wildcard"):
        clients.add_redirect_uri(client, "https://*.example.com/", by=None)
    assert client.redirect_uris == ["http://127.0.0.1/callback"]


@pytest.mark.standard("J-02")
def test_the_twenty_first_redirect_uri_is_refused(alice):
    client, _ = registered(alice, redirect_uris=[f"https://a.example/{n}" for n in range(20)])

    with pytest.raises(BadClient, match="at most 20"):
        clients.add_redirect_uri(client, "https://a.example/20", by=None)


def test_redirect_uris_added_at_the_same_time_are_all_kept(alice):
    client, _ = make_client(alice)
    barrier = threading.Barrier(8)

    def add(number):
        barrier.wait()
        clients.add_redirect_uri(clients.get_for(alice, client.id, lock=True), f"https://a.example/{number}", by=None)
        session.commit()
        session.remove()

    with ThreadPoolExecutor(8) as tabs:
        list(tabs.map(add, range(8)))

    session.expire_all()
    assert len(clients.find(client.id).redirect_uris) == 9


def test_a_removed_client_is_gone_with_its_secrets(alice):
    client, _ = make_client(alice)

    clients.remove(client)
    session.commit()

    assert clients.find(client.id) is None
    assert session.query(clients.ClientSecret).count() == 0
