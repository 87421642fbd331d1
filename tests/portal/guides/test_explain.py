"""“Explain this request”: says what was wrong with a call, only about one's own tokens, and keeps nothing."""

import html
import json
import re

import pytest

from latchkey import credentials, tokens
from latchkey.credentials import Kind
from tests import factories, pages, processor

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


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "header, expected",
    [
        ("", "A call with one has the header “Authorization: Bearer <token>”."),
        ('-H "Authorization: Bearer $TOKEN"', 'look whether it is there: echo "${TOKEN:0:3}" writes lk_'),
        ('-H "Authorization: Bearer ${MINE}"', "variable MINE."),
        ("-H 'Authorization: Bearer $TOKEN'", "Between single quotes the shell sends $TOKEN as it stands."),
    ],
)
def test_a_call_without_a_token_is_told_where_it_goes(signed_in, header, expected):
    assert expected in html.unescape(explained(signed_in, f"curl {header} http://localhost/v1/me"))


def test_a_call_that_works_is_said_to_work(signed_in, alice):
    minted = factories.make_token(alice)

    assert "which the token has" in explained(signed_in, curl(minted.plaintext))


@pytest.mark.either_database("each asks the database as the first does", after=1)
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


def test_a_token_from_before_it_was_regenerated_leads_to_the_page_of_what_replaced_it(signed_in, alice, db):
    minted = factories.make_token(alice)
    tokens.regenerate(minted.token)
    db.commit()

    text = explained(signed_in, curl(minted.plaintext))

    assert "The token was revoked." in text
    assert f'href="/tokens/{minted.token.id}"' in text


def test_a_revoked_token_is_said_to_be_revoked(signed_in, alice, db):
    minted = factories.make_token(alice)
    tokens.revoke(minted.token)
    db.commit()

    assert "The token was revoked." in explained(signed_in, curl(minted.plaintext))


def test_somebody_elses_token_is_not_told_about(signed_in, bob):
    minted = factories.make_token(bob, description="Bobs secret plan")

    text = explained(signed_in, curl(minted.plaintext))

    assert "No token of yours" in text
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


# --- answers


def said(client, text: str) -> list[str]:
    """The findings alone."""
    return [
        html.unescape(re.sub(r"<[^>]+>", "", each))
        for each in re.findall(r"<div><p>(.*?)</p></div>", explained(client, text))
    ]


def test_our_own_refusal_is_explained_and_not_taken_for_a_call(signed_in, alice):
    minted = factories.make_token(alice, scopes=["activity:read"])
    refusal = signed_in.get("/v1/me", headers={"Authorization": f"Bearer {minted.plaintext}"})

    findings = said(signed_in, refusal.text)

    assert any("403, insufficient-scope" in finding for finding in findings)
    assert any("What is missing is account:read." in finding for finding in findings)
    assert not any("no such address" in finding or "no token in what" in finding for finding in findings)
    page = html.unescape(explained(signed_in, refusal.text))
    assert f'href="/tokens/new?scopes=account:read&token={minted.token.id}"' in page


def test_the_header_fields_of_an_answer_are_not_taken_for_calls(signed_in, alice):
    minted = factories.make_token(alice, scopes=["activity:read"])
    refusal = signed_in.get("/v1/me", headers={"Authorization": f"Bearer {minted.plaintext}"})
    fields = f"< WWW-Authenticate: {refusal.headers['WWW-Authenticate']}\nLocation: http://localhost/v1/nowhere"

    findings = said(signed_in, f"HTTP/1.1 403 Forbidden\n{fields}\n\n{refusal.text}")

    assert "oauth-protected-resource" in fields
    assert findings[0].startswith("Our API answered 403, insufficient-scope.")
    assert len(findings) == 2


