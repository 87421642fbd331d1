"""Addresses that browsers and strangers send along are taken apart without a fault."""

import pytest

NO_ADDRESSES = ["https://[", "https://[:::]/x", "//[", "http://localhost:99999999/", "https://[::1", "\xff"]


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("A-06")
@pytest.mark.parametrize("address", NO_ADDRESSES)
@pytest.mark.parametrize(
    "headers", [("HX-Request", "HX-Current-URL"), ("Referer",), ("Origin",), ("HX-Request", "Referer"), ("Host",)]
)
def test_a_header_that_is_no_address_is_no_fault_of_ours(client, headers, address):
    sent = dict.fromkeys(headers, address)

    for path in ("/tokens", "/settings", "/docs/scopes", "/oauth/authorize"):
        assert client.get(path, headers=sent).status_code < 500, path
    for path in ("/login", "/tokens/find", "/settings/profile", "/oauth/token", "/v1/credentials/revoke"):
        assert client.post(path, headers=sent, data={"csrf_token": "x"}).status_code < 500, path
        assert client.options(path, headers=sent).status_code < 500, path
