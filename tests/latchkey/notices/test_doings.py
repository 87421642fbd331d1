"""What was done in an account, in a few words."""

from latchkey.journal.activity import EventKind
from latchkey.notices import doings


def test_every_kind_of_event_has_words_of_its_own():
    assert set(doings.WORDS) == set(EventKind)
    assert len(set(doings.WORDS.values())) == len(EventKind)


def test_what_was_done_often_comes_first_and_is_counted():
    assert doings.told({"app.registered": 1, "token.created": 3}) == "Created a token (3), registered an app"
    assert doings.told({}) == ""


def test_a_kind_of_a_newer_version_is_still_told():
    assert doings.told({"token.lent_out": 2}) == "Token lent out (2)"
