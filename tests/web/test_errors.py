import html
import json
import re
import sqlite3

import psycopg
import pytest
from flask import Blueprint, abort, request
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import TooManyRequests

from web import signin
from web.layer import faults

STATUSES = {
    400: "We could not read that",
    401: "Sign in first",
    403: "You cannot do that here",
    404: "There is nothing here",
    405: "That does not work this way",
    413: "That is too much",
    429: "Too many tries",
    503: "Back in a moment",
}
UNREACHABLE = [
    OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked")),
    InterfaceError("SELECT 1", {}, sqlite3.InterfaceError("closed")),
    PoolTimeout(),
    sqlite3.OperationalError("database is locked"),
    psycopg.OperationalError("connection refused"),
    psycopg.InterfaceError("the connection is closed"),
]
UNFIT = [
    DataError("INSERT", {}, psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
]
MALFORMED = [
    "/%",
    "/%ff",
    "/%00",
    "/%c0%af",
    "/?a=%00%ff%",
    "/login?next=%ff%00",
    "/v1/me?limit=%00",
    "/%2e%2e/%2e%2e",
    "//x",
]


@pytest.fixture
def app(app):
    """With views that fail in each way."""
    stage = Blueprint("stage", __name__)

    @stage.route("/status/<int:code>")
    @stage.route("/v1/stage/status/<int:code>", endpoint="problem")
    @stage.route("/oauth/token/status/<int:code>", endpoint="oauth")
    def status(code):
        abort(code, f"what was typed: {request.args.get('q')}")

    @stage.route("/wait/<int:seconds>")
    @stage.route("/v1/stage/wait/<int:seconds>", endpoint="wait_problem")
    def wait(seconds):
        raise TooManyRequests(retry_after=seconds)

    @stage.route("/raise/<int:number>")
    @stage.route("/v1/stage/raise/<int:number>", endpoint="raise_problem")
    @stage.route("/oauth/token/raise/<int:number>", endpoint="raise_oauth")
    def fail(number):
        raise [*UNREACHABLE, *UNFIT][number]

    @stage.route("/fault")
    def fault():
        password = request.args["password"]
        try:
            {}[password]
        except KeyError as error:
            raise ValueError(password) from error

    @stage.post("/form")
    @stage.post("/oauth/stage/form", endpoint="consent")
    def form():
        signin.csrf.protect()
        return f"took {request.form['name']}"

    app.register_blueprint(stage)
    return app


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("code,title", STATUSES.items())
def test_people_get_a_page_with_words(client, code, title):
    answer = client.get(f"/status/{code}?q=<b>tipped</b>")

    assert answer.status_code == code
    assert answer.content_type == "text/html; charset=utf-8"
    assert f"<h1>{title}</h1>" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "tipped" not in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.standard("O-01")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("code", STATUSES)
def test_programs_get_a_problem(client, code):
    answer = client.get(f"/v1/stage/status/{code}?q=tipped")

    assert answer.status_code == code
    assert answer.content_type == "application/problem+json"
    assert set(answer.json) == {"type", "title", "status", "detail", "request_id"}
    assert answer.json["status"] == code
    assert re.fullmatch(r"http://localhost/docs/api#problem-[a-z-]+", answer.json["type"])
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert "tipped" not in answer.text


@pytest.mark.standard("O-01")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("code", STATUSES)
def test_oauth_clients_get_an_oauth_error(client, code):
    answer = client.get(f"/oauth/token/status/{code}?q=tipped")

    assert answer.status_code == code
    assert answer.json["error"] == ("temporarily_unavailable" if code == 503 else "invalid_request")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert "tipped" not in answer.text


@pytest.mark.standard("D-09", "O-01")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", sorted(set(faults.OAUTH) - {faults.GATEWAYS}))
@pytest.mark.settings(client_registration="open")
def test_no_endpoint_of_the_protocol_answers_a_program_with_a_page(client, path):
    """Neither for a wrong method, nor for too much, nor where there is nothing."""
    told = [
        client.put(path), client.delete(path), client.get(f"{path}/"), client.post(f"{path}?{'x' * 20_000}"),
        client.post(path, data={"a": "x" * 300_000}), client.post(path, headers={"X-Filler": "x" * 33_000}, data={}),
    ]  # fmt: skip

    assert [answer.status_code for answer in told[:4]] == [405, 405, 404, 414]
    for answer in told:
        assert (answer.content_type, answer.headers["Cache-Control"]) == ("application/json", "no-store")
        assert answer.headers["Pragma"] == "no-cache"
        assert answer.json["error"]


def test_a_swap_that_fails_leaves_the_page_and_says_why(client):
    answer = client.get("/status/404", headers={"HX-Request": "true"})

    assert answer.status_code == 404
    assert answer.headers["HX-Reswap"] == "none"
    assert json.loads(answer.headers["HX-Trigger"])["announce"]["value"].startswith("There is nothing here.")
    assert "<" not in answer.text


@pytest.mark.parametrize("path", ["/stage-nowhere", "/v1/nowhere", "/.well-known/nowhere"])
def test_an_unknown_address_is_404(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert ("json" in answer.content_type) == (path != "/stage-nowhere")


@pytest.mark.standard("A-08")
@pytest.mark.parametrize("path", ["/brand.css", "/v1/stage/status/400"])
def test_a_wrong_method_is_told_the_right_ones(client, path):
    answer = client.delete(path)

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert ("The header Allow names" in answer.text) == path.startswith("/v1/")
    assert ("Go back" in answer.text) != path.startswith("/v1/")


@pytest.mark.standard("A-08")
@pytest.mark.parametrize("path", ["/", "/login", "/tokens", "/v1/me", "/oauth/token", "/oauth/authorize", "/healthz"])
def test_trace_is_answered_nowhere(client, path):
    answer = client.open(path, method="TRACE", headers={"X-Sent": "seen in the answer"})

    assert answer.status_code == 405
    assert "TRACE" not in answer.headers["Allow"]
    assert "seen in the answer" not in answer.text


@pytest.mark.parametrize("seconds,words", [(1, "Wait 1 second and"), (42, "Wait 42 seconds and")])
def test_too_many_tries_are_told_how_long_to_wait(client, seconds, words):
    page, problem = client.get(f"/wait/{seconds}"), client.get(f"/v1/stage/wait/{seconds}")

    assert page.headers["Retry-After"] == problem.headers["Retry-After"] == str(seconds)
    assert words in page.text
    assert words in problem.json["detail"]


@pytest.mark.parametrize("number", range(len(UNREACHABLE)))
@pytest.mark.parametrize("door", ["", "/v1/stage", "/oauth/token"])
def test_a_database_that_cannot_be_reached_is_503(client, door, number):
    answer = client.get(f"{door}/raise/{number}")

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "locked" not in answer.text


@pytest.mark.parametrize("number", range(len(UNREACHABLE), len(UNREACHABLE) + len(UNFIT)))
def test_text_that_no_database_holds_is_a_bad_request(client, number):
    assert client.get(f"/raise/{number}").status_code == 400
    assert client.get(f"/v1/stage/raise/{number}").status_code == 400


@pytest.mark.settings(mode="production")
def test_a_fault_gives_a_reference_and_is_logged_without_what_was_sent(client, caplog):
    answer = client.get("/fault?password=hunter2hunter2")
    reference = answer.headers["X-Request-Id"]

    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert f'<code class="chip">{reference}</code>' in answer.text
    (record,) = caplog.records
    fault = json.loads(record.getMessage())
    assert fault["request_id"] == reference
    assert "builtins.ValueError" in fault["fault"]
    assert "builtins.KeyError" in fault["fault"]
    assert any("in fault" in line for line in fault["fault"])
    assert "hunter2" not in caplog.text + answer.text
    assert "\n" not in record.getMessage()


def test_development_is_told_the_message_too(client, caplog):
    client.get("/fault?password=hunter2hunter2")

    assert "hunter2hunter2" in caplog.text


def test_a_form_that_waited_too_long_keeps_what_was_typed_but_no_secret(client):
    typed = {
        "name": 'Ada "<Countess>"',
        "password": "hunter2hunter2",
        "scope": ["a:read", "b:read"],
        "csrf_token": "old",
    }

    answer = client.post("/form", data=typed, headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 400
    assert "This page was open too long" in answer.text
    assert "hunter2" not in answer.text
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text))
    assert html.unescape(fields["name"]) == 'Ada "<Countess>"'
    assert answer.text.count('name="scope"') == 2
    again = client.post("/form", data={name: html.unescape(value) for name, value in fields.items()})
    assert again.status_code == 200


@pytest.mark.parametrize("path,headers", [("/form", {}), ("/oauth/stage/form", {"Sec-Fetch-Site": "same-origin"})])
def test_what_may_have_been_typed_elsewhere_or_decides_is_not_kept(client, path, headers):
    answer = client.post(path, data={"name": "typed"}, headers=headers)

    assert answer.status_code == 400
    assert "typed" not in answer.text
    assert "<form" not in answer.text


@pytest.mark.parametrize("path", MALFORMED)
def test_a_malformed_address_is_never_a_fault_of_ours(client, path):
    assert client.open(path, method="GET").status_code < 500
    assert client.post(path, data=b"\xff%00=%&&&=\x00").status_code < 500


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a b"},
        {"Host": "[::1"},
        {"Host": "x:99999999"},
        {"Host": ""},
        {"Cookie": "latchkey=\xff; latchkey=.eJw; =; ;;"},
        {"Content-Type": "multipart/form-data; boundary="},
        {"Content-Type": "application/x-www-form-urlencoded; charset=\xff"},
        {"Content-Length": "-1"},
        {"Content-Length": "many"},
        {"Accept-Encoding": "gzip;q=x,;=,\xff"},
        {"If-None-Match": '"\xff, W/"'},
        {"Range": "bytes=9-1,x"},
        {"Referer": "http://[bad"},
        {"Origin": "http://[bad"},
        {"Transfer-Encoding": "chunked"},
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/login", "/brand.css", "/nowhere", "/v1/me", "/oauth/token", "/oauth/authorize"]
)
def test_malformed_headers_are_never_a_fault_of_ours(client, path, headers):
    assert client.get(path, headers=headers).status_code < 500
    assert client.post(path, headers=headers).status_code < 500


