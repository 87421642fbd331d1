"""The operator's list of stolen passwords."""

from hashlib import sha1

import pytest

from latchkey.accounts import breaches, passwords

STOLEN = "umbrella-quarry-violet-91"


def lay(settings, *stolen, end="\r\n", count=":17"):
    lines = sorted(sha1(text.encode()).hexdigest().upper() + count for text in stolen)
    (settings.instance / breaches.FILE).write_bytes("".join(line + end for line in lines).encode())


@pytest.mark.standard("L-02")
@pytest.mark.parametrize("end, count", [("\r\n", ":17"), ("\n", ""), ("\n", ":123456789")])
def test_a_password_in_the_operators_list_of_breached_ones_is_refused(settings, end, count):
    passwords.check(STOLEN)

    lay(settings, STOLEN, *map(str, range(999)), end=end, count=count)

    with pytest.raises(passwords.WeakPassword, match="stolen"):
        passwords.check(STOLEN)
    passwords.check("another-quarry-violet-91")


@pytest.mark.parametrize("size", range(6))
def test_every_line_is_found_and_no_other(settings, size):
    known = [f"known {number}" for number in range(size)]
    lay(settings, *known)

    assert all(breaches.holds(text) for text in known)
    assert not any(breaches.holds(f"other {number}") for number in range(50))


def test_without_a_list_nothing_is_in_it(settings):
    assert not breaches.holds(STOLEN)
    (settings.instance / breaches.FILE).touch()
    assert not breaches.holds(STOLEN)
