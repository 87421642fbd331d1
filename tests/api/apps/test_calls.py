"""OAuth apps over the API, by the portal's rules."""

import json

import pytest

from latchkey import clients, grants
from latchkey.journal import activity
from latchkey.store.session import db
from tests import factories
from tests.api.calls import app_caller, problem
from tests.oauth import signing
from tests.oauth.signing import Pair

NEW = {
    "name": "Notes",
    "homepage": "https://notes.example",
    "redirect_uris": ["https://notes.example/cb", "http://127.0.0.1/cb"],
    "scopes": ["account:read"],
}


def test_an_app_is_registered_with_a_secret_shown_once(hers, alice):
    response = hers.post("/v1/apps", NEW)

    assert response.status_code == 201
    made = response.get_json()
    client = clients.find(made["id"])
    assert factories.find_secret(client, made["client_secret"])
    assert response.headers["Location"] == f"/v1/apps/{made['id']}"
    assert {name: made[name] for name in NEW} == NEW
    assert (made["confidential"], made["pkce_required"], made["trusted"]) == (True, True, False)
    shown = hers.get(f"/v1/apps/{made['id']}")
    assert "client_secret" not in shown.get_json()
    assert made["client_secret"] not in shown.get_data(as_text=True)
    assert [event.kind for event in activity.list_for(alice)] == ["app.registered"]


@pytest.mark.standard("K-06")
def test_scopes_that_people_may_untick_are_among_those_that_the_app_asks_for(hers):
    wanted = NEW | {"scopes": ["account:read", "activity:read"], "optional_scopes": ["activity:read", "tokens:read"]}
    made = hers.post("/v1/apps", wanted).get_json()
    assert made["optional_scopes"] == ["activity:read"]

    kept = hers.patch(f"/v1/apps/{made['id']}", {"name": "Other notes"}).get_json()
    assert kept["optional_scopes"] == ["activity:read"]
    narrowed = hers.patch(f"/v1/apps/{made['id']}", {"scopes": ["account:read"]}).get_json()
    assert narrowed["optional_scopes"] == []
    emptied = hers.patch(f"/v1/apps/{made['id']}", {"optional_scopes": []})
    assert emptied.status_code == 200
    for wrong in (["nothing:here"], "account:read", [1], None):
        assert hers.patch(f"/v1/apps/{made['id']}", {"optional_scopes": wrong}).status_code == 422


@pytest.mark.standard("D-15")
def test_an_app_with_keys_is_registered_without_a_secret_and_goes_back_to_one(hers, app, alice, mailbox):
    pair, new = Pair(), Pair(kid="two")
    caller, sent = app.test_client(use_cookies=False), {"grant_type": "client_credentials"}
    made = hers.post("/v1/apps", NEW | {"jwks": json.loads(signing.key_set(pair))}).get_json()
    path = f"/v1/apps/{made['id']}"
    assert (made["client_secret"], made["token_endpoint_auth_method"]) == (None, "private_key_jwt")
    assert made["jwks"]["keys"][0]["kid"] == "one"
    assert "d" not in made["jwks"]["keys"][0]
    assert caller.post("/oauth/token", data=sent | pair.proof(made["id"])).status_code == 200
    problem(hers.post(f"{path}/secret"), 409, "no-secret")

    changed = hers.patch(path, {"jwks": json.loads(signing.key_set(new))}).get_json()

    assert changed["jwks"]["keys"][0]["kid"] == "two"
    assert "Keys changed" in mailbox.last(alice.email).message["Subject"]
    assert caller.post("/oauth/token", data=sent | pair.proof(made["id"])).status_code == 401
    assert hers.patch(path, {"name": "Other"}).get_json()["jwks"] == changed["jwks"]
    assert hers.patch(path, {"jwks": None}).get_json()["token_endpoint_auth_method"] == "client_secret_basic"
    assert caller.post("/oauth/token", data=sent | new.proof(made["id"])).status_code == 401
    assert hers.post(f"{path}/secret").get_json()["client_secret"]


