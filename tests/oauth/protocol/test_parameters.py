"""Forms are read as the standard library reads them, in fewer steps."""

from io import BytesIO
from itertools import product
from urllib.parse import parse_qsl

import pytest
from authlib.oauth2.rfc6749 import InvalidRequestError

from oauth.protocol import parameters
from tests.oauth import dance
from web.calls import Call

PIECES = ("a", "b=", "=", "&", ";", "+", "%", "%2B", "%C3%A9", "%ff", "é", "=x", " ", "c=d&")


def test_a_form_is_read_like_any_other():
    for pieces in product(PIECES, repeat=3):
        text = "".join(pieces)
        assert _read(text) == _expected(text), text


def _read(text):
    try:
        return parameters.parsed(text.encode()).parameters
    except InvalidRequestError:
        return "refused"


def _expected(text):
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        return "refused"
    return {name: value for name, value in dict(reversed(pairs)).items() if value}


@pytest.mark.parametrize("fields, heard", [(100, True), (101, False)])
def test_so_many_fields_and_no_more(fields, heard):
    body = "&".join(f"x{number}=1" for number in range(fields)).encode()

    if heard:
        assert len(parameters.parsed(body).parameters) == fields
    else:
        with pytest.raises(InvalidRequestError):
            parameters.parsed(body)


def environ(body, **more):
    header = dance.basic("app", "secret")["Authorization"]
    told = {"REQUEST_METHOD": "POST", "QUERY_STRING": "", "CONTENT_TYPE": parameters.FORM, "HTTP_AUTHORIZATION": header}
    return told | {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)} | more


@pytest.mark.parametrize("body", [b"token=a&scope=b+c", b"token=%C3%A9&resource=x&resource=y&token_type_hint=", b""])
def test_what_is_read_of_a_form_beforehand_is_what_is_read_later(body):
    given = environ(body)

    assert parameters.quickly(given) == given[parameters.AHEAD] == parameters.read(Call(environ(body), "/"))


@pytest.mark.parametrize(
    "body, more",
    [
        (b"token=a&token=b", {}),
        (b"token=%00", {}),
        (b"token=%FF", {}),
        (b"client_id=another&token=a", {}),
        (b"token=a", {"QUERY_STRING": "token=b"}),
        (b"token=a", {"CONTENT_TYPE": "text/plain"}),
        (b"token=a", {"HTTP_AUTHORIZATION": "Basic !"}),
    ],
)
def test_nothing_is_kept_of_a_form_that_is_refused_or_not_read_beforehand(body, more):
    given = environ(body, **more)

    assert parameters.quickly(given) is None
    assert parameters.AHEAD not in given
