import pytest
from sqlalchemy import func, select

from latchkey import tokens
from latchkey.accounts import emails, passwords, users
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from latchkey.oversight import doctor
from latchkey.texts import BadText
from tests import factories
from tests.factories import PASSWORD, make_client, make_token, make_user

pytestmark = pytest.mark.usefixtures("settings")


def sign_up(**given):
    return users.sign_up(**{"email": "ada@example.com", "name": "Ada", "password": PASSWORD, **given})


def test_a_new_user_is_not_verified_and_found_by_any_spelling_of_the_address(db):
    user = sign_up(email="  Ada.Lindqvist@EXAMPLE.com ", name="  Ada  ")
    db.commit()

    assert (user.email, user.name, user.verified, user.is_admin) == ("Ada.Lindqvist@example.com", "Ada", False, False)
    assert user.id.startswith("usr_")
    assert users.find_by_email("ada.lindqvist@example.COM") is user
    assert users.find(user.id) is user
    assert PASSWORD not in user.password_hash


def test_an_address_belongs_to_one_user_however_it_is_spelt(db):
    sign_up(email="ada@example.com")
    db.commit()

    with pytest.raises(users.EmailTaken):
        sign_up(email="ADA@Example.com")

    assert db.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.parametrize(
    "email",
    [
        "",
        " ",
        "ada",
        "ada@",
        "@example.com",
        "ada@exa mple.com",
        "ada@example.com\x00",
        "ada\r\nBcc: bob@example.com",
        "ada@example.com, bob@example.com",
        "Ada <ada@example.com>",
        "a\u202eda@example.com",
        "ädä@example.com",
        "ada@example..com",
        "ada@" + "e" * 250 + ".com",
        "\u0390" * 32 + "@" + ".".join(["d" * 60] * 3) + ".com",
        "x" * 1_000_000,
        None,
        ["ada@example.com"],
    ],
)
def test_what_is_no_address_is_refused(email):
    with pytest.raises(emails.InvalidEmail, match=r"ada@example\.com"):
        sign_up(email=email)

    assert users.find_by_email(str(email)) is None


@pytest.mark.parametrize(
    "name", ["", "   ", "\u200b", "Ada\x00", "Ada\nLindqvist", "Ada \u202eLindqvist", "x" * 81, "x" * 1_000_000, None]
)
def test_names_are_one_visible_line(name):
    with pytest.raises(BadText):
        sign_up(name=name)


def test_names_of_all_scripts_are_kept(db):
    for number, name in enumerate(["Åsa Öström", "李小龍", "محمد علي", "<b>Ada</b>", "O'Brien", "🔑"]):
        assert sign_up(name=name, email=f"ada{number}@example.com").name == name


def test_a_weak_password_makes_no_account(db):
    with pytest.raises(passwords.WeakPassword):
        sign_up(password="password12345678")

    assert users.find_by_email("ada@example.com") is None


def test_the_right_password_authenticates_and_nothing_else_does(db):
    user = sign_up()
    db.commit()

    assert users.authenticate(users.find_by_email("ADA@example.com "), PASSWORD) is user
    for email, password in [
        ("ada@example.com", "wrong-" + PASSWORD),
        ("ada@example.com", ""),
        ("ada@example.com", PASSWORD + "\x00"),
        ("bob@example.com", PASSWORD),
        ("ada@example.com\x00", PASSWORD),
        ("", PASSWORD),
        ("%", PASSWORD),
    ]:
        assert users.authenticate(users.find_by_email(email), password) is None


def test_a_disabled_user_has_no_password_until_enabled(db):
    user = make_user()

    users.disable(user)
    db.commit()
    refused = users.authenticate(users.find_by_email(user.email), PASSWORD)
    users.enable(user)
    db.commit()

    assert refused is None
    assert users.authenticate(users.find_by_email(user.email), PASSWORD) is user


