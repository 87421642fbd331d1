"""Authorization codes and PKCE at the token endpoint (C)."""

import pytest
from sqlalchemy import func, select

from latchkey import clients, grants
from latchkey.accounts import users
from latchkey.grants import Grant
from latchkey.journal.activity import Event, EventKind
from latchkey.store.session import Base, db, engines
from latchkey.tokens.issued import crowd
from oauth.token import codes
from oauth.token.codes import AuthorizationCode
from tests import factories
from tests.factories import CALLBACK
from tests.oauth import dance


def refused(answer, error="invalid_grant", status=400):
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text
    return True


@pytest.mark.standard("D-10", "E-01", "E-03")
def test_a_code_becomes_tokens(signed_in, caller, example_client):
    answer = dance.redeem(caller, example_client, dance.code(signed_in, example_client))

    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert answer.json["scope"] == "account:read"
    assert answer.json["access_token"].startswith("lk_oat_")
    assert answer.json["refresh_token"].startswith("lk_ort_")
    assert dance.works(caller, answer.json["access_token"])


def test_a_public_app_needs_no_secret(signed_in, caller, bob):
    public = factories.make_client(bob, confidential=False)

    assert dance.redeem(caller, public, dance.code(signed_in, public)).status_code == 200


@pytest.mark.standard("C-05")
def test_a_code_lives_for_a_minute(signed_in, caller, example_client, clock):
    code = dance.code(signed_in, example_client)
    clock.move(seconds=61)

    assert refused(dance.redeem(caller, example_client, code))


@pytest.mark.standard("C-05")
def test_a_code_is_kept_as_a_digest(signed_in, example_client):
    code = dance.code(signed_in, example_client)

    row = db.query(AuthorizationCode).one()
    assert len(code) >= 27
    assert code.encode() not in row.digest
    assert len(row.digest) == 32
    assert (row.expires_at - row.created_at).total_seconds() == 60


@pytest.mark.standard("C-03", "C-04", "C-07", "C-08", "C-09")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "changes, error",
    [
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"code_verifier": "b" * 43}, "invalid_grant"),
        ({"code_verifier": "b" * 42}, "invalid_request"),
        ({"code_verifier": "b" * 129}, "invalid_request"),
        ({"code_verifier": "ä" * 43}, "invalid_request"),
        ({"code_verifier": dance.CHALLENGE}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"code": "x" * 43}, "invalid_grant"),
        ({"code": "é" * 43}, "invalid_grant"),
        ({"code": "x" * 9000}, "invalid_grant"),
        ({"code": "nul\x00"}, "invalid_request"),
        ({"resource": "https://other.example"}, "invalid_target"),
    ],
)
def test_what_fails_uses_nothing_up_and_ends_nothing(signed_in, caller, example_client, changes, error):
    code = dance.code(signed_in, example_client)

    assert refused(dance.redeem(caller, example_client, code, **changes), error)

    first = dance.redeem(caller, example_client, code)
    assert first.status_code == 200
    # Nor does it once the code is used up (C-07).
    assert refused(dance.redeem(caller, example_client, code, **changes), error)
    assert dance.works(caller, first.json["access_token"])


@pytest.mark.standard("C-05")
def test_another_client_gets_nothing_and_ends_nothing(signed_in, caller, bob, example_client):
    other = factories.make_client(bob, name="Other")
    code = dance.code(signed_in, example_client)

    assert refused(dance.redeem(caller, other, code))

    first = dance.redeem(caller, example_client, code)
    assert refused(dance.redeem(caller, other, code))
    assert dance.works(caller, first.json["access_token"])


@pytest.mark.standard("C-08")
def test_a_wrong_secret_ends_nothing(signed_in, caller, example_client):
    code = dance.code(signed_in, example_client)
    first = dance.redeem(caller, example_client, code)
    wrong = dance.basic(example_client.client.id, "lk_sec_wrong")

    answer = caller.post(
        "/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": dance.VERIFIER,
        },
        headers=wrong,
    )

    assert refused(answer, "invalid_client", 401)
    assert dance.works(caller, first.json["access_token"])


