"""Address ranges: how they are read and kept, and whom they let call."""

from datetime import timedelta

import pytest

from latchkey import credentials, origin, tokens
from latchkey.credentials import Kind
from latchkey.store.prepared import PreparedSelect
from latchkey.tokens import access, ranges
from tests.factories import make_token

SHORT = timedelta(days=1)


def come_from(address, forwarded=""):
    origin.current.set(origin.Origin(address, "curl/8", "r", forwarded=forwarded))


@pytest.mark.parametrize(
    "typed, kept",
    [
        (["203.0.113.9"], "203.0.113.9/32"),
        (["203.0.113.0/24", "2001:DB8:0::/48"], "203.0.113.0/24 2001:db8::/48"),
        (["203.0.113.9", "203.0.113.9/32"], "203.0.113.9/32"),
        (["::ffff:203.0.113.0/120"], "203.0.113.0/24"),
        (["::ffff:0:0/96"], "0.0.0.0/0"),
        (["2001:db8::1"], "2001:db8::1/128"),
        ([], None),
    ],
)
def test_ranges_are_kept_in_one_spelling(typed, kept):
    assert ranges.check(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("", " ", "x", "203.0.113.9/33", "203.0.113.9/24", "203.0.113", "0203.0.113.9", "1/8", "203.0.113.0/024x"),
        *("203.0.113.0/255.255.255.0", "203.0.113.0/0.0.0.255", "fe80::1%eth0", "2001:db8::/129", "[2001:db8::1]"),
        *("203.0.113.9:80", "203.0.113.9 ", "203.0.113.9\n", "٢٠٣.0.113.9", "::1/", "/8", "1" * 50, "example.com"),
    ],
)
def test_what_is_no_range_is_refused(typed):
    with pytest.raises(ranges.BadRange):
        ranges.check([typed])


def test_there_are_at_most_fifty_and_a_longer_list_is_not_read_to_its_end():
    most = [f"2001:db8:ffff:ffff:ffff:ffff:ffff:{number:x}" for number in range(0xF000, 0xF000 + ranges.MOST)]

    assert len(ranges.check(most)) <= ranges.LONGEST_KEPT
    with pytest.raises(ranges.BadRange, match="at most 50"):
        ranges.check(iter([*most, "203.0.113.9", "never read"]))


@pytest.mark.parametrize(
    "address, may",
    [
        ("203.0.113.9", True),
        ("::ffff:203.0.113.9", True),
        ("203.0.113.9:4711", True),
        ("203.0.114.9", False),
        ("2001:db8::ffff", True),
        ("2001:db8:1::", False),
        ("", False),
        ("unknown", False),
        ("*", False),
        ("203.0.113.9, 198.51.100.1", False),
    ],
)
def test_who_is_not_known_to_be_inside_is_outside(address, may):
    assert ranges.allows("203.0.113.0/24 2001:db8::/48", address) is may


def test_a_range_of_the_other_version_holds_nobody():
    assert not ranges.allows("::/0", "203.0.113.9")
    assert not ranges.allows("0.0.0.0/0", "2001:db8::1")


@pytest.mark.standard("I-12")
def test_a_bound_token_is_unknown_outside_whatever_else_is_wrong_with_it(db, alice):
    token, plaintext = make_token(alice, addresses=["203.0.113.0/24"])
    come_from("203.0.113.9")
    assert access.admit(plaintext).token_id == token.id

    for ended in (False, True):
        if ended:
            tokens.revoke(token)
            db.commit()
        for address in ("198.51.100.1", ""):
            come_from(address)
            with pytest.raises(access.InvalidToken) as refusal:
                access.admit(plaintext)
            assert refusal.value.fault == access.Fault.UNKNOWN


@pytest.mark.settings(trusted_proxies=1)
def test_behind_proxies_only_their_word_counts(db, alice):
    _, plaintext = make_token(alice, addresses=["127.0.0.1", "203.0.113.9"])

    come_from("203.0.113.9", forwarded="203.0.113.9")
    assert access.admit(plaintext)
    come_from("127.0.0.1")
    with pytest.raises(access.InvalidToken):
        access.admit(plaintext)


