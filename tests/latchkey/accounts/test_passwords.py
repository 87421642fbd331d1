import contextlib
import unicodedata
from types import SimpleNamespace

import pytest
from argon2 import PasswordHasher

from latchkey.accounts import passwords
from tests import processor

pytestmark = [pytest.mark.usefixtures("settings"), pytest.mark.either_database("asks the database nothing")]

PASSPHRASE = "Ein Käfer läuft über die Straße 虫虫虫虫虫虫 und singt ein Lied im Regen"


@pytest.mark.standard("L-01")
@pytest.mark.parametrize(
    "password",
    [
        "umbrella-quarry-violet-91",
        PASSPHRASE,
        "correct horse battery staple but longer",
        "x7Q!p2Lm#9vR",
        "q" + "zK4-" * 63 + "wxy",
        "   spaces   count   as   characters   ",
    ],
)
def test_good_passwords_are_taken_as_they_are(password):
    passwords.check(password, known=("ada@example.com", "Ada Lindqvist"))

    stored = passwords.hash(password)

    assert passwords.verify(stored, password)
    assert not passwords.verify(stored, password + " ")


@pytest.mark.standard("L-02")
@pytest.mark.parametrize(
    "password, says",
    [
        ("", "at least 12"),
        ("eleven-char", "at least 12"),
        ("v" * 257, "at most 256"),
        ("v" * 1_000_000, "at most 256"),
        ("ne\u0301e\u0301e\u0301e\u0301", "at least 12"),
        ("password12345678", "too easy"),
        ("passwordpassword", "too easy"),
        ("123456789012", "too easy"),
        ("qwertyuiopas", "too easy"),
        ("aaaaaaaaaaaaaaaa", "too easy"),
        ("ada@example.com", "too easy"),
        ("Ada Lindqvist", "too easy"),
        ("adalindqvist1", "too easy"),
        ("LatchkeyLatchkey", "too easy"),
    ],
)
def test_short_common_and_obvious_passwords_are_refused_with_a_reason(password, says):
    with pytest.raises(passwords.WeakPassword, match=says):
        passwords.check(password, known=("ada@example.com", "Ada Lindqvist", "adalindqvist"))


@pytest.mark.standard("L-02")
@pytest.mark.settings(base_url="https://zorgblatt.wexmoor.example")
@pytest.mark.parametrize("password", ["zorgblattzorgblatt", "Wexmoor123456"])
def test_the_name_of_this_host_makes_no_password(settings, password):
    with pytest.raises(passwords.WeakPassword, match="too easy"):
        passwords.check(password)


@pytest.mark.parametrize(
    "password",
    ["4@8({[<369&#1!|70$5+%2" * 4, "({[<4@1!|69$5+7" * 15, "$@13" * 60, "password" * 9, "aA1!" * 18, "x" * 256],
)
def test_no_password_keeps_a_core_busy(password):
    def check() -> None:
        with contextlib.suppress(passwords.WeakPassword):
            passwords.check(password, known=("a" * 200 + "@example.com", "b" * 80))

    processor.takes_less(0.5, check)


@pytest.mark.standard("L-03")
def test_passwords_are_kept_as_argon2id_with_the_recommended_cost():
    stored = passwords.hash("umbrella-quarry-violet-91")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not passwords.outdated(stored)
    assert passwords.outdated(stored.replace("t=2", "t=1"))


def test_a_hash_that_another_library_made_is_known_whatever_it_cost():
    """Of databases that were here before; at the next sign-in it is made anew."""
    stored = PasswordHasher(time_cost=1, memory_cost=64, parallelism=4).hash("umbrella-quarry-violet-91")

    assert passwords.verify(stored, "umbrella-quarry-violet-91")
    assert not passwords.verify(stored, "umbrella-quarry-violet-92")
    assert passwords.outdated(stored)


@pytest.mark.standard("L-01")
def test_two_spellings_of_one_letter_are_one_password():
    composed, decomposed = "Caf\u00e9 hammock 4711 tulip", "Cafe\u0301 hammock 4711 tulip"

    assert passwords.verify(passwords.hash(composed), decomposed)


@pytest.mark.standard("L-01")
def test_a_password_of_the_greatest_length_is_not_a_prefix_of_longer_ones():
    longest = "kW3-" * 64
    stored = passwords.hash(longest)

    assert passwords.verify(stored, longest)
    assert not passwords.verify(stored, longest + "x")
    assert not passwords.verify(stored, longest * 1000)


@pytest.mark.parametrize(
    "stored",
    [None, "", "not a hash", "$argon2id$v=19$m=19456,t=2,p=1$broken", "ä", "$argon2id$v=19$m=64,t=1,p=1$" + "A" * 200],
)
def test_whoever_has_no_password_has_no_right_one(stored):
    assert not passwords.verify(stored, "nobody has this password")


def test_a_password_of_the_greatest_length_may_arrive_decomposed():
    """U+1F82 is one character that systems such as macOS send as four."""
    decomposed = unicodedata.normalize("NFD", "umbrella-quarry-violet91" + "\u1f82\u00e9\u4e2d\u0439" * 58)
    composed = unicodedata.normalize("NFC", decomposed)

    passwords.check(decomposed)

    assert (len(composed), len(decomposed)) == (256, 546)
    assert passwords.verify(passwords.hash(decomposed), composed)
    assert passwords.verify(passwords.hash(composed), decomposed)


@pytest.mark.standard("A-07")
def test_what_a_guesser_tries_first_is_bounded_before_it_is_split(monkeypatch):
    given = []
    monkeypatch.setattr("zxcvbn.zxcvbn", lambda _password, user_inputs: given.extend(user_inputs) or {"guesses": 1e9})

    passwords.check("umbrella-quarry-violet-91", known=("a@" * 400_000, "b" * 400_000))

    assert len(given) <= 12
    assert max(map(len, given)) <= 256


@pytest.mark.standard("A-07")
@pytest.mark.parametrize("password", ["x" * 1_000_000, "v" + "\u0301" * 10_000 + "\u0316" * 10_000], ids=range(2))
def test_a_hostile_password_is_cut_before_it_is_normalised_and_hashed(password, monkeypatch):
    """Normalising these marks takes half a second."""
    stored, done, normalize, fits = passwords.hash("violet"), [], unicodedata.normalize, passwords._fits
    counting = SimpleNamespace(normalize=lambda form, text: done.append(len(text)) or normalize(form, text))
    monkeypatch.setattr(passwords, "unicodedata", counting)
    monkeypatch.setattr(passwords, "_fits", lambda kept, text: done.append(len(text)) or fits(kept, text))

    assert not passwords.verify(stored, password)

    normalised, hashed = done
    assert normalised <= passwords.LONGEST_TYPED
    assert hashed <= 4 * passwords.LONGEST