@pytest.mark.standard("C-07")
def test_a_replayed_code_ends_the_grant(signed_in, caller, alice, mailbox, example_client):
    code = dance.code(signed_in, example_client)
    first = dance.redeem(caller, example_client, code)
    newer = dance.refresh(caller, example_client, first.json["refresh_token"])

    assert refused(dance.redeem(caller, example_client, code))

    assert not dance.works(caller, first.json["access_token"])
    assert not dance.works(caller, newer.json["access_token"])
    assert refused(dance.refresh(caller, example_client, newer.json["refresh_token"]))
    assert db.query(Event).filter(Event.kind == EventKind.CODE_REPLAYED, Event.user_id == alice.id).count() == 1
    assert len(mailbox.letters("alice@example.com")) == 2
    assert refused(dance.redeem(caller, example_client, code))
    assert len(mailbox.letters("alice@example.com")) == 2


@pytest.mark.standard("C-07")
def test_a_code_replayed_after_its_minute_ends_the_grant_too(signed_in, caller, example_client, clock):
    code = dance.code(signed_in, example_client)
    first = dance.redeem(caller, example_client, code)
    clock.move(minutes=5)

    assert refused(dance.redeem(caller, example_client, code))
    assert not dance.works(caller, first.json["access_token"])


def test_another_sign_in_of_the_same_app_goes_on(signed_in, caller, example_client):
    other = dance.tokens(signed_in, example_client)
    code = dance.code(signed_in, example_client)
    dance.redeem(caller, example_client, code)
    dance.redeem(caller, example_client, code)

    assert dance.works(caller, other["access_token"])


@pytest.mark.standard("C-09")
def test_a_redirect_uri_that_was_left_out_may_be_left_out_again(signed_in, caller, example_client):
    for sent in (None, CALLBACK):
        code = dance.code(signed_in, example_client, redirect_uri=None)
        assert refused(dance.redeem(caller, example_client, code, redirect_uri=CALLBACK + "x"))
        assert dance.redeem(caller, example_client, code, redirect_uri=sent).status_code == 200


@pytest.mark.standard("C-10", "D-11")
@pytest.mark.parametrize("cause", ["disabled", "password", "withdrawn", "deleted"])
def test_a_code_dies_with_its_cause(signed_in, caller, *, alice, example_client, cause, clock):
    code = dance.code(signed_in, example_client)
    clock.move(seconds=1)
    alice = users.find(alice.id)
    if cause == "disabled":
        users.disable(alice)
    elif cause == "password":
        factories.set_password(alice, "another-umbrella-quarry-17")
    elif cause == "withdrawn":
        grants.withdraw(grants.find_authorization(alice, example_client.client))
    else:
        users.remove(alice)
    db.commit()

    assert refused(dance.redeem(caller, example_client, code))


@pytest.mark.standard("C-10")
def test_a_suspended_client_is_no_client(signed_in, caller, example_client):
    code = dance.code(signed_in, example_client)
    clients.suspend(example_client.client)
    db.commit()

    assert refused(dance.redeem(caller, example_client, code), "invalid_client", 401)


def test_a_scope_that_the_app_lost_is_not_issued(signed_in, caller, bob):
    app = factories.make_client(bob, scopes=("account:read", "account:write"))
    code = dance.code(signed_in, app, scope="account:read account:write")
    clients.find(app.client.id).scope = "account:read"
    db.commit()

    assert dance.redeem(caller, app, code).json["scope"] == "account:read"


class TestOptOut:
    """PKCE may be left out by a confidential client whose owner said so (C-01, C-04)."""

    @pytest.fixture
    def opted_out(self, bob):
        return factories.make_client(bob, pkce_required=False)

    def test_it_may_leave_the_challenge_out(self, signed_in, caller, opted_out):
        code = dance.code(signed_in, opted_out, code_challenge=None, code_challenge_method=None)

        assert dance.redeem(caller, opted_out, code, code_verifier=None).status_code == 200

    @pytest.mark.standard("C-04")
    def test_a_verifier_without_challenge_is_noticed(self, signed_in, caller, opted_out):
        code = dance.code(signed_in, opted_out, code_challenge=None, code_challenge_method=None)

        assert refused(dance.redeem(caller, opted_out, code), "invalid_request")

    @pytest.mark.standard("C-04")
    def test_a_challenge_is_checked_all_the_same(self, signed_in, caller, opted_out):
        code = dance.code(signed_in, opted_out)

        assert refused(dance.redeem(caller, opted_out, code, code_verifier=None), "invalid_request")
        assert refused(dance.redeem(caller, opted_out, code, code_verifier="b" * 43))
        assert dance.redeem(caller, opted_out, code).status_code == 200

    @pytest.mark.parametrize(
        "changes", [{"code_challenge_method": "plain"}, {"code_challenge": None}, {"code_challenge_method": None}]
    )
    def test_half_a_challenge_is_refused(self, signed_in, opted_out, changes):
        assert dance.back(dance.authorize(signed_in, opted_out, **changes)).parameters["error"] == "invalid_request"

    @pytest.mark.standard("C-01")
    def test_a_public_client_has_no_such_choice(self, bob):
        with pytest.raises(clients.BadClient):
            factories.make_client(bob, confidential=False, pkce_required=False)