@pytest.mark.standard("D-15")
def test_null_for_what_is_null_takes_no_keys_away(hers, app):
    """Whoever sends back what they read would leave the app without anything to prove itself by."""
    pair = Pair()
    made = hers.post("/v1/apps", NEW | {"jwks": json.loads(signing.key_set(pair))}).get_json()
    path, caller = f"/v1/apps/{made['id']}", app.test_client(use_cookies=False)

    kept = hers.patch(path, {"name": "Other notes", "jwks_uri": None}).get_json()

    assert (kept["name"], kept["token_endpoint_auth_method"]) == ("Other notes", "private_key_jwt")
    sent = {"grant_type": "client_credentials"} | pair.proof(made["id"])
    assert caller.post("/oauth/token", data=sent).status_code == 200
    again = hers.patch(path, {"jwks": None}).get_json()
    assert again["token_endpoint_auth_method"] == "client_secret_basic"
    assert hers.patch(path, {"jwks": None, "name": "Notes"}).get_json()["name"] == "Notes"


@pytest.mark.standard("D-15")
def test_keys_that_cannot_be_are_refused_by_name_and_register_nothing(hers, alice):
    good = json.loads(signing.key_set(Pair()))
    private = {"keys": [Pair().key.as_dict(private=True)]}
    for wrong in (
        *({"jwks": value} for value in ("x", 7, [], {}, {"keys": []}, private)),
        *({"jwks_uri": value} for value in (7, "", "x", "http://app.example.com/", "https://127.0.0.1/", "x" * 600)),
        {"jwks": good, "jwks_uri": "https://app.example.com/jwks"},
        {"jwks": good, "confidential": False},
    ):
        errors = problem(hers.post("/v1/apps", NEW | wrong), 422, "wrong-fields")["errors"]
        assert set(errors) <= {"jwks", "jwks_uri", "confidential"}, wrong
    assert clients.owned(alice) == []


@pytest.mark.standard("J-03")
def test_a_public_app_has_no_secret(hers):
    made = hers.post("/v1/apps", NEW | {"confidential": False}).get_json()

    assert made["client_secret"] is None
    assert made["secrets"] == []
    problem(hers.post(f"/v1/apps/{made['id']}/secret"), 409, "no-secret")


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "field, value",
    [
        ("name", "My Latchkey"),
        ("name", ""),
        ("homepage", "http://notes.example"),
        ("homepage", "https://[x"),
        ("homepage", 7),
        ("redirect_uris", []),
        ("redirect_uris", ["javascript:alert(1)"]),
        ("redirect_uris", ["https://notes.example/cb#x"]),
        ("redirect_uris", ["https://[x/cb"]),
        ("redirect_uris", [f"https://notes.example/{number}" for number in range(21)]),
        ("redirect_uris", "https://notes.example/cb"),
        ("scopes", ["tokens:write"]),
        ("scopes", ["nope:read"]),
        ("scopes", []),
        ("confidential", "yes"),
        ("trusted", True),
        ("owner_id", "usr_x"),
        ("client_id", "mine"),
    ],
)
def test_a_bad_field_is_named_and_nothing_registered(hers, field, value):
    said = problem(hers.post("/v1/apps", NEW | {field: value}), 422, "wrong-fields")

    assert set(said["errors"]) == {field}
    assert hers.get("/v1/apps").get_json()["data"] == []


@pytest.mark.standard("C-01")
def test_a_public_app_always_uses_pkce(hers):
    said = problem(hers.post("/v1/apps", NEW | {"confidential": False, "pkce_required": False}), 422)

    assert set(said["errors"]) == {"pkce_required"}


def test_only_what_is_sent_is_changed(hers, alice, mailbox):
    path = f"/v1/apps/{hers.post('/v1/apps', NEW).get_json()['id']}"
    before = hers.get(path).get_json()

    changed = hers.patch(path, {"name": "Renamed"}).get_json()
    assert changed == before | {"name": "Renamed", "updated_at": changed["updated_at"]}
    changed = hers.patch(path, {"redirect_uris": ["https://other.example/cb"]}).get_json()
    assert changed["redirect_uris"] == ["https://other.example/cb"]
    assert hers.patch(path, {}).get_json() == changed
    subjects = [letter.subject for letter in mailbox.letters("alice@example.com")]
    assert subjects == [f"New app: {NEW['name']}", "Redirect URIs changed: Renamed"]

    for field in ("confidential", "trusted", "owner_id", "secrets"):
        assert set(problem(hers.patch(path, {field: True}), 422)["errors"]) == {field}
    kinds = [event.kind for event in activity.list_for(alice)]
    assert kinds == ["app.changed", "app.changed", "app.registered"]


