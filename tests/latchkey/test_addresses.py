"""Addresses as servers and proxies write them: read once, and counted by network."""

import tracemalloc

import pytest

from latchkey import addresses


@pytest.mark.standard("A-03")
@pytest.mark.parametrize(
    "written, address",
    [
        ("203.0.113.5", "203.0.113.5"),
        ("203.0.113.5:40001", "203.0.113.5"),
        ("203.0.113.5:_hidden.1", "203.0.113.5"),
        ('"203.0.113.5:40001"', "203.0.113.5"),
        (" 203.0.113.5\t", "203.0.113.5"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:40001", "2001:db8::1"),
        ('"[2001:db8::1]:40001"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("[fe80::1%eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("[::ffff:203.0.113.5]:40001", "203.0.113.5"),
        ("::ffff:cb00:7105", "203.0.113.5"),
    ],
)
def test_an_address_is_read_without_what_stands_around_it(written, address):
    assert addresses.parse(written) == address


@pytest.mark.standard("A-03")
@pytest.mark.parametrize(
    "written",
    [
        "", "unknown", "_hidden", "unix:", "203.0.113", "203.0.113.05", "203.0.113.5:", "203.0.113.5:port",
        "203.0.113.5:1:2",
        "203.0.113.5, 198.51.100.1", "[203.0.113.5]:1", "[2001:db8::1", "[2001:db8::1]x", "[2001:db8::1]:", "[]",
        '"', '""', '"203.0.113.5', "for=203.0.113.5", "203.0.113.5%eth0",
        "\u0662\u0660\u0663.0.113.5", "203.0.113.5\x00", "1" * 5_000,
        "[" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_address_is_none(written):
    assert addresses.parse(written) == ""
    assert addresses.network(written) == ""


@pytest.mark.standard("L-05")
@pytest.mark.parametrize(
    "address, counted",
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::99", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:40001", "192.0.2.7"),
    ],
)
def test_a_whole_network_of_version_six_counts_as_one(address, counted):
    assert addresses.network(address) == counted


@pytest.mark.standard("A-07")
def test_nothing_is_remembered_of_what_is_too_long_to_be_an_address():
    """An app names its caller in a form of 64 KB: a thousand of them stayed, 62 MB in each process."""
    tracemalloc.start()
    try:
        for number in range(100):
            assert addresses.parse(f"{number}" + "x" * 60_000) == ""
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