def test_a_request_with_its_answer_is_explained_in_one_go(signed_in, alice):
    minted = factories.make_token(alice, scopes=["activity:read"])
    refusal = signed_in.get("/v1/me", headers={"Authorization": f"Bearer {minted.plaintext}"})

    findings = " ".join(said(signed_in, f"$ {curl(minted.plaintext)}\nHTTP/1.1 403 Forbidden\n\n{refusal.text}"))

    assert "The token lacks account:read" in findings and "insufficient-scope" in findings


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "document, expected",
    [
        ({"type": "http://localhost/docs/api#problem-no-token", "status": 401, "title": "x"}, "401, no-token"),
        ({"type": "http://localhost/docs/api#problem-wrong-fields", "status": 422, "title": "x"}, "422, wrong-fields"),
        ({"type": "https://iana.org/assignments/http-problem-types#quota-exceeded", "status": 429}, "429, too-often"),
        ({"type": "about:blank", "status": 404, "title": "x"}, "404 means"),
        ({"error": "invalid_grant", "error_description": "x"}, "OAuth error invalid_grant means"),
        ({"error": "invalid_client"}, "OAuth error invalid_client means"),
        ({"error": "invalid_target"}, "OAuth error invalid_target means"),
        ({"active": False}, "Introspection says that the token is not active"),
    ],
)
def test_documents_are_recognised(signed_in, document, expected):
    assert any(expected in finding for finding in said(signed_in, f"HTTP/1.1 400\n\n{json.dumps(document)}"))


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "text, expected",
    [
        (
            '< HTTP/1.1 403\n< www-authenticate: Bearer error="insufficient_scope", scope="projects:write"',
            "missing is projects:write",
        ),
        ('HTTP/2 401\nWWW-Authenticate: Bearer error="invalid_token"\nserver: nginx', "gateway (nginx)"),
        (
            "<html><center><h1>401 Authorization Required</h1></center><hr><center>nginx/1.29</center>",
            "gateway (nginx)",
        ),
        ("HTTP/1.1 502 Bad Gateway\nServer: Caddy", "could not reach the API behind it"),
        (
            'HTTP/1.1 401\nWWW-Authenticate: Bearer resource_metadata="http://x/.well-known/oauth-protected-resource/projects"',
            "without a token for the API “projects”",
        ),
    ],
)
def test_the_refusals_of_gateways_are_recognised(signed_in, text, expected):
    assert any(expected in finding for finding in said(signed_in, text))


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "text, expected",
    [
        ("curl http://localhost/oauth/token -d grant_type=refresh_token", "/oauth/token exchanges a code"),
        ("curl http://localhost/oauth/token", "/oauth/token takes POST, not GET."),
        ("curl http://localhost/oauth/token --json '{}'", "The body is JSON."),
        (
            "curl -d redirect_uri=https://app.example.com/cb http://localhost/oauth/token",
            "/oauth/token exchanges a code",
        ),
        ("curl http://localhost/oauth/check", "/oauth/check is for gateways"),
    ],
)
def test_the_oauth_endpoints_are_known(signed_in, text, expected):
    findings = said(signed_in, text)

    assert any(expected in finding for finding in findings)
    assert not any("no such address" in finding or "no token in what" in finding for finding in findings)


def test_an_api_of_the_operator_is_known_by_its_name(two_apis, signed_in):
    page = explained(signed_in, "curl https://api.example.com/projects/7 -H 'Authorization: Bearer $TOKEN'")

    assert (
        "a call of “Projects API”, an API behind this portal. Its scopes are projects:read, projects:write."
        in html.unescape(page)
    )
    assert 'href="https://docs.example.com"' in page


def test_any_other_address_is_no_mistake(signed_in):
    findings = said(signed_in, "curl https://api.example.com/projects")

    assert any("goes to api.example.com, which is not this portal" in finding for finding in findings)


def test_a_jwt_is_recognised_and_masked(signed_in):
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    page = explained(signed_in, curl(jwt))

    assert "a JWT in it, which is no token of ours" in page
    assert jwt[12:] not in page and "eyJzdWI" not in page


@pytest.mark.parametrize(
    "address", ["http://evil.example/tokens/x", "http://localhost.evil.example/tokens", "//evil.example"]
)
def test_a_pasted_answer_leads_nowhere_else(signed_in, address):
    document = {"type": "http://localhost/docs/api#problem-insufficient-scope", "status": 403, "scope": "account:read"}

    page = explained(signed_in, json.dumps(document | {"fix_url": address}))

    assert "evil.example" not in re.sub(r"<textarea.*?</textarea>", "", page, flags=re.DOTALL)


def test_a_deep_or_broken_document_is_no_fault(signed_in):
    for text in (
        '{"a":' * 4_000,
        "{" * 20_000,
        '{"type": {}, "status": []}',
        '{"status": 403, "type": "x"}',
        '{"n": ' + "9" * 5_000 + "}",
    ):
        assert pages.submit(signed_in, PATH, text=text).status_code == 200


def test_a_message_to_the_mcp_server_is_known_and_may_be_json(signed_in, alice):
    more = """-H 'Content-Type: application/json' -d '{"jsonrpc": "2.0"}'"""

    text = explained(signed_in, curl(factories.make_token(alice).plaintext, "/mcp", more))

    assert "is the MCP server" in text
    assert "/docs/agents" in text
    assert "The body is JSON" not in text
    assert "no such address" not in text


@pytest.mark.standard("A-07")
@pytest.mark.parametrize(
    "text",
    [
        "\n" * 19_990 + "x",
        "<\n" * 9_990 + "x",
        "\r\n\t" * 6_600 + "x",
        "-eyJ" * 4_999,
        "token-" * 3_300,
        "x-auth-" * 2_800,
    ],
    ids=["lines", "lines of an answer", "lines of a browser", "JWTs", "tokens", "headers"],
)
def test_no_text_however_it_is_made_keeps_the_processor_busy(signed_in, text):
    """20,000 empty lines took eleven seconds, in which nobody else was answered."""
    form = {"csrf_token": pages.csrf(signed_in.get(PATH)), "text": text}

    def send() -> None:
        assert signed_in.post(PATH, data=form).status_code == 200

    processor.takes_less(1, send)
