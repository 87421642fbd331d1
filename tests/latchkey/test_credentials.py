import re
import zlib
from collections import Counter

import pytest

from latchkey import credentials
from latchkey.credentials import Kind

pytestmark = pytest.mark.either_database("asks the database nothing")

# Scanners are written against this form: it never changes.
VECTOR = "lk_dev_0123456789ABCDEFGHIJKLMNOPQRST" + "0MIDqW"


def base62(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    text = ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = digits[digit] + text
    return text


@pytest.mark.standard("E-01", "I-01")
@pytest.mark.parametrize("kind", Kind)
def test_a_credential_is_prefix_kind_thirty_random_characters_and_a_checksum(settings, kind):
    text = credentials.generate(kind)

    assert re.fullmatch(rf"lk_{kind}_[0-9A-Za-z]{{36}}", text)
    assert text[-6:] == base62(zlib.crc32(text[:-6].encode()))
    assert credentials.kind_of(text) is kind


def test_the_published_example_is_well_formed(settings):
    assert credentials.kind_of(VECTOR) is Kind.DEVELOPER


@pytest.mark.standard("I-01")
def test_the_checksum_is_padded_to_six_characters(settings, monkeypatch):
    monkeypatch.setattr(credentials.zlib, "crc32", lambda _: 61)

    assert credentials.generate(Kind.DEVELOPER).endswith("00000z")


@pytest.mark.settings(token_prefix="acme")
def test_the_prefix_is_the_installations_own(settings):
    text = credentials.generate(Kind.DEVELOPER)

    assert text.startswith("acme_dev_")
    assert credentials.kind_of(text) is Kind.DEVELOPER
    assert credentials.kind_of("lk" + text.removeprefix("acme")) is None


def test_what_only_begins_as_a_kind_is_as_long_as_one(settings):
    text = credentials.generate(Kind.SECRET)

    assert credentials.begins_as(text, Kind.SECRET)
    assert credentials.begins_as(text[:-1] + "!", Kind.SECRET)
    for other in (text + "x", text[:-1], "", credentials.generate(Kind.ACCESS), "x" * 100_000, text[1:] + "x"):
        assert not credentials.begins_as(other, Kind.SECRET)


@pytest.mark.standard("I-01")
def test_changing_any_character_breaks_it(settings):
    text = credentials.generate(Kind.DEVELOPER)

    changed = [text[:place] + ("b" if sign == "a" else "a") + text[place + 1 :] for place, sign in enumerate(text)]

    assert len(text) == 43
    assert not [each for each in changed if credentials.kind_of(each)]


@pytest.mark.parametrize(
    "text", ["", "lk", "lk_dev_", " ", "lk_dev_" + "x" * 35, "lk_dev_" + "é" * 36, "\x00", "x" * 10_000]
)
def test_what_is_no_credential_has_no_kind(settings, text):
    assert credentials.kind_of(text) is None
    assert credentials.kind_of(credentials.generate(Kind.ACCESS) + text.ljust(1)) is None


@pytest.mark.standard("I-01")
@pytest.mark.parametrize(
    "beginning, random",
    [
        ("lk_dev_", "x" * 29 + "_"), ("lk_dev_", "x" * 29 + "\n"), ("lk_dev_", "x" * 29 + "٣"), ("lk_dev_", "x" * 31),
        ("lk_dev_", "x" * 29), ("LK_dev_", "x" * 30), ("lk_DEV_", "x" * 30), ("lk_xyz_", "x" * 30),
        ("lk_dev", "x" * 31), ("ab_dev_", "x" * 30), ("lk_dev_ ", "x" * 29), (" lk_dev_", "x" * 30), ("dev_", "x" * 30),
        ("", "x" * 30),
    ],
)  # fmt: skip
def test_a_right_checksum_makes_no_credential_of_another_form(settings, beginning, random):
    assert credentials.kind_of(credentials.with_checksum("lk_dev_" + "x" * 30)) is Kind.DEVELOPER
    assert credentials.kind_of(credentials.with_checksum(beginning + random)) is None


def test_what_is_no_text_at_all_has_no_kind(settings):
    assert credentials.kind_of(credentials.generate(Kind.DEVELOPER)[:-1] + "\ud800") is None


def test_two_credentials_are_never_alike(settings):
    assert len({credentials.generate(Kind.DEVELOPER) for _ in range(1000)}) == 1000


@pytest.mark.standard("I-01")
def test_every_character_is_as_likely_at_every_place(settings):
    drawn = [credentials.generate(Kind.DEVELOPER).rpartition("_")[2][:30] for _ in range(10_000)]

    for place in range(30):
        seen = Counter(text[place] for text in drawn)
        assert len(seen) == 62
        # 161 are expected; six times the standard deviation to either side.
        assert 85 < min(seen.values()) <= max(seen.values()) < 238


def test_only_the_same_plaintext_matches_a_digest():
    stored = credentials.digest("one")

    assert len(stored) == 32
    assert credentials.matches("one", stored)
    assert not credentials.matches("two", stored)
    assert not credentials.matches("\ud800", stored)


def test_opaque_texts_are_43_characters_for_urls():
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", credentials.opaque())