@pytest.mark.standard("A-07")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["/login", "/signup", "/oauth/token", "/oauth/revoke"])
def test_a_body_of_megabytes_is_refused(client, path):
    answer = client.post(path, data={"x": "y" * 2_000_000}, headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code in (400, 413)


@pytest.mark.standard("A-07")
def test_an_oversized_form_is_413(app, client):
    answer = client.post("/form", data={"name": "y" * 2_000_000})

    assert answer.status_code == 413
    assert "That is too much" in answer.text


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "seconds, said",
    [(None, "a moment"), (1, "1 second"), (60, "60 seconds"), (900, "15 minutes"), (43_200, "12 hours")],
)
def test_how_long_to_wait_is_said_in_the_unit_that_people_use(app, client, seconds, said):
    @app.get("/slow-down")
    def slow_down():
        abort(429, retry_after=seconds)

    answer = client.get("/slow-down")

    assert answer.status_code == 429
    assert f"Wait {said} and try again." in answer.text


@pytest.mark.parametrize(
    "path, above", [("/tokens/revoke", "/tokens"), ("/authorized-apps/pause", "/authorized-apps"), ("/logout", "/")]
)
def test_an_address_that_only_forms_are_sent_to_leads_to_the_page_above_it(signed_in, path, above):
    page = signed_in.get(path)

    assert page.status_code == 405
    assert "A form is sent to this address" in page.text
    assert f'class="btn btn--primary" href="{above}"' in page.text
