"""A header of many kilobytes, which anybody may send, takes hardly longer to read than a short one."""

import sys

import pytest
from werkzeug.http import parse_options_header

from web import calls
from web.calls import Call, Reply
from web.layer import compression

OPTIONS = "application/x-www-form-urlencoded;" + "b=c;" * 15_000
TAGGED = Reply(200, b"{}", [("ETag", '"tag"')], [])


def steps(work):
    """How many functions are called for it, those of Python's own as well."""
    seen = []
    sys.setprofile(lambda _frame, event, _of: seen.append(event))
    try:
        work()
    finally:
        sys.setprofile(None)
    return sum(event.endswith("call") for event in seen)


@pytest.mark.standard("A-07")
def test_what_a_body_is_said_to_be(client):
    call = Call({"REQUEST_METHOD": "POST", "CONTENT_TYPE": OPTIONS}, "/oauth/introspect")

    assert steps(lambda: call.mimetype) < 20
    assert call.mimetype == "application/x-www-form-urlencoded"
    assert client.post("/oauth/introspect", data="token=x", content_type=OPTIONS).status_code == 401


@pytest.mark.parametrize(
    "said", ["", ";", "a/b", " a/b ;", "A/B\t; charset=x", 'a/b; c="d;e"', "a/b,c/d", ";a/b", "\xa0a/b", "a/b;;"]
)
def test_it_is_read_as_elsewhere(said):
    call = Call({"REQUEST_METHOD": "POST", "CONTENT_TYPE": said}, "/")

    assert call.mimetype == parse_options_header(said)[0].lower()


@pytest.mark.standard("A-07")
def test_what_somebody_has_already():
    call = Call({"REQUEST_METHOD": "GET", "HTTP_IF_NONE_MATCH": '"tag",' * 10_000}, "/v1/me")

    assert steps(lambda: calls.conditional(call, TAGGED)) < 50
    assert calls.conditional(call, TAGGED) is TAGGED
    call.environ["HTTP_IF_NONE_MATCH"] = '"another", W/"tag"'
    assert calls.conditional(call, TAGGED).status == 304


@pytest.mark.standard("A-07")
def test_what_somebody_takes(app):
    with app.test_request_context(headers={"Accept-Encoding": 'a;b="";' * 4_000}):
        assert steps(compression.accepted) < 100
        assert not compression.accepted()
