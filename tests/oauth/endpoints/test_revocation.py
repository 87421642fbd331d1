"""/oauth/revoke (RFC 7009): what it ends, for whom, and that its answer tells nothing (F-01 to F-05)."""

import pytest
from sqlalchemy import func, select

from latchkey.endings import Ending
from latchkey.store.session import db
from tests import factories
from tests.oauth import dance


def revoke(caller, registered, token, **more):
    answer = dance.post(caller, "/oauth/revoke", registered, token=token, **more)
    # Some clients read nothing but JSON, so the empty answer is an empty object.
    assert (answer.status_code, answer.content_type, answer.json) == (200, "application/json", {})
    assert answer.headers["Cache-Control"] == "no-store"
    return answer


@pytest.mark.standard("F-03", "F-05")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "bogus", "é"])
@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
def test_either_of_a_pair_takes_the_other_along_whatever_the_hint(signed_in, caller, example_client, which, hint):
    issued = dance.tokens(signed_in, example_client)

    revoke(caller, example_client, issued[which], token_type_hint=hint)

    assert not dance.works(caller, issued["access_token"])
    assert dance.refresh(caller, example_client, issued["refresh_token"]).json["error"] == "invalid_grant"


@pytest.mark.standard("F-01")
def test_a_public_app_ends_its_own(signed_in, caller, bob):
    public = factories.make_client(bob, confidential=False)
    issued = dance.tokens(signed_in, public)

    revoke(caller, public, issued["access_token"])

    assert not dance.works(caller, issued["access_token"])


@pytest.mark.standard("F-04")
@pytest.mark.parametrize("confidential", [True, False])
def test_nobody_ends_what_is_not_theirs(signed_in, caller, *, alice, bob, example_client, confidential):
    other = factories.make_client(bob, name="Other", confidential=confidential)
    issued = dance.tokens(signed_in, example_client)
    developers = factories.make_token(alice).plaintext

    foreign = revoke(caller, other, issued["refresh_token"])
    unknown = revoke(caller, other, "lk_ort_000000000000000000000000000000000000")
    revoke(caller, other, issued["access_token"])
    revoke(caller, other, developers)
    revoke(caller, other, example_client.secret)

    assert [foreign.headers[name] for name in ("Content-Type", "Content-Length")] == [
        unknown.headers[name] for name in ("Content-Type", "Content-Length")
    ]
    assert dance.works(caller, issued["access_token"])
    assert dance.works(caller, developers)
    assert dance.refresh(caller, example_client, issued["refresh_token"]).status_code == 200


@pytest.mark.standard("F-02")
def test_what_is_over_is_answered_alike(signed_in, caller, example_client, clock):
    issued = dance.tokens(signed_in, example_client)
    revoke(caller, example_client, issued["refresh_token"])

    for token in (issued["refresh_token"], issued["access_token"], "x", "é", "x" * 5000):
        revoke(caller, example_client, token)


@pytest.mark.standard("F-02")
def test_what_is_over_does_not_end_again_for_guards(signed_in, caller, bob):
    public = factories.make_client(bob, confidential=False)
    issued = dance.tokens(signed_in, public)

    for _ in range(5):
        revoke(caller, public, issued["access_token"])

    # Nothing slows who says so: a dead token would fill the list without end.
    assert db.scalar(select(func.count()).select_from(Ending)) == 1


@pytest.mark.standard("F-02")
def test_a_missing_token_is_said_so(caller, example_client):
    for fields in ({}, {"token": ""}):
        answer = dance.post(caller, "/oauth/revoke", example_client, **fields)
        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_another_sign_in_of_the_app_goes_on(signed_in, caller, example_client):
    other = dance.tokens(signed_in, example_client)
    revoke(caller, example_client, dance.tokens(signed_in, example_client)["refresh_token"])

    assert dance.works(caller, other["access_token"])