def test_a_rotated_secret_leaves_the_one_before_for_a_day(hers, clock):
    made = hers.post("/v1/apps", NEW).get_json()

    rotated = hers.post(f"/v1/apps/{made['id']}/secret")

    assert rotated.status_code == 201
    new = rotated.get_json()
    assert new["client_secret"] != made["client_secret"]
    assert len(new["secrets"]) == 2
    client = clients.find(made["id"])
    assert factories.find_secret(client, new["client_secret"])
    assert factories.find_secret(client, made["client_secret"])
    clock.move(hours=25)
    assert not factories.find_secret(clients.find(made["id"]), made["client_secret"])


def test_a_deleted_app_ends_what_it_had_and_its_people_are_told(app, hers, alice, bob):
    registered = factories.make_client(alice, name="Hers")
    program = app_caller(app.test_client(), registered, bob, "account:read")
    assert program.get("/v1/me").status_code == 200

    assert hers.delete(f"/v1/apps/{registered.client.id}").status_code == 204

    problem(program.get("/v1/me"), 401)
    problem(hers.get(f"/v1/apps/{registered.client.id}"), 404)
    assert [event.kind for event in activity.list_for(alice)] == ["app.deleted"]
    assert [event.kind for event in activity.list_for(bob)] == ["authorization.withdrawn"]


def test_apps_come_in_pages(hers, alice):
    ids = [factories.make_client(alice, name=f"App {number}").client.id for number in range(5)]

    first = hers.get("/v1/apps?limit=3").get_json()
    second = hers.get(f"/v1/apps?limit=3&cursor={first['next_cursor']}").get_json()

    assert [row["id"] for row in first["data"] + second["data"]] == ids[::-1]
    assert second["next_cursor"] is None


def test_authorized_apps_are_listed_and_withdrawn(app, hers, alice, example_client):
    program = app_caller(app.test_client(), example_client, alice, "account:read")
    (one,) = hers.get("/v1/authorizations").get_json()["data"]
    assert one["app"] == {
        "id": example_client.client.id,
        "name": "Example",
        "homepage": "https://app.example.com",
    }
    assert one["scopes"] == ["account:read"]

    path = f"/v1/authorizations/{one['id']}"
    assert hers.delete(path).status_code == 204
    assert hers.delete(path).status_code == 204

    problem(program.get("/v1/me"), 401, "revoked-token")
    assert hers.get("/v1/authorizations").get_json()["data"] == []
    assert [event.kind for event in activity.list_for(alice)] == ["authorization.withdrawn"]


def test_an_app_may_give_back_its_own_access(app, alice, bob, mailbox):
    registered = factories.make_client(bob, scopes=["account:read", "authorizations:write"])
    program = app_caller(app.test_client(), registered, alice, "account:read", "authorizations:write")
    standing = grants.find_authorization(alice, registered.client)
    db.remove()

    assert program.delete(f"/v1/authorizations/{standing.id}").status_code == 204

    problem(program.get("/v1/me"), 401, "revoked-token")


def test_activity_is_filtered_by_group_and_paged(hers):
    for number in range(3):
        hers.patch("/v1/me", {"name": f"Alice {number}"})
    hers.post("/v1/apps", NEW)

    assert [row["kind"] for row in hers.get("/v1/activity?group=app").get_json()["data"]] == ["app.registered"]
    first = hers.get("/v1/activity?group=account&limit=2").get_json()
    rest = hers.get(f"/v1/activity?group=account&limit=2&cursor={first['next_cursor']}").get_json()
    assert [row["kind"] for row in first["data"] + rest["data"]] == ["account.renamed"] * 3
    assert rest["next_cursor"] is None
    assert set(problem(hers.get("/v1/activity?group=nope"), 422)["errors"]) == {"group"}


@pytest.mark.standard("J-06")
def test_nobody_gives_a_trusted_app_more_by_the_api(hers, alice):
    trusted = factories.make_client(alice, trusted=True).client

    said = problem(hers.patch(f"/v1/apps/{trusted.id}", {"scopes": ["account:read", "tokens:write"]}), 422)

    assert "administrator" in said["errors"]["scopes"]
    assert hers.get(f"/v1/apps/{trusted.id}").get_json()["scopes"] == ["account:read"]
