"""What the application is told of a request, and what is remembered of those before."""

from types import SimpleNamespace

import pytest

from web.server import environ


@pytest.fixture
def told():
    """The variables of a request with these headers, each a line."""

    def told(*lines):
        scope = SimpleNamespace(
            http_version="1.1", server="127.0.0.1:5000", client="127.0.0.1:40000", scheme="http", method="GET",
            path="/", query_string="", authority="127.0.0.1",
        )  # fmt: skip
        return environ.environ_of(scope, dict(lines))

    return told


def test_headers_stand_under_their_variables_and_no_other_passes_for_one(told):
    given = told(("accept", "text/html"), ("content-type", "text/plain"), ("x_forwarded_for", "203.0.113.7"))

    assert (given["HTTP_ACCEPT"], given["CONTENT_TYPE"]) == ("text/html", "text/plain")
    assert not any("FORWARDED" in name for name in given)


@pytest.mark.standard("A-07")
def test_of_long_names_nothing_is_remembered(told):
    environ._key.cache_clear()

    given = told(("accept", "text/html"), *((f"x-{number}-{'y' * 60_000}", "1") for number in range(20)))

    assert given["HTTP_ACCEPT"] == "text/html"
    assert max(map(len, given)) < environ.LONGEST_NAME
    assert environ._key.cache_info().currsize == 1


def test_what_one_request_writes_is_in_no_other(told):
    told(("accept", "text/html"))["wsgi.url_scheme"] = "https"

    given = told()

    assert given["wsgi.url_scheme"] == "http"
    assert "HTTP_ACCEPT" not in given
    common = given["SERVER_PROTOCOL"], given["SERVER_NAME"], given["SERVER_PORT"]
    assert common == ("HTTP/1.1", "127.0.0.1", "5000")
