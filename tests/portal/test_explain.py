"""“Explain this request”: says what was wrong with a call, only about one's own tokens, and keeps nothing."""

import pytest

from latchkey import credentials, tokens
from latchkey.credentials import Kind
from tests import factories, pages

PATH = "/docs/explain"


def explained(client, text: str) -> str:
    answer = pages.submit(client, PATH, text=text)
    assert answer.status_code == 200, answer.status
    return answer.text


def curl(token: str, path: str = "/v1/me", more: str = "") -> str:
    return f'curl {more} -H "Authorization: Bearer {token}" http://localhost{path}'


def test_a_missing_scope_is_named_with_a_form_that_has_it(signed_in, alice):
    minted = factories.make_token(alice, description="Nightly backup", scopes=["activity:read"])

    text = explained(signed_in, curl(minted.plaintext))

    assert "Nightly backup" in text
    assert "The token lacks account:read" in text
    assert "/tokens/new?scopes=account:read+activity:read" in text or "account:read%20activity:read" in text


def test_a_call_that_works_is_said_to_work(signed_in, alice):
    minted = factories.make_token(alice)

    assert "which the token has" in explained(signed_in, curl(minted.plaintext))


@pytest.mark.parametrize(
    "more, path, expected",
    [
        ("-X PUT", "/v1/me", "This address takes GET, PATCH, not PUT."),
        ("", "/v1/nothing", "The API has no such address."),
        ("-d '{}'", "/v1/scopes", "This address takes GET, not POST."),
    ],
)
def test_a_wrong_method_or_address_is_named(signed_in, alice, more, path, expected):
    minted = factories.make_token(alice)

    assert expected in explained(signed_in, curl(minted.plaintext, path, more))


def test_a_revoked_token_is_said_to_be_revoked(signed_in, alice, db):
    minted = factories.make_token(alice)
    tokens.revoke(minted.token)
    db.commit()

    assert "The token was revoked." in explained(signed_in, curl(minted.plaintext))


def test_somebody_elses_token_is_not_told_about(signed_in, bob):
    minted = factories.make_token(bob, description="Bobs secret plan")

    text = explained(signed_in, curl(minted.plaintext))

    assert "none of yours" in text
    assert "Bobs secret plan" not in text


@pytest.mark.parametrize("kind", [Kind.REFRESH, Kind.SECRET])
def test_a_credential_of_another_kind_is_recognised(signed_in, kind):
    assert "The API takes developer tokens and access tokens only." in explained(
        signed_in, curl(credentials.generate(kind))
    )


def test_a_mistyped_token_is_recognised(signed_in, alice):
    plaintext = factories.make_token(alice).plaintext

    assert "not well-formed" in explained(signed_in, curl(plaintext[:-1]))


def test_a_token_in_the_address_is_warned_of(signed_in, alice):
    plaintext = factories.make_token(alice).plaintext

    assert "There is a token in the address." in explained(
        signed_in, f"curl http://localhost/v1/me?access_token={plaintext}"
    )


@pytest.mark.parametrize(
    "pasted",
    ["", "   ", "x" * 20_001, "no request at all", "curl \x00 http://localhost/v1/me", "<script>alert(1)</script>"],
)
def test_whatever_is_pasted_gets_an_answer(signed_in, pasted):
    answer = pages.submit(signed_in, PATH, text=pasted)

    assert answer.status_code in (200, 422)
    assert "<script>alert" not in answer.text


def test_what_was_pasted_comes_back_masked(signed_in, alice):
    plaintext = factories.make_token(alice).plaintext
    secret = credentials.generate(Kind.SECRET)

    text = explained(signed_in, f"{curl(plaintext)} {secret} {plaintext[:-3]}")

    assert plaintext not in text
    assert plaintext[10:40] not in text
    assert secret[10:40] not in text


def test_signed_out_it_leads_to_sign_in(client):
    answer = client.get(PATH)

    assert answer.status_code == 303
    assert "/login" in answer.headers["Location"]