def test_the_grant_remembers_what_was_agreed(signed_in, alice, example_client):
    dance.code(signed_in, example_client)

    grant = db.query(Grant).one()
    assert (grant.user_id, grant.client_id, grant.scope) == (alice.id, example_client.client.id, "account:read")
    assert round((grant.expires_at - grant.created_at).total_seconds() / 86400) == 180


@pytest.mark.standard("E-02")
def test_nothing_issued_stands_in_the_database(signed_in, caller, example_client):
    code = dance.code(signed_in, example_client)
    issued = dance.redeem(caller, example_client, code).json

    with engines().read.connect() as connection:
        dump = str([connection.execute(select(table)).all() for table in Base.metadata.sorted_tables])

    assert "alice@example.com" in dump
    for secret in (code, issued["access_token"], issued["refresh_token"], example_client.secret):
        assert secret not in dump
        assert repr(secret.encode()) not in dump


@pytest.mark.standard("P-05")
def test_a_sign_in_that_nobody_went_on_with_is_removed(signed_in, caller, example_client, clock):
    """An app that may go on without being asked begins one with every request."""
    used = dance.redeem(caller, example_client, dance.code(signed_in, example_client)).json
    for _ in range(3):
        dance.authorize(signed_in, example_client)
    assert db.scalar(select(func.count()).select_from(Grant)) == 4
    clock.move(days=1, minutes=2)

    codes.purge()
    db.commit()

    assert db.scalar(select(func.count()).select_from(Grant)) == 1
    assert dance.refresh(caller, example_client, used["refresh_token"]).status_code == 200


@pytest.mark.standard("O-03")
def test_of_endless_sign_ins_of_one_app_the_oldest_go(signed_in, caller, example_client, monkeypatch):
    monkeypatch.setattr(crowd, "MOST", 3)
    dance.authorize(signed_in, example_client)
    made = [dance.tokens(signed_in, example_client) for _ in range(5)]

    assert db.scalar(select(func.count()).select_from(Grant)) == 3
    assert [dance.works(caller, one["access_token"]) for one in made] == [False] * 2 + [True] * 3
    assert refused(dance.refresh(caller, example_client, made[0]["refresh_token"]))
    assert dance.refresh(caller, example_client, made[4]["refresh_token"]).status_code == 200


@pytest.mark.standard("A-08", "O-03")
def test_a_site_that_leads_a_browser_here_again_and_again_ends_no_sign_in(
    signed_in, caller, example_client, monkeypatch
):
    """Nobody is asked any more, and a sign-in begins each time: a hundred of them signed out a user's devices."""
    monkeypatch.setattr(crowd, "MOST", 3)
    phone, laptop = dance.tokens(signed_in, example_client), dance.tokens(signed_in, example_client)

    for _ in range(5):
        assert "code" in dance.back(dance.authorize(signed_in, example_client, prompt="none")).parameters
    latest = dance.tokens(signed_in, example_client)

    assert all(dance.works(caller, one["access_token"]) for one in (phone, laptop, latest))
    assert dance.refresh(caller, example_client, phone["refresh_token"]).status_code == 200


@pytest.mark.standard("O-03")
def test_sign_ins_that_are_over_give_way_to_those_that_go_on(signed_in, caller, example_client, monkeypatch):
    monkeypatch.setattr(crowd, "MOST", 3)
    phone = dance.tokens(signed_in, example_client)

    for _ in range(5):
        signed_out = dance.tokens(signed_in, example_client)["refresh_token"]
        assert dance.post(caller, "/oauth/revoke", example_client, token=signed_out).status_code == 200

    assert db.scalar(select(func.count()).select_from(Grant)) == 3
    assert dance.refresh(caller, example_client, phone["refresh_token"]).status_code == 200
