import re
import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis.strategies import from_regex

from latchkey import texts
from tests import processor

# Two kinds of marks in the wrong order, so that normalising has all of them to sort.
UNSORTED = "\u0301" * 10_000 + "\u0316" * 10_000


@pytest.mark.parametrize(
    "typed, kept",
    [
        ("  Nightly backup ", "Nightly backup"),
        ("Zoe\u0308", "Zoë"),
        ("نسخ احتياطي", "نسخ احتياطي"),
        ("👩\u200d🚀 rocket", "👩\u200d🚀 rocket"),
        ("<b>bold</b> & 'quoted'", "<b>bold</b> & 'quoted'"),
        ("x" * 80, "x" * 80),
        ("\N{LATIN SMALL LETTER U WITH DIAERESIS AND MACRON}" * 80, "\u01d6" * 80),
        ("u\u0308\u0304" * 80, "\u01d6" * 80),
        ("בְּרֵאשִׁ֖ית", unicodedata.normalize("NFC", "בְּרֵאשִׁ֖ית")),
        ("Fresh \U0001faea", "Fresh \U0001faea"),
        ("\U0001faea", "\U0001faea"),
    ],
)
def test_a_line_is_trimmed_composed_and_else_kept_as_typed(typed, kept):
    assert texts.line(typed, 80) == kept


@pytest.mark.parametrize("typed", ["", "   ", "\t\n", "\u200d", "\ufe0f", "\u0301"])
def test_a_line_that_shows_nothing_is_empty(typed):
    with pytest.raises(texts.BadText, match="Write something here"):
        texts.line(typed, 80)


@pytest.mark.parametrize("typed", [None, 7, True, ["a"], {"a": 1}, b"bytes"])
def test_what_is_no_text_is_refused(typed):
    with pytest.raises(texts.BadText):
        texts.line(typed, 80)


@pytest.mark.parametrize(
    "character",
    [
        *("\x00", "\x07", "\n", "\r", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "\ufffd", "\ue000", "\U0010ffff"),
        *("\ufdd0", "\ufffe", "\U0001fffe"),
        *("\u200b", "\u200e", "\u200f", "\u202e", "\u2066", "\u2060", "\ufeff", "\u00ad", "\u3164", "\U000e0041"),
    ],
)
def test_control_and_hidden_characters_are_refused(character):
    with pytest.raises(texts.BadText, match="cannot be seen"):
        texts.line(f"back{character}up", 80)


@pytest.mark.standard("J-04")
@pytest.mark.parametrize("character", ["\u2800", "\U0001d159", "\U0001bca0", "\U0001d173", "\U00013430"])
def test_a_line_of_signs_that_are_drawn_empty_is_none(character):
    """An app without a visible name would ask people in nobody's name."""
    for blank in (character, character * 3, f" {character} ", f"{character}\u0301"):
        with pytest.raises(texts.BadText, match="Write something"):
            texts.line(blank, 80)
    assert texts.line(f"Field{character}notes", 80)


def test_a_line_that_is_too_long_says_how_long_it_may_be():
    with pytest.raises(texts.BadText, match="81 characters long; 80 are the most"):
        texts.line("x" * 81, 80)


def test_what_a_stranger_says_of_itself_is_cut_and_made_printable():
    assert texts.printable("curl/8\r\nSet-Cookie: a=b\x00\u202e", 12) == "curl/8Set-"


@pytest.mark.standard("A-07")
@pytest.mark.parametrize("typed", ["a" + UNSORTED, "x" * 321, " " * 321, "a" + "\u0301" * 11], ids=range(4))
def test_nothing_is_normalised_before_its_length_and_its_marks_are_bounded(typed, monkeypatch):
    untouched = SimpleNamespace(category=unicodedata.category)
    monkeypatch.setattr(texts, "unicodedata", untouched)

    with pytest.raises(texts.BadText, match="at most"):
        texts.line(typed, 80)


@pytest.mark.standard("A-07")
def test_a_line_of_a_megabyte_of_marks_takes_no_time():
    """Normalising it takes minutes."""

    def read() -> None:
        with pytest.raises(texts.BadText):
            texts.line("a" + UNSORTED * 25, 254)

    processor.takes_less(1, read)


@pytest.mark.slow("generates texts by the hundred")
@settings(database=None, deadline=None, derandomize=True)
@given(from_regex(texts.PATTERN[1:-1], fullmatch=True).filter(lambda text: len(text) <= 80))
def test_whatever_programs_are_told_is_taken(text):
    kept = texts.line(text, 240)

    assert kept == unicodedata.normalize("NFC", text.strip())
    assert re.fullmatch(texts.PATTERN, kept)
