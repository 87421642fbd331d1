"""How much of a request is looked at, tried from outside with what is just good and just too much."""

import socket
from io import BytesIO
from urllib.parse import urlencode, urlsplit

import pytest
from flask import jsonify, request

from latchkey.tokens import access
from tests import pages, processor
from web.layer import bounds

pytestmark = pytest.mark.standard("A-07")


@pytest.fixture
def app(app):
    """With a view that tells what it reads."""

    @app.post("/stage/form")
    def form():
        return jsonify(fields=len(list(request.form.items(multi=True))), files=len(request.files))

    return app


def multipart(fields: int) -> dict[str, object]:
    parts = (f'--b\r\nContent-Disposition: form-data; name="f{number}"\r\n\r\nv\r\n' for number in range(fields))
    return {"data": ("".join(parts) + "--b--\r\n").encode(), "content_type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("send", [lambda number: {"data": {f"f{n}": "v" for n in range(number)}}, multipart])
def test_a_form_has_a_bounded_number_of_fields_in_either_encoding(client, send):
    assert client.post("/stage/form", **send(bounds.FORM_FIELDS)).json == {"fields": 500, "files": 0}
    assert client.post("/stage/form", **send(bounds.FORM_FIELDS + 1)).status_code == 413


@pytest.mark.parametrize("path", ["/login", "/signup", "/forgot-password", "/oauth/token", "/stage/form"])
def test_690000_fields_take_no_time(client, path):
    """They took 5 seconds."""

    def send() -> None:
        answer = client.post(path, data=b"a&" * 690_000, content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 413

    processor.takes_less(0.5, send)


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_form_without_a_file_takes_64_kib(client, kind):
    rest = len(b"name=") if "urlencoded" in kind else 0
    answer = client.post("/stage/form", data=b"name=" + b"x" * (bounds.FORM_BYTES - rest + 1), content_type=kind)

    assert answer.status_code == 413
    assert client.post("/stage/form", data=urlencode({"name": "x" * 60_000}), content_type=kind).status_code == 200


@pytest.mark.parametrize("path", ["/apps/new", "/apps/app_" + "0" * 28 + "/edit"])
def test_only_who_is_signed_in_may_send_a_picture(app, signed_in, path):
    page = signed_in.get("/apps/new")

    def send(browser):
        picture = {"csrf_token": pages.csrf(page), "logo": (BytesIO(b"x" * 200_000), "logo.png")}
        return browser.post(path, data=picture, content_type="multipart/form-data").status_code

    answers = [send(browser) for browser in (app.test_client(), signed_in)]

    assert answers == [413, 422 if path == "/apps/new" else 404]


def test_fields_beside_a_picture_take_no_more_than_without(signed_in):
    page = signed_in.get("/apps/new")
    fields = {"csrf_token": pages.csrf(page), **{f"f{number}": "x" * 30_000 for number in range(3)}}

    answer = signed_in.post("/apps/new", data=fields, content_type="multipart/form-data")

    assert answer.status_code == 413


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["/", "/login", "/v1/scopes", "/oauth/authorize", "/docs/api", "/.well-known/nothing"])
def test_a_head_of_more_than_32_kib_is_not_looked_at(client, path):
    answer = client.get(path, headers={"X-Filler": "x" * 33_000})

    assert answer.status_code == 431
    assert answer.headers["X-Request-Id"]
    assert client.get(path, headers={"X-Filler": "x" * 30_000}).status_code != 431


def test_many_small_headers_are_a_large_head(client):
    assert client.get("/", headers={f"X-{number}": "y" * 10 for number in range(2_000)}).status_code == 431


def test_a_gateway_gets_one_of_its_three_statuses_for_a_head_of_any_size(client):
    headers = {"X-Filler": "x" * 400_000, "Authorization": "Bearer " + "x" * 100_000}

    assert client.get("/oauth/check", headers=headers).status_code == 401


def test_a_gateway_check_of_a_long_query_is_refused_before_it_is_split(client, monkeypatch):
    monkeypatch.setattr(access, "admit", lambda *_: pytest.fail("asked"))

    assert client.get("/oauth/check?scope=" + "a&scope=" * 100_000).status_code == 403


def test_a_long_path_is_as_bad_as_a_long_query(client):
    assert client.get("/" + "a/" * 10_000).status_code == 414


@pytest.mark.slow("starts a server")
def test_the_server_lets_no_larger_head_through(live_server):
    def answered(size: int) -> bytes:
        with socket.create_connection(("127.0.0.1", urlsplit(live_server.url).port), timeout=60) as connection:
            head = f"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Filler: {'x' * size}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode())
            return connection.makefile("rb").readline()

    assert [answered(size)[9:12] for size in (30_000, 40_000, 350_000)] == [b"200", b"431", b"431"]