def test_a_token_made_by_a_bound_one_is_bound_as_well(db, alice):
    parent, _ = make_token(alice, scopes=["tokens:write"], addresses=["203.0.113.0/24"])
    make = {"scopes": ["tokens:write"], "parent": parent, "lifetime": SHORT}

    assert make_token(alice, **make).token.allowed_addresses == "203.0.113.0/24"
    assert make_token(alice, addresses=["203.0.113.128/25"], **make).token.allowed_addresses == "203.0.113.128/25"
    for wider in ([], ["203.0.112.0/23"], ["203.0.113.0/24", "2001:db8::/48"], ["::/0"]):
        with pytest.raises(tokens.RangeTooWide):
            make_token(alice, addresses=wider, **make)
        db.rollback()


def test_binding_a_parent_later_binds_what_it_made(db, alice):
    parent, _ = make_token(alice, scopes=["tokens:write"])
    _, child = make_token(alice, scopes=["tokens:write"], parent=parent, lifetime=SHORT)
    _, grandchild = make_token(alice, scopes=["tokens:write"], parent=access_to(child), lifetime=timedelta(hours=1))

    tokens.bind(parent, "203.0.113.0/24")
    db.commit()

    come_from("198.51.100.1")
    for plaintext in (child, grandchild):
        with pytest.raises(access.InvalidToken) as refusal:
            access.admit(plaintext)
        assert refusal.value.fault == access.Fault.UNKNOWN
    come_from("203.0.113.7")
    assert access.admit(grandchild)


def access_to(plaintext):
    return tokens.find(plaintext)


def test_ranges_are_only_ever_narrowed_without_proof(db, alice):
    token, _ = make_token(alice, addresses=["203.0.113.0/24"])

    for wider in (None, "203.0.112.0/23", "::/0"):
        with pytest.raises(tokens.RangeTooWide):
            tokens.bind(token, wider)
        db.rollback()
    tokens.bind(token, "203.0.113.9/32")
    tokens.bind(token, None, wider=True)
    assert token.allowed_addresses is None


@pytest.mark.standard("I-12")
@pytest.mark.parametrize("ended", ["child", "parent"])
def test_a_dead_token_is_unknown_outside_the_ranges_of_those_above_it(db, alice, ended):
    parent, _ = make_token(alice, scopes=["tokens:write"])
    child = make_token(alice, scopes=["tokens:write"], parent=parent, lifetime=SHORT)
    tokens.bind(parent, "203.0.113.0/24")
    tokens.revoke(child.token if ended == "child" else parent)
    db.commit()

    for address, fault in (("198.51.100.1", access.Fault.UNKNOWN), ("203.0.113.7", access.Fault.REVOKED)):
        come_from(address)
        with pytest.raises(access.InvalidToken) as refusal:
            access.admit(child.plaintext)
        assert refusal.value.fault == fault


@pytest.mark.standard("I-12")
@pytest.mark.parametrize("depth", [0, 1])
def test_outside_takes_as_many_statements_as_an_unknown_token(db, alice, monkeypatch, depth):
    token, plaintext = make_token(alice, scopes=["tokens:write"], addresses=["203.0.113.0/24"])
    if depth:
        plaintext = make_token(alice, scopes=["tokens:write"], parent=token, lifetime=SHORT).plaintext
    asked = []
    run = PreparedSelect._run
    monkeypatch.setattr(PreparedSelect, "_run", lambda self, given: asked.append(self) or run(self, given))
    come_from("198.51.100.1")

    counts = []
    for text in (plaintext, credentials.generate(Kind.DEVELOPER)):
        asked.clear()
        with pytest.raises(access.InvalidToken):
            access.admit(text)
        counts.append(len(asked))

    assert counts == [2, 2]
