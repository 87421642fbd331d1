import pytest

from latchkey import texts


@pytest.mark.parametrize(
    "typed, kept",
    [
        ("  Nightly backup ", "Nightly backup"),
        ("Zoe\u0308", "Zoë"),
        ("نسخ احتياطي", "نسخ احتياطي"),
        ("👩\u200d🚀 rocket", "👩\u200d🚀 rocket"),
        ("<b>bold</b> & 'quoted'", "<b>bold</b> & 'quoted'"),
        ("x" * 80, "x" * 80),
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
        *("\u200b", "\u200e", "\u200f", "\u202e", "\u2066", "\u2060", "\ufeff", "\u00ad", "\u3164", "\U000e0041"),
    ],
)
def test_control_and_hidden_characters_are_refused(character):
    with pytest.raises(texts.BadText, match="cannot be seen"):
        texts.line(f"back{character}up", 80)


def test_a_line_that_is_too_long_says_how_long_it_may_be():
    with pytest.raises(texts.BadText, match="at most 80 characters"):
        texts.line("x" * 81, 80)


def test_what_a_stranger_says_of_itself_is_cut_and_made_printable():
    assert texts.printable("curl/8\r\nSet-Cookie: a=b\x00\u202e", 12) == "curl/8Set-"
