"""Forms are read as the standard library reads them, in fewer steps."""

from itertools import product
from urllib.parse import parse_qsl

import pytest
from authlib.oauth2.rfc6749 import InvalidRequestError

from oauth.protocol import parameters

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