def test_verifying_another_address_replaces_the_first_and_never_one_of_somebody_else(db):
    ada, bob = make_user("ada@example.com", verified=False), make_user("bob@example.com")

    users.verify_email(ada, "Ada@new.example.com")
    db.commit()
    with pytest.raises(users.EmailTaken):
        users.verify_email(ada, "BOB@example.com")
    db.rollback()

    assert (ada.email, ada.verified) == ("Ada@new.example.com", True)
    assert users.find_by_email("bob@example.com") is bob
    assert users.find_by_email("ada@example.com") is None


def test_a_changed_password_is_the_only_one(db):
    user = make_user()

    factories.set_password(user, "lantern-orchid-57-gravel")
    db.commit()

    assert users.authenticate(users.find_by_email(user.email), PASSWORD) is None
    assert users.authenticate(users.find_by_email(user.email), "lantern-orchid-57-gravel") is user
    with pytest.raises(passwords.WeakPassword):
        factories.set_password(user, "alice@example.com")


def test_renaming_moves_the_time_of_the_last_change(db, clock):
    user = make_user()
    clock.move(hours=1)

    users.rename(user, " Alice Liddell ")

    assert (user.name, user.updated_at) == ("Alice Liddell", clock.now())


def test_removing_a_user_takes_all_that_is_theirs_along(db):
    alice, bob = make_user("alice@example.com"), make_user("bob@example.com")
    hers, his = make_token(alice), make_token(bob)
    make_client(alice)

    users.remove(alice)
    db.commit()

    assert users.find_by_email("alice@example.com") is None
    assert tokens.find(hers.plaintext) is None
    assert tokens.find(his.plaintext) is not None
    assert db.scalar(select(func.count()).select_from(Client)) == 0
    assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0


def test_a_dummy_user_can_be_used_like_a_user_and_nothing_of_it_is_kept(db):
    with users.alike(None) as nobody:
        activity.record(nobody, EventKind.SIGN_IN_FAILED)
    db.commit()

    assert db.scalar(select(func.count()).select_from(User)) == 0
    assert db.scalar(select(func.count()).select_from(Event)) == 0


def test_what_is_written_beside_a_dummy_user_is_kept(db, alice):
    activity.record(alice, EventKind.RENAMED)
    with users.alike(None) as nobody:
        activity.record(nobody, EventKind.SIGN_IN_FAILED)
    db.commit()

    assert [event.kind for event in activity.list_for(alice)] == ["account.renamed"]


@pytest.mark.standard("L-08")
def test_a_sharp_s_is_another_domain_than_two(db):
    """IDNA 2003 leads letters for straße.example to strasse.example, whose owner could then reset the account."""
    vic = sign_up(email="vic@straße.example")
    other = sign_up(email="vic@strasse.example")
    db.commit()

    assert vic.email == "vic@xn--strae-oqa.example"
    assert users.find_by_email("vic@strasse.example") is other
    assert users.find_by_email("Vic@STRAẞE.example") is users.find_by_email("vic@xn--strae-oqa.example") is vic


@pytest.mark.standard("L-05")
@pytest.mark.parametrize(
    "email", ["Ada@Example.COM", " ada@example.com ", "ada@ｅxample.com", "ada@example。com", "ada@exam\u00adple.com"]
)
def test_tries_are_counted_by_one_key_however_the_address_is_spelt(email):
    assert emails.key(email) in ("ada@example.com", email.casefold())
    assert users.find_by_email(email) is None or emails.key(email) == "ada@example.com"


def test_whoever_was_left_with_an_old_spelling_is_found_by_it(db):
    first = sign_up(email="vic@bücher.example")
    second = sign_up(email="someone@example.com")
    second.email, second.email_key = first.email, "vic@bücher.example"
    db.commit()

    assert users.find_by_email("vic@xn--bcher-kva.example") is first
    assert users.find_by_email("Vic@Bücher.example") is second
    assert doctor.fallen_together() == [second]
