"""The operator's list of stolen passwords."""

from hashlib import sha1

import pytest

from latchkey.accounts import breaches, passwords

pytestmark = pytest.mark.either_database("asks the database nothing")

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


@pytest.mark.standard("L-02")
@pytest.mark.parametrize("leaked", ["Mailcreated5240", "mailCREATED5240"])
def test_the_commonest_leaked_passwords_are_shipped_whatever_their_case(settings, leaked):
    """No rule of guessing finds these: they are long and odd, and in every list that is tried."""
    with pytest.raises(passwords.WeakPassword):
        passwords.check(leaked)

    assert breaches.common(leaked)


@pytest.mark.standard("L-02")
def test_the_filter_is_small_sorted_and_seldom_mistaken():
    shipped = breaches.SHIPPED.read_bytes()
    entries = [shipped[at : at + breaches.PREFIX] for at in range(0, len(shipped), breaches.PREFIX)]

    assert len(shipped) <= 2 * 1024 * 1024
    assert entries == sorted(set(entries))
    assert len(entries) > 40_000
    # A password that nobody leaked is mistaken for one of so many.
    assert 256**breaches.PREFIX / len(entries) > 20_000_000
    assert not any(breaches.common(f"nobody leaked this {number}") for number in range(5_000))
