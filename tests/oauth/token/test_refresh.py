"""Refresh tokens (E): rotated at each use, narrowed and widened within the grant, and ended by a replay."""

import pytest

from latchkey import clients, credentials, grants
from latchkey.accounts import users
from latchkey.credentials import Kind
from latchkey.journal.activity import Event, EventKind
from latchkey.store.session import db
from tests import factories
from tests.oauth import dance


def refused(answer, error="invalid_grant", status=400):
    assert (answer.status_code, answer.json["error"]) == (status, error), answer.text
    return True


@pytest.fixture
def wide(bob):
    return factories.make_client(bob, scopes=("account:read", "account:write", "activity:read"))


@pytest.mark.standard("E-04")
def test_each_use_gives_a_new_pair(signed_in, caller, example_client):
    first = dance.tokens(signed_in, example_client)

    answer = dance.refresh(caller, example_client, first["refresh_token"])

    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}
    assert answer.json["refresh_token"] != first["refresh_token"]
    assert dance.works(caller, answer.json["access_token"])
    assert dance.works(caller, first["access_token"])


@pytest.mark.standard("E-05", "P-04")
@pytest.mark.parametrize("confidential", [True, False])
def test_a_replay_ends_the_grant(signed_in, caller, *, alice, bob, confidential, mailbox):
    app = factories.make_client(bob, confidential=confidential)
    first = dance.tokens(signed_in, app)
    second = dance.refresh(caller, app, first["refresh_token"]).json

    assert refused(dance.refresh(caller, app, first["refresh_token"]))

    assert not dance.works(caller, first["access_token"])
    assert not dance.works(caller, second["access_token"])
    assert refused(dance.refresh(caller, app, second["refresh_token"]))
    assert db.query(Event).filter(Event.kind == EventKind.REFRESH_REPLAYED, Event.user_id == alice.id).count() == 1
    assert len(mailbox.letters("alice@example.com")) == 2


@pytest.mark.standard("E-05")
def test_a_replay_is_recognised_when_the_token_has_expired_long_ago(signed_in, caller, example_client, clock):
    old = dance.tokens(signed_in, example_client)["refresh_token"]
    newest = old
    for _ in range(3):
        newest = dance.refresh(caller, example_client, newest).json["refresh_token"]
        clock.move(days=20)

    assert refused(dance.refresh(caller, example_client, old))
    assert refused(dance.refresh(caller, example_client, newest))


@pytest.mark.standard("E-10")
def test_another_client_gets_nothing_and_ends_nothing(signed_in, caller, bob, example_client):
    other = factories.make_client(bob, name="Other")
    first = dance.tokens(signed_in, example_client)
    second = dance.refresh(caller, example_client, first["refresh_token"]).json

    for token in (first["refresh_token"], second["refresh_token"]):
        assert refused(dance.refresh(caller, other, token))

    assert dance.works(caller, second["access_token"])
    assert dance.refresh(caller, example_client, second["refresh_token"]).status_code == 200


def test_a_replay_that_fails_in_another_way_ends_nothing(signed_in, caller, example_client):
    first = dance.tokens(signed_in, example_client)
    second = dance.refresh(caller, example_client, first["refresh_token"]).json
    old = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}

    wrong = caller.post("/oauth/token", data=old, headers=dance.basic(example_client.client.id, "lk_sec_x"))
    assert refused(wrong, "invalid_client", 401)
    assert refused(dance.refresh(caller, example_client, first["refresh_token"], scope="bogus"), "invalid_scope")
    assert refused(
        dance.refresh(caller, example_client, first["refresh_token"], resource="https://x.example"), "invalid_target"
    )
    assert dance.works(caller, second["access_token"])


@pytest.mark.standard("E-09")
def test_it_narrows_and_widens_within_the_grant(signed_in, caller, wide):
    first = dance.tokens(signed_in, wide, scope="account:read account:write")

    narrow = dance.refresh(caller, wide, first["refresh_token"], scope="account:read").json
    assert narrow["scope"] == "account:read"
    wider = dance.refresh(caller, wide, narrow["refresh_token"], scope="account:read activity:read")
    assert refused(wider, "invalid_scope")
    assert wider.json["error_description"] == "Not granted, or no longer open to the app: activity:read."
    full = dance.refresh(caller, wide, narrow["refresh_token"]).json
    assert full["scope"] == "account:read account:write"
    assert dance.refresh(caller, wide, full["refresh_token"], scope="account:write").json["scope"] == "account:write"


