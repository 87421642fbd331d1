"""Bodies that are not what they should be: a clear problem, never a fault of ours, never half a change."""

import json

import pytest

from tests.api.calls import problem

POST = {
    "/v1/tokens": {"description": "x", "scopes": ["account:read"]},
    "/v1/apps": {"name": "Notes", "redirect_uris": ["https://notes.example/cb"], "scopes": ["account:read"]},
    "/v1/credentials/revoke": {"credentials": ["x"]},
}
SENT = {
    "nothing": b"",
    "no JSON": b"{",
    "two objects": b"{}{}",
    "invalid UTF-8": b'{"description":"\xff"}',
    "UTF-16": json.dumps({}).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "a text": b'"x"',
    "a name twice": b'{"description":"a","description":"b"}',
    "NaN": b'{"expires_in_days":NaN}',
    "endless digits": b'{"expires_in_days":' + b"9" * 5_000 + b"}",
    "a raw control character": b'{"description":"a\x00b"}',
}


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("O-02")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("path", POST)
@pytest.mark.parametrize("what", SENT)
def test_what_cannot_be_read_is_a_400(hers, path, what):
    response = hers.client.post(
        path, data=SENT[what], content_type="application/json", headers={"Authorization": f"Bearer {hers.plaintext}"}
    )

    problem(response, 400, "not-json")


@pytest.mark.standard("O-02")
@pytest.mark.parametrize("path", POST)
def test_deep_nesting_is_refused(hers, path):
    body = b'{"description":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    response = hers.client.post(
        path, data=body, content_type="application/json", headers={"Authorization": f"Bearer {hers.plaintext}"}
    )

    assert response.status_code in {400, 422}
    assert response.content_type == "application/problem+json"


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("O-02")
@pytest.mark.parametrize("path", POST)
@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml", "x"]
)
def test_another_media_type_is_a_415(hers, path, kind):
    response = hers.client.post(
        path, data=json.dumps(POST[path]), content_type=kind, headers={"Authorization": f"Bearer {hers.plaintext}"}
    )

    problem(response, 415, "wrong-media-type")


def test_a_charset_beside_the_media_type_is_fine_and_compression_is_not(hers):
    headers = {"Authorization": f"Bearer {hers.plaintext}"}
    body = json.dumps(POST["/v1/tokens"])

    fine = hers.client.post("/v1/tokens", data=body, content_type="application/json; charset=utf-8", headers=headers)
    assert fine.status_code == 201
    headers["Content-Encoding"] = "gzip"
    problem(hers.client.post("/v1/tokens", data=body, content_type="application/json", headers=headers), 415)


@pytest.mark.standard("A-07")
@pytest.mark.parametrize("path", POST)
def test_a_body_too_large_is_a_413(hers, path):
    response = hers.post(path, {**POST[path], "description": "x" * 1_000_000})

    problem(response, 413, "too-large")


TEXTS = ["", " ", "\x00", "a\x00b", "a\nb", "\ud800", "a\u200bb", "\u202eevil", "x" * 10_000, "\ufffe"]
NOT_TEXTS = [None, 7, 1.5, True, [], {}, ["x"], {"x": 1}]


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("path, field", [("/v1/tokens", "description"), ("/v1/apps", "name")])
@pytest.mark.parametrize("value", TEXTS + NOT_TEXTS, ids=lambda value: ascii(value)[:20])
def test_a_line_that_cannot_be_kept_is_named(hers, path, field, value):
    said = problem(hers.post(path, {**POST[path], field: value}), 422, "wrong-fields")

    assert set(said["errors"]) == {field}
    assert "x" * 100 not in json.dumps(said)


@pytest.mark.parametrize("value", ["مرحبا", "Tokyo 東京", "<script>alert(1)</script>", 'O\'Brien "x"', "👩‍💻 laptop"])
def test_a_line_in_any_script_is_kept_as_it_is(hers, value):
    made = hers.post("/v1/tokens", {**POST["/v1/tokens"], "description": value}).get_json()

    assert hers.get(f"/v1/tokens/{made['id']}").get_json()["description"] == value


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("path", ["/v1/tokens", "/v1/apps"])
@pytest.mark.parametrize(
    "value",
    [None, "account:read", 7, {}, [], [7], [None], [["account:read"]], ["nope"], ["account:read", "\x00"], ["\ud800"]],
    ids=ascii,
)
def test_scopes_that_are_none_are_refused(hers, path, value):
    said = problem(hers.post(path, {**POST[path], "scopes": value}), 422, "wrong-fields")

    assert set(said["errors"]) == {"scopes"}


@pytest.mark.parametrize("value", [0, -1, 3661, 10**30, 1.5, "30", True, [], {}, 1e300], ids=ascii)
def test_a_life_that_is_no_number_of_days_is_refused(hers, value):
    said = problem(hers.post("/v1/tokens", {**POST["/v1/tokens"], "expires_in_days": value}), 422)

    assert set(said["errors"]) == {"expires_in_days"}


@pytest.mark.standard("J-06", "O-02")
@pytest.mark.parametrize("path", POST)
def test_missing_and_unknown_fields_are_named_one_line_each(hers, path):
    said = problem(hers.post(path, {"\ud800\x00evil": 1, "access_token": hers.plaintext}), 422, "wrong-fields")

    assert {"access_token", *POST[path]} <= set(said["errors"])
    assert all(isinstance(line, str) and line for line in said["errors"].values())
    assert hers.plaintext not in json.dumps(said)


def test_a_flood_of_wrong_fields_is_told_briefly(hers):
    said = problem(hers.post("/v1/tokens", {f"{number}{'x' * 200}": 1 for number in range(500)}), 422)

    assert len(said["errors"]) == 20
    assert len(json.dumps(said)) < 5_000


@pytest.mark.parametrize("query", ["%", "a=%ZZ", "limit[]=1", "=", "&&&", "limit=1&limit=x", "%00=1", "x=%FF"])
def test_a_broken_query_is_no_fault_of_ours(hers, query):
    response = hers.get(f"/v1/tokens?{query}")

    assert response.status_code in {200, 422}


def test_an_address_too_long_is_a_problem(hers):
    response = hers.get(f"/v1/tokens?cursor={'x' * 20_000}")

    problem(response, 414, "address-too-long")
