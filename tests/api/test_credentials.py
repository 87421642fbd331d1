"""Reporting leaked credentials: possession is enough, one answer for all."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from latchkey import clients, clock, credentials, grants, tokens
from latchkey.credentials import Kind
from latchkey.journal import activity
from latchkey.store.session import db, engines
from tests import factories
from tests.api.calls import app_caller, problem


def report(nobody, *found):
    return nobody.post("/v1/credentials/revoke", {"credentials": list(found)})


@pytest.mark.standard("I-10")
def test_the_answer_is_the_same_whether_they_were_live_or_not(hers, nobody, alice):
    live = report(nobody, hers.plaintext)
    dead = report(nobody, hers.plaintext)
    nonsense = report(nobody, "hello", "", "lk_dev_\x00", "\ud800", "é" * 5_000)

    assert live.status_code == dead.status_code == nonsense.status_code == 202
    assert live.data == dead.data == nonsense.data
    problem(hers.get("/v1/me"), 401, "revoked-token")
    assert [event.kind for event in activity.list_for(alice)] == ["token.reported"]


def test_the_owner_gets_one_mail(hers, nobody, mailbox, alice):
    report(nobody, hers.plaintext, hers.plaintext)
    report(nobody, hers.plaintext)

    (letter,) = mailbox.letters("alice@example.com")
    assert hers.plaintext not in letter.text
    assert hers.plaintext[-4:] in letter.text
    assert "account:read" in letter.text
    assert "Last used" in letter.text


def test_a_developer_token_s_family_ends_with_it(hers, nobody):
    made = hers.post("/v1/tokens", {"description": "child", "scopes": ["account:read"]}).get_json()

    report(nobody, hers.plaintext)

    problem(nobody.get("/v1/me", Authorization=f"Bearer {made['token']}"), 401, "revoked-token")


def test_an_access_token_ends_alone_and_a_refresh_token_with_its_grant(app, nobody, alice, example_client):
    first = app_caller(app.test_client(), example_client, alice, "account:read")
    second = app_caller(app.test_client(), example_client, alice, "account:read")
    grant = tokens.find(second.plaintext).grant
    refresh = credentials.generate(Kind.REFRESH)
    expires_at = clock.now() + timedelta(days=30)
    factories.record_token(refresh, kind=Kind.REFRESH, grant=grant, scopes=["account:read"], expires_at=expires_at)
    db.commit()

    report(nobody, first.plaintext)
    problem(first.get("/v1/me"), 401, "revoked-token")
    assert second.get("/v1/me").status_code == 200

    report(nobody, refresh)
    problem(second.get("/v1/me"), 401, "revoked-token")
    assert [event.kind for event in activity.list_for(alice)] == ["token.reported"] * 2


@pytest.mark.standard("I-10", "E-05")
def test_a_retired_refresh_token_ends_its_grant_too(app, nobody, alice, example_client):
    """Whoever holds an old one may hold what came of it."""
    program = app_caller(app.test_client(), example_client, alice, "account:read")
    grant = tokens.find(program.plaintext).grant
    retired = credentials.generate(Kind.REFRESH)
    expires_at = clock.now() + timedelta(days=30)
    kept = factories.record_token(
        retired, kind=Kind.REFRESH, grant=grant, scopes=["account:read"], expires_at=expires_at
    )
    kept.consumed_at = clock.now()
    db.commit()

    report(nobody, retired)
    report(nobody, retired)

    problem(program.get("/v1/me"), 401, "revoked-token")
    assert [event.kind for event in activity.list_for(alice)] == ["token.reported"]


def test_a_client_secret_stops_working_and_its_owner_is_told(nobody, bob, example_client):
    report(nobody, example_client.secret)
    report(nobody, example_client.secret)

    assert factories.find_secret(clients.find(example_client.client.id), example_client.secret) is None
    assert [event.kind for event in activity.list_for(bob)] == ["app.secret_removed"]


def test_a_token_of_an_app_acting_as_itself_is_told_to_its_owner(app, nobody, bob, example_client):
    program = app_caller(app.test_client(), example_client, None, "account:read")

    report(nobody, program.plaintext)

    problem(program.get("/v1/token"), 401, "revoked-token")
    assert [event.kind for event in activity.list_for(bob)] == ["token.reported"]


@pytest.mark.standard("I-10")
def test_a_thousand_go_at_once_and_one_more_does_not(nobody, alice):
    made = [
        tokens.mint(alice, description=f"t{number}", scopes=["account:read"], lifetime=None) for number in range(20)
    ]
    db.commit()
    filler = [credentials.generate(Kind.DEVELOPER) for _ in range(980)]

    assert report(nobody, *filler, *(each.plaintext for each in made)).status_code == 202
    assert tokens.page(alice).tokens == []
    problem(report(nobody, *filler, *filler), 422, "wrong-fields")


@pytest.mark.slow("makes tokens by the hundred")
@pytest.mark.standard("I-10")
def test_a_report_of_hundreds_lets_others_write_meanwhile(nobody, alice):
    """A thousand live tokens kept an embedded database from every other writer for as long as their letters took."""
    found = [factories.make_token(alice, description=f"Leaked {number}").plaintext for number in range(60)]
    db.commit()
    commits = []
    event.listen(engines().write, "commit", lambda _: commits.append(1))

    assert report(nobody, *found).status_code == 202

    assert len(commits) >= 60
    assert tokens.page(alice).tokens == []


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("sent", [[], "x", None, [1], [None], {}, [["x"]]])
def test_anything_but_a_list_of_texts_is_refused(nobody, sent):
    said = problem(nobody.post("/v1/credentials/revoke", {"credentials": sent}), 422, "wrong-fields")

    assert set(said["errors"]) == {"credentials"}


@pytest.mark.standard("I-10")
def test_reporting_is_throttled_by_address(nobody, clock):
    answers = [report(nobody, "hello").status_code for _ in range(31)]

    assert answers == [202] * 30 + [429]
    said = report(nobody, "hello")
    problem(said, 429, "too-often")
    assert 1 <= int(said.headers["Retry-After"]) <= 60
    clock.move(seconds=61)
    assert report(nobody, "hello").status_code == 202


def test_reporting_is_throttled_by_a_whole_network_of_version_six(app, clock):
    def report_from(address):
        there = {"REMOTE_ADDR": address}
        return app.test_client().post("/v1/credentials/revoke", json={"credentials": ["x"]}, environ_overrides=there)

    statuses = [report_from(f"2001:db8:1:2::{number:x}").status_code for number in range(31)]

    assert statuses == [202] * 30 + [429]
    assert report_from("2001:db8:1:3::1").status_code == 202


def test_what_ended_with_its_grant_is_not_reported_again(app, nobody, alice, example_client):
    program = app_caller(app.test_client(), example_client, alice, "account:read")
    grants.withdraw(grants.find_authorization(alice, example_client.client))
    db.commit()

    report(nobody, program.plaintext)

    assert activity.list_for(alice) == []


def test_grants_survive_nonsense(nobody, alice, example_client):
    grant = grants.allow(alice, example_client.client, {"account:read"})
    db.commit()

    report(nobody, *(credentials.generate(kind) for kind in Kind))

    assert db.get_one(grants.Grant, grant.id).ended_at is None


def test_a_regenerated_token_s_old_string_ends_nothing(hers, nobody, alice):
    made = factories.make_token(alice, description="again")
    new = tokens.regenerate(made.token)
    db.commit()

    report(nobody, made.plaintext)

    assert nobody.get("/v1/me", Authorization=f"Bearer {new}").status_code == 200


@pytest.mark.standard("A-07")
def test_a_thousand_credentials_of_nobody_take_as_many_statements_as_one(nobody):
    counts = []
    event.listen(engines().write, "before_cursor_execute", lambda *_: counts.append(1))
    event.listen(engines().read, "before_cursor_execute", lambda *_: counts.append(1))

    def asked(number):
        found = [credentials.generate(Kind.DEVELOPER) for _ in range(number)]
        counts.clear()
        assert report(nobody, *found).status_code == 202
        return len(counts)

    assert asked(1_000) <= asked(1) + 1