@pytest.mark.standard("E-10")
def test_a_refresh_token_of_another_app_is_answered_like_one_that_nobody_knows(signed_in, caller, bob, example_client):
    theirs = dance.tokens(signed_in, factories.make_client(bob, name="Other"))["refresh_token"]

    answers = [dance.refresh(caller, example_client, sent) for sent in (theirs, credentials.generate(Kind.REFRESH))]

    assert all(refused(answer) for answer in answers)
    assert answers[0].json == answers[1].json
    assert answers[0].json["error_description"].startswith("The refresh token is unknown or long expired, or was")


def test_a_refused_refresh_uses_nothing_up(signed_in, caller, example_client):
    first = dance.tokens(signed_in, example_client)
    refused(dance.refresh(caller, example_client, first["refresh_token"], scope="activity:read"), "invalid_scope")

    assert dance.refresh(caller, example_client, first["refresh_token"]).status_code == 200


def give(registered, scope):
    clients.find(registered.client.id).scope = scope
    db.commit()


@pytest.mark.standard("E-11")
def test_scopes_that_the_app_lost_disappear(signed_in, caller, wide):
    first = dance.tokens(signed_in, wide, scope="account:read account:write")
    give(wide, "account:read activity:read")

    second = dance.refresh(caller, wide, first["refresh_token"]).json
    assert second["scope"] == "account:read"
    assert refused(dance.refresh(caller, wide, second["refresh_token"], scope="account:write"), "invalid_scope")
    give(wide, "activity:read")
    assert refused(dance.refresh(caller, wide, second["refresh_token"]), "invalid_scope")
    give(wide, "account:read account:write")
    assert dance.refresh(caller, wide, second["refresh_token"]).json["scope"] == "account:read account:write"


@pytest.mark.standard("E-08")
def test_thirty_days_unused_end_it(signed_in, caller, example_client, clock):
    token = dance.tokens(signed_in, example_client)["refresh_token"]
    clock.move(days=29, hours=23)
    token = dance.refresh(caller, example_client, token).json["refresh_token"]
    clock.move(days=30, seconds=1)

    assert refused(dance.refresh(caller, example_client, token))


@pytest.mark.standard("E-03", "E-08")
def test_after_180_days_every_grant_ends(signed_in, caller, example_client, clock):
    token = dance.tokens(signed_in, example_client)["refresh_token"]
    for _ in range(8):
        clock.move(days=20)
        token = dance.refresh(caller, example_client, token).json["refresh_token"]
    clock.move(days=19, hours=23, minutes=30)
    last = dance.refresh(caller, example_client, token).json
    assert 0 < last["expires_in"] <= 1800
    clock.move(minutes=31)

    assert not dance.works(caller, last["access_token"])
    assert refused(dance.refresh(caller, example_client, last["refresh_token"]))


@pytest.mark.standard("E-11")
@pytest.mark.parametrize("cause", ["disabled", "deleted", "withdrawn", "cut off", "suspended", "client deleted"])
def test_tokens_die_with_their_cause(signed_in, caller, alice, example_client, cause):
    issued = dance.tokens(signed_in, example_client)
    client, alice = clients.find(example_client.client.id), users.find(alice.id)
    {
        "disabled": lambda: users.disable(alice),
        "deleted": lambda: users.remove(alice),
        "withdrawn": lambda: grants.withdraw(grants.find_authorization(alice, client)),
        "cut off": lambda: grants.withdraw_all(client),
        "suspended": lambda: clients.suspend(client),
        "client deleted": lambda: clients.remove(client),
    }[cause]()
    db.commit()

    assert not dance.works(caller, issued["access_token"])
    answer = dance.refresh(caller, example_client, issued["refresh_token"])
    assert answer.status_code in (400, 401)
    assert answer.json["error"] in ("invalid_grant", "invalid_client")


