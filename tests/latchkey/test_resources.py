"""Identifiers of resources are equal if RFC 3986 makes them so, and never otherwise."""

import pytest

from latchkey import addresses, resources

pytestmark = pytest.mark.either_database("asks the database nothing")


def is_ours(identifier: str) -> bool:
    try:
        return resources.named([identifier]) == (resources.account(),)
    except resources.UnknownResource:
        return False


@pytest.mark.parametrize(
    "identifier",
    [
        "https://portal.example.com",
        "https://portal.example.com/",
        "HTTPS://portal.example.com",
        "https://Portal.EXAMPLE.com/",
        "https://portal.example.com:443",
        "https://portal.example.com:443/",
        "https://portal.example.com:/",
        "https://portal.example.com/.",
        "https://portal.example.com/./",
        "https://portal.example.com/a/..",
        "https://portal.example.com/../",
        "https://portal.example.com/%2e/",
        "https://portal.example.com/a/%2E%2E",
        "https://%70ortal.example.com",
        "https://%50ORTAL.example.com",
    ],
)
@pytest.mark.settings(base_url="https://portal.example.com")
def test_spellings_of_our_origin_are_one(settings, identifier):
    assert is_ours(identifier)


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        "http://portal.example.com",
        "https://portal.example.com.",
        "https://portal.example.com:80",
        "https://portal.example.com:0443",
        "https://portal.example.com:8443",
        "https://portal.example.com//",
        "https://portal.example.com/%2F",
        "https://portal.example.com/v1",
        "https://portal.example.com?",
        "https://portal.example.com/?x",
        "https://portal.example.com#",
        "https://portal.example.com/#x",
        "https://@portal.example.com",
        "https://user@portal.example.com",
        "https://portal.example.com@evil.example",
        "https://portal.example.com\\@evil.example",
        "https://portal.example.com.evil.example",
        "https://evil.example/https://portal.example.com",
        " https://portal.example.com",
        "https://portal.example.com\n",
        "https://portal.example.com/%zz",
        "https:portal.example.com",
        "https:/portal.example.com",
        "https:///portal.example.com",
        "//portal.example.com",
        "portal.example.com",
        "https://pörtal.example.com",
        "https://portal.example.com/" + "a/../" * 1000,
    ],
)
@pytest.mark.settings(base_url="https://portal.example.com")
def test_nothing_else_is_equal(settings, identifier):
    assert not is_ours(identifier)


@pytest.mark.parametrize(
    "one, other",
    [
        ("http://[2001:DB8::1]:80/a", "http://[2001:db8::1]/a"),
        ("https://api.example/a%c3%a9", "https://api.example/a%C3%A9"),
        ("https://api.example/%7euser", "https://api.example/~user"),
        ("https://api.example/a/./b/../c", "https://api.example/a/c"),
        ("https://api.example/a/b/..", "https://api.example/a/"),
    ],
)
def test_paths_are_normalised_too(one, other):
    assert addresses.normalised(one) == addresses.normalised(other) == other


@pytest.mark.parametrize(
    "one, other",
    [
        ("https://api.example/a", "https://api.example/a/"),
        ("https://api.example/a", "https://api.example/A"),
        ("https://api.example/a%2Fb", "https://api.example/a/b"),
        ("https://api.example/?a", "https://api.example/?A"),
    ],
)
def test_paths_that_only_look_alike_differ(one, other):
    assert addresses.normalised(one) != addresses.normalised(other)
