"""Names that read like the operator's, in the scripts and signs that fonts draw alike (UTS 39)."""

import contextlib

import pytest

from latchkey import texts
from latchkey.accounts import users
from latchkey.naming import lookalikes, names
from tests import processor
from tests.factories import PASSWORD

pytestmark = [pytest.mark.usefixtures("settings"), pytest.mark.standard("J-04")]

IMITATIONS = [
    *("Latchkey", "LATCHKEY", "my latchkey app", "Latch key", "L-a-t-c-h-k-e-y", "Latch.Key", "latchkey™"),
    *("Iatchkey", "1atchk3y", "|atchkey", "L@tchkey", "Làtchkey", "łąţçħķęÿ", "Łatchkey", "Lⱥtchkey", "Latchƙey"),
    # Joiners, variation selectors, blanks.
    *("La\u200dtch\u200ckey", "Lat\ufe0fchkey", "Latch\ufe01key", "Latch\u2800key"),
    # Cyrillic, with descender and other tails; Greek; Armenian; Cherokee; Lisu.
    *("Lаtсhкеу", "Latchқey", "Latchҝey", "Latchҡey", "Latchkҽy", "Latchkeү", "LATCНKEY", "Lɑtchkey"),
    *("LΑΤCΗΚΕΥ", "LΛTCHKEY"),
    *("Latcհkey", "Լatchkey", "Ꮮatchkey", "ᏞᎪᎢᏟᎻᏦᎬᎽ", "ꓡꓮꓔꓚꓧꓗꓰꓬ"),
    # Small capitals, and letters in other dress.
    *("ʟᴀᴛᴄʜᴋᴇʏ", "Ｌatchkey", "𝐋𝐚𝐭𝐜𝐡𝐤𝐞𝐲", "🄻🄰🅃🄲🄷🄺🄴🅈", "🅛🅐🅣🅒🅗🅚🅔🅨", "🅻🅰🆃🅲🅷🅺🅴🆈", "ⓛⓐⓣⓒⓗⓚⓔⓨ", "🇱🇦🇹🇨🇭🇰🇪🇾", "Latchkəy"),
    # “Fancy text”: currency signs, other scripts and lines; signs for letters, with others between them.
    *("Ⱡ₳₮₵Ⱨ₭ɆɎ", "ㄥ卂ㄒ匚卄Ҝ乇ㄚ", "ᒪᗩTᑕᕼKEY", "ɭคՇςђкєץ", "❘atchkey", "レatchkey", "LѦTCHKEY", "ⳑⲁtchkⲉⲹ"),
    *("La+chkey", "Lat(hkey", "Latc#key", "L^+<hkey", "L(a)+[c]hkey", "(Latch(key))", "La†chk€y"),
]  # fmt: skip


@pytest.mark.parametrize("name", IMITATIONS)
def test_a_name_that_reads_like_the_operators_is_refused(name):
    with pytest.raises(texts.BadText, match="pass for us"):
        names.check(name, 60)


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "name",
    [
        *("Latch", "Patch key maker", "Ledger", "Hatch keyboard", "Acme GmbH", "Zoë O'Hara", "Ада Лавлейс", "محمد علي"),
        *("李小龍", "नमस्ते", "👩\u200d🚀 rocket", "5,000 keys", "Κώστας"),
    ],
)
def test_other_names_are_welcome(name):
    assert names.check(name, 60) == name


@pytest.mark.parametrize("name", ["Acme GmbH ✓", "✅ Acme", "Acme \N{HEAVY CHECK MARK}\ufe0f"])
def test_a_check_mark_is_not_typed(name):
    with pytest.raises(texts.BadText, match="check marks"):
        names.check(name, 60)


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("name", ["Acme (Verified)", "Acme. Vеrified by us", "V.e.r.i.f.i.e.d", "Acme 𝗩𝗲𝗿𝗶𝗳𝗶𝗲𝗱"])
def test_the_word_of_our_mark_is_not_typed(name):
    with pytest.raises(texts.BadText, match="we say so"):
        names.check(name, 60)
    assert names.shown(name, ours=False) == names.UNNAMED
    assert names.check(name, 60, ours=True)


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "text, name, reads",
    [
        ("Acrne", "Acme", True),
        ("ACME", "acme", True),
        ("Vvonder", "Wonder", True),
        ("Go fast", "Go", True),
        ("Mango", "Go", False),
        ("ЯНДЕКС почта", "Яндекс", True),
        ("深圳银行", "深圳银行", True),
        ("anything", "🔑", False),
    ],
)
def test_brands_of_all_kinds_are_kept(text, name, reads):
    assert lookalikes.reads_like(text, name) is reads


def test_the_table_is_unicodes_and_says_of_which_version():
    head = lookalikes.TABLE.read_text(encoding="utf-8").splitlines()[:9]

    assert "# Version: 18.0.0" in head
    assert any("terms of use and license" in line for line in head)
    assert len(lookalikes._table()) == 6_712


def test_names_of_owners_are_held_to_it_and_those_of_administrators_are_not(db):
    given = {"password": PASSWORD, "name": "Lаtchkey Team"}
    with pytest.raises(texts.BadText, match="pass for us"):
        users.sign_up(email="eve@example.com", **given)
    admin = users.sign_up(email="ada@example.com", admin=True, **given)
    eve = users.sign_up(email="eve@example.com", password=PASSWORD, name="Eve")
    with pytest.raises(texts.BadText, match="pass for us"):
        users.rename(eve, "Latchkey")
    users.rename(admin, "Latchkey")


@pytest.mark.standard("A-07")
def test_a_hostile_name_takes_no_time():
    hostile = ("\ufdfa" * 60, "".join(chr(0x4E00 + number) for number in range(60)), "\u0344" * 60, "x" * 5_000_000)

    def check() -> None:
        # What is remembered of characters is no work.
        lookalikes._read.cache_clear()
        for name in hostile:
            with contextlib.suppress(texts.BadText):
                names.check(name, 60)

    processor.takes_less(0.5, check)