@pytest.mark.settings(refresh_grace_seconds=10)
class TestGrace:
    """E-07: the immediate predecessor, once more, shortly after, while its successor is unused."""

    @pytest.mark.standard("E-07")
    def test_a_retry_gets_a_pair_of_its_own(self, signed_in, caller, example_client):
        first = dance.tokens(signed_in, example_client)["refresh_token"]
        one = dance.refresh(caller, example_client, first).json
        other = dance.refresh(caller, example_client, first).json

        assert dance.works(caller, one["access_token"])
        assert dance.works(caller, other["access_token"])
        assert one["refresh_token"] != other["refresh_token"]

    @pytest.mark.standard("E-06")
    @pytest.mark.parametrize("used", [0, 1])
    def test_the_first_use_of_either_ends_the_other(self, signed_in, caller, example_client, used):
        first = dance.tokens(signed_in, example_client)["refresh_token"]
        branches = [dance.refresh(caller, example_client, first).json for _ in range(2)]

        going_on = dance.refresh(caller, example_client, branches[used]["refresh_token"])

        assert going_on.status_code == 200
        further = dance.refresh(caller, example_client, going_on.json["refresh_token"])
        assert further.status_code == 200
        # Two hold a token of this grant: which of them is the thief nobody knows.
        assert refused(dance.refresh(caller, example_client, branches[1 - used]["refresh_token"]))
        assert not dance.works(caller, further.json["access_token"])
        assert refused(dance.refresh(caller, example_client, further.json["refresh_token"]))

    def test_a_branch_has_a_grace_of_its_own(self, signed_in, caller, example_client):
        first = dance.tokens(signed_in, example_client)["refresh_token"]
        dance.refresh(caller, example_client, first)
        other = dance.refresh(caller, example_client, first).json["refresh_token"]

        again = [dance.refresh(caller, example_client, other) for _ in range(2)]

        assert [answer.status_code for answer in again] == [200, 200]
        assert refused(dance.refresh(caller, example_client, other))

    @pytest.mark.standard("E-07")
    def test_but_only_once(self, signed_in, caller, example_client):
        first = dance.tokens(signed_in, example_client)["refresh_token"]
        one = dance.refresh(caller, example_client, first).json
        dance.refresh(caller, example_client, first)

        assert refused(dance.refresh(caller, example_client, first))
        assert not dance.works(caller, one["access_token"])

    def test_only_shortly_after(self, signed_in, caller, example_client, clock):
        first = dance.tokens(signed_in, example_client)["refresh_token"]
        one = dance.refresh(caller, example_client, first).json
        clock.move(seconds=11)

        assert refused(dance.refresh(caller, example_client, first))
        assert not dance.works(caller, one["access_token"])

    def test_only_while_the_successor_is_unused(self, signed_in, caller, example_client):
        first = dance.tokens(signed_in, example_client)["refresh_token"]
        second = dance.refresh(caller, example_client, first).json["refresh_token"]
        third = dance.refresh(caller, example_client, second).json

        assert refused(dance.refresh(caller, example_client, first))
        assert not dance.works(caller, third["access_token"])

    @pytest.mark.standard("E-07", "F-05")
    def test_never_after_a_revocation(self, signed_in, caller, example_client):
        first = dance.tokens(signed_in, example_client)["refresh_token"]
        second = dance.refresh(caller, example_client, first).json["refresh_token"]
        dance.post(caller, "/oauth/revoke", example_client, token=second)

        assert refused(dance.refresh(caller, example_client, first))


@pytest.mark.standard("I-10")
def test_a_retired_one_that_is_reported_as_leaked_ends_its_grant(signed_in, caller, example_client):
    first = dance.tokens(signed_in, example_client)
    second = dance.refresh(caller, example_client, first["refresh_token"]).json

    caller.post("/v1/credentials/revoke", json={"credentials": [first["refresh_token"]]})

    assert refused(dance.refresh(caller, example_client, second["refresh_token"]))
    assert not dance.works(caller, second["access_token"])
