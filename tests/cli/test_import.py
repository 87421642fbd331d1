"""`latchkey import`: what another system's tokens were, they are here, once, and nothing bad stops what is good."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete, func, select, update

from latchkey import credentials, grants, tokens
from latchkey import settings as settings_module
from latchkey.accounts import passwords, users
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import Authorization
from latchkey.journal.acts import Act
from latchkey.store import session as store
from latchkey.tokens import Token, access
from latchkey.tokens.imported import lookup, proofs
from latchkey.transfer.moving import importing
from tests import factories
from tests.cli import moving
from tests.cli.conftest import Latchkey
from tests.cli.moving import SCOPES, django, lines, row
from tests.crowd import at_once
from tests.oauth import dance
from tests.statements import counted

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def bring(cli, tmp_path):
    """Import these lines from a system; what the command says."""

    def bring(system: str, rows, *more: str) -> dict:
        return cli.json("import", lines(tmp_path / "file", rows), "--from", system, *SCOPES, *more)

    return bring


@pytest.fixture
def ask(app):
    """The status of a call with a token at the API, at the gateway check, and what it is told."""

    def ask(token: str):
        headers = {"Authorization": f"Bearer {token}"}
        client = app.test_client()
        at_api, at_check = client.get("/v1/me", headers=headers), client.get("/oauth/check", headers=headers)
        return (
            at_api.status_code,
            at_check.status_code,
            at_api.json.get("email") or at_api.json["type"].rpartition("-")[0].rpartition("-")[2],
        )

    yield ask
    store.db.remove()


USER = django("auth.user", 1, username="ada", email="ada@example.com", first_name="Ada", last_name="L", is_active=True)
APP = django(
    "oauth2_provider.application", 5, client_id="abc", user=1, name="Rockets", client_type="confidential",
    redirect_uris="https://rockets.example.com/cb http://rockets.example.com/plain",
)  # fmt: skip


def access_token(pk, token=None, **fields):
    told = {"user": 1, "application": 5, "token": token, "scope": "read", "expires": "2100-01-01T00:00:00Z"} | fields
    return django("oauth2_provider.accesstoken", pk, **told)


def test_tokens_of_django_oauth_toolkit_go_on_working(bring, ask):
    checksum = hashlib.sha256(b"only-its-checksum").hexdigest()
    told = bring(
        "django-oauth-toolkit",
        [
            access_token(1, "the-first-token-of-ada"),
            access_token(2, None, token_checksum=checksum),
            access_token(3, "over", expires="2020-01-01T00:00:00Z"),
            access_token(4, "nobodys-app", application=None),
            django("oauth2_provider.refreshtoken", 1, token="x", application=5, user=1, access_token=None),
            APP,
            USER,
        ],
    )

    assert ask("the-first-token-of-ada") == (200, 200, "ada@example.com")
    assert ask("only-its-checksum") == (200, 200, "ada@example.com")
    assert ask("nobodys-app")[:2] == (200, 200)
    assert ask("over")[:2] == ask("never")[:2] == (401, 401)
    assert told["tokens"] == {"new": 3, "known": 0, "skipped": 1}
    assert (told["users"]["new"], told["apps"]["new"], told["ended"], told["unread"]) == (1, 1, 1, 0)
    assert [skipped["line"] for skipped in told["skipped"]] == [5]
    client = store.db.scalars(select(Client)).one()
    assert (client.name, client.redirect_uris, client.scope) == (
        "Rockets", ["https://rockets.example.com/cb"], "account:read",
    )  # fmt: skip
    assert store.db.scalars(select(Authorization)).one().scope == "account:read"
    assert store.db.scalars(select(Act.target)).one() == "3 tokens from django-oauth-toolkit"


def test_tokens_of_doorkeeper_go_on_working_plain_or_hashed(bring, ask):
    moment = "2026-01-02 03:04:05.678"
    told = bring(
        "doorkeeper",
        [
            row("users", id=1, email="ada@example.com", confirmed_at=moment, encrypted_password="$2a$12$x"),
            row("users", id=2, email="eve@example.com", confirmed_at=None),
            row("oauth_applications", id=1, uid="u1", name="App", redirect_uri="https://a.example.com/cb",
                scopes="read", confidential=False),
            row("oauth_access_tokens", id=1, resource_owner_id=1, application_id=1, token="plain-one", scopes="read",
                created_at=moment, expires_in=None, revoked_at=None),
            row("oauth_access_tokens", id=2, resource_owner_id=1, application_id=1,
                token=hashlib.sha256(b"hashed-one").hexdigest(), scopes="read", created_at=moment,
                expires_in=900_000_000, revoked_at=None),
            row("oauth_access_tokens", id=3, resource_owner_id=1, application_id=1, token="taken-back", scopes="read",
                created_at=moment, expires_in=None, revoked_at=moment),
            row("oauth_access_tokens", id=4, resource_owner_id=2, application_id=1, token="of-eve", scopes="read",
                created_at=moment, expires_in=None, revoked_at=None),
        ],
        "--owner", factories.make_user("op@example.com").email,
    )  # fmt: skip

    assert ask("plain-one") == ask("hashed-one") == (200, 200, "ada@example.com")
    assert ask("taken-back")[:2] == ask("of-eve")[:2] == (401, 401)
    # A digest that somebody read is no token.
    assert ask(hashlib.sha256(b"hashed-one").hexdigest())[:2] == (401, 401)
    assert told["skipped"] == [
        {"line": 2, "why": "user 2: its address was not verified there"},
        {"line": 7, "why": "token 4: its user did not come in"},
    ]


@pytest.fixture
def passport(bring, tmp_path):
    """A Passport of which tokens were imported."""
    signer, (key, moment) = moving.Signer(), (tmp_path / "public.key", "2026-01-02 03:04:05")
    key.write_bytes(signer.public())
    clients = {"redirect": "https://a.example.com/cb", "revoked": 0, "secret": None, "user_id": 1}
    common = {"user_id": 1, "revoked": False, "created_at": moment, "expires_at": "2100-01-02 03:04:05"}
    signer.told = bring(
        "passport",
        [
            row("users", id=1, name="Ada", email="ada@example.com", email_verified_at=moment),
            row("oauth_clients", id=1, name="App", personal_access_client=0, **clients),
            row("oauth_clients", id=2, name="Personal", personal_access_client=1, **clients),
            row("oauth_access_tokens", id="j1", client_id=1, name=None, scopes='["read"]', **common),
            row("oauth_access_tokens", id="j2", client_id=2, name="Deploy", scopes='["read","write"]', **common),
            row("oauth_access_tokens", id="j3", client_id=1, name=None, scopes='["read"]', **common | {"revoked": 1}),
            row("personal_access_tokens", id=7, tokenable_type="App\\Models\\User", tokenable_id=1, name="CLI",
                token=hashlib.sha256(b"sanctum-secret").hexdigest(), abilities='["read"]', created_at=moment,
                expires_at=None),
            row("oauth_refresh_tokens", id="r", access_token_id="j1"),
        ],
        "--public-key", str(key),
    )  # fmt: skip
    return signer


@pytest.mark.standard("I-02")
def test_signed_tokens_of_passport_are_proved_once_and_then_known_as_ours(passport, ask, monkeypatch):
    assert passport.told["tokens"]["new"] == 3
    for jti in ("j1", "j2"):
        assert ask(passport.token(jti)) == (200, 200, "ada@example.com")
    assert ask("7|sanctum-secret") == (200, 200, "ada@example.com")
    for wrong in (moving.Signer().token("j1"), passport.token("j3"), passport.token("j9"), "7|guess", "8|x", "7|"):
        assert ask(wrong)[:2] == (401, 401)

    monkeypatch.setattr(proofs, "signed", lambda *_: pytest.fail("it was proved before"))
    monkeypatch.setattr(proofs, "verifier", lambda *_: pytest.fail("it was proved before"))
    token = passport.token("j2")
    assert ask(token)[:2] == ask("7|sanctum-secret")[:2] == (200, 200)
    kept = tokens.find(token)
    assert (kept.kind, kept.description, kept.scope, kept.last4) == (
        "dev", "Deploy", "account:read account:write", token[-4:],
    )  # fmt: skip


def test_a_token_that_says_it_needs_no_signature_is_none(passport, ask):
    header, payload, signature = passport.token("j1", alg="none").split(".")

    assert ask(f"{header}.{payload}.{signature}")[:2] == ask(f"{header}.{payload}.")[:2] == (401, 401)


CSV = "id,email,name,description,scopes,key,digest,covers,expires_at\n"


def test_home_made_keys_go_on_working_by_each_algorithm(bring, ask):
    salted = hashlib.sha256(b"salt" + b"secret-b").hexdigest()
    pbkdf2 = "pbkdf2_sha256$10$salt$" + moving.base64.b64encode(
        hashlib.pbkdf2_hmac("sha256", b"d.secret-d", b"salt", 10)
    ).decode()  # fmt: skip
    scrypt = "scrypt$salt$16$1$1$" + moving.base64.b64encode(
        hashlib.scrypt(b"secret-e", salt=b"salt", n=16, r=1, p=1)
    ).decode()  # fmt: skip
    laravel = bcrypt.hashpw(b"h|secret-h", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    told = bring(
        "csv",
        [
            CSV,
            f"a,ada@example.com,Ada,Plain,read,,{hashlib.sha256(b'secret-a').hexdigest()},,\n",
            f"b,ada@example.com,Ada,Salted,read,,sha256$salt${salted},,\n",
            f'c,ada@example.com,Ada,Slow,read,,"{QUICK.hash("secret-c")}",,\n',
            f"d,ada@example.com,Ada,Django,read write,,{pbkdf2},token,\n",
            f"e,ada@example.com,Ada,Scrypt,read,,{scrypt},key,2100-01-01\n",
            f"g,ada@example.com,Ada,bcrypt,read,,{bcrypt.hashpw(b'secret-g', bcrypt.gensalt(4)).decode()},,\n",
            f"h,ada@example.com,Ada,Laravel,read,,{laravel},token,\n",
            ",bob@example.com,Bob,In clear,read,secret-f,,,\n",
        ],
    )

    assert told["tokens"] == {"new": 8, "known": 0, "skipped": 0}, told["skipped"]
    for good in ("secret-a", "b.secret-b", "c|secret-c", "d.secret-d", "e.secret-e", "g.secret-g", "h|secret-h"):
        assert ask(good) == (200, 200, "ada@example.com")
    assert ask("secret-f") == (200, 200, "bob@example.com")
    for bad in ("secret-b", "b.secret-a", "a.secret-a", "c.secret-d", "d.other", ".secret-c", "c.", "g.secret-c"):
        assert ask(bad)[:2] == (401, 401)


def test_of_a_key_that_bcrypt_sees_the_beginning_of_alone_no_other_ending_is_right():
    longer = b"k" * 73
    right = proofs.verifier(bcrypt.hashpw(longer[:72], bcrypt.gensalt(4)).decode())

    assert right(longer[:72])
    assert not right(longer)
    assert not right(b"k\0")
    assert not proofs.verifier("$2b$04$" + "." * 53)(b"k")
    assert not proofs.verifier("$2b$03$" + "a" * 53)(b"k")


BAD_KEYS = [
    ("a,ada@example.com,,,read,,$2b$12$abcdefghijklmnopqrstuv,,", "no bcrypt"),
    (f"a,ada@example.com,,,read,,$2b$15${'a' * 53},,", "no bcrypt of a cost of at most 14"),
    (f",ada@example.com,,,read,,$2b$12${'a' * 53},,", "fill in id"),
    (",ada@example.com,,,read,,sha256$salt$" + "0" * 64 + ",,", "fill in id"),
    ("a.b,ada@example.com,,,read,,sha256$salt$" + "0" * 64 + ",,", "fill in id"),
    ("a,ada@example.com,,,read,,md5$x,,", "not known here"),
    ("a,ada@example.com,,,read,,pbkdf2_sha256$900000000$s$" + "A" * 43 + "=,,", "at most 2,000,000"),
    ("a,ada@example.com,,,read,,scrypt$s$524288$99$99$" + "A" * 86 + "==,,", "no scrypt of a size"),
    ('a,ada@example.com,,,read,,"$argon2id$v=19$m=99999999,t=3,p=1$AAAAAAAAAAA$AAAAAAAAAAA",,', "more memory or time"),
    ("a,ada@example.com,,,read,,$argon2id$x,,", "no Argon2"),
    ("a,ada@example.com,,,read,k,0,,", "one of them is enough"),
    ("a,ada@example.com,,,read,,,,", "are empty"),
    ("a,ada@example.com,,,read,,abc,,", "no SHA-256"),
    ("a,ada@example.com,,,read,k,,other,", "neither key nor token"),
    ("a,ada@example.com,,,none,k,,,", "none of its scopes is known here"),
    ("a,no address,,,read,k,,,", "its e-mail address is none"),
    ("a,,,,read,k,,,", "email is missing"),
    ("a,ada@example.com,,,read,k,,,tomorrow", "no moment"),
    ("a,ada@example.com,,,read,k\udcff,,,", "or no text"),
    ("too,few", "more or fewer fields"),
    ("a,ada@example.com,,,read,k,,,,,,too,many", "more or fewer fields"),
]


def test_a_bad_line_is_named_and_the_good_ones_come_in(bring, ask):
    good = "z,ada@example.com,Ada,,read,good-key,,,\n"

    told = bring("csv", [CSV, good, *(f"{line}\n" for line, _ in BAD_KEYS), good.replace("good", "last")])

    said = {each["line"]: each["why"] for each in reversed(told["skipped"])}
    for number, (line, why) in enumerate(BAD_KEYS, 3):
        assert why in said.get(number, ""), (line, told["skipped"])
    assert len(said) == len(BAD_KEYS)
    assert ask("good-key")[:2] == ask("last-key")[:2] == (200, 200)


def test_what_is_never_closed_is_named_where_the_file_ends(bring, ask):
    told = bring("csv", [CSV, "z,ada@example.com,Ada,,read,good-key,,,\n", '"never closed\n'])

    assert "no CSV" in told["skipped"][0]["why"]
    assert ask("good-key")[:2] == (200, 200)


BAD_LINES = [
    "no json", "[1]", "{}", '{"model": "x.user"}', '{"model": [], "fields": {}}', '{"table": [1], "row": {}}',
    "[" * 99_999, '"\\ud800"', "\x00",
    '{"model": "x.user", "pk": "\\ud800", "fields": {"email": "a@b.c", "password": ""}}',
    "9" * 5000,
]  # fmt: skip
BAD_FIELDS = [
    {"token": 5.5}, {"token": "x" * 5000}, {"scope": {"a": 1}}, {"scope": "[1]"}, {"expires": "soon"},
    {"expires": 12}, {"token": None}, {"user": [1]}, {"token": "a\x00b"}, {"created": "0001-01-01T00:00:00+23:00"},
    {"scope": 7}, {"token": True}, {"application": {}}, {"expires": "2100-13-01"}, {"scope": ["\ud800"]},
]  # fmt: skip


def test_bad_lines_of_json_and_fields_of_another_kind_are_named(bring, ask):
    bad = [*(f"{line}\n" for line in BAD_LINES), *(access_token(9, **{"token": "bad"} | each) for each in BAD_FIELDS)]

    told = bring("django-oauth-toolkit", [USER, APP, *bad, access_token(1, "good")])

    assert [said["line"] for said in told["skipped"]] == [*range(3, 3 + len(bad))], told["skipped"]
    assert (told["unread"], ask("good")[:2], ask("bad")[:2]) == (len(bad), (200, 200), (401, 401))


def test_a_line_that_is_too_long_is_named_without_being_read(bring, ask, monkeypatch):
    monkeypatch.setattr("latchkey.transfer.moving.lines.LONGEST", 2_000)

    long = '{"x": "' + "y" * 50_000 + '"}\n'
    told = bring("django-oauth-toolkit", [USER, long, access_token(1, "good", application=None)])

    assert told["skipped"] == [{"line": 2, "why": "longer than 2,000 bytes"}]
    assert ask("good")[:2] == (200, 200)


def test_what_is_no_table_of_keys_is_refused(cli, tmp_path):
    for text in ("", "a,b\n1,2\n", "email,scopes\n", "email,scopes,key,password\n"):
        path = lines(tmp_path / "keys.csv", [text])
        assert "has to name the columns" in cli.refused("import", path, "--from", "csv")
    assert "cannot be read" in cli.refused("import", str(tmp_path / "nothing"))
    assert "cannot be used" in cli.refused("import", path, "--from", "passport", "--public-key", path)
    assert cli("import", path, "--scope", "read").exit_code == 2
    assert cli("import", path, "--scope", "read=nothing:here").exit_code == 2


ALL = [USER, APP, access_token(1, "one"), access_token(2, "two", application=None)]


def test_a_row_of_another_table_with_an_address_and_the_same_number_is_nobody(bring, ask):
    """django-allauth numbers addresses by themselves: the fifth may be the first person's."""
    told = bring(
        "django-oauth-toolkit",
        [
            django("account.emailaddress", 1, user=2, email="mallory@example.com", verified=False, primary=False),
            *ALL,
        ],
    )

    assert told["users"]["new"] == 1
    assert ask("one") == (200, 200, "ada@example.com")


def test_one_number_that_two_people_have_is_nobody(bring, ask):
    other = django("customers.user", 1, email="mallory@example.com", is_active=True)

    told = bring("django-oauth-toolkit", [*ALL, other])

    assert told["users"]["new"] <= 1
    assert told["tokens"]["new"] == 0
    assert any("another address" in skipped["why"] for skipped in told["skipped"])
    assert ask("one")[0] == 401


@pytest.mark.parametrize("kind", ["App\\Models\\AdminUser", "App\\Models\\Team", "SuperUser"])
def test_a_token_of_sanctum_that_is_no_users_is_left_out(bring, kind):
    kept = hashlib.sha256(b"sanctum-secret").hexdigest()
    told = bring(
        "passport",
        [
            row("users", id=1, name="Ada", email="ada@example.com"),
            row("personal_access_tokens", id=7, tokenable_type=kind, tokenable_id=1, token=kept, abilities=["read"]),
        ],
    )

    assert told["tokens"] == {"new": 0, "known": 0, "skipped": 0}
    assert [skipped["why"] for skipped in told["skipped"]] == ["it belongs to something that is no user"]


@pytest.mark.parametrize("personal", [0, 1])
def test_tokens_of_a_guard_of_other_people_are_nobodys_here(bring, personal):
    client = {"redirect": "https://a.example.com/cb", "revoked": 0, "user_id": 1, "personal_access_client": personal}
    told = bring(
        "passport",
        [
            row("users", id=1, name="Ada", email="ada@example.com"),
            row("oauth_clients", id=2, name="Staff", provider="admins", **client),
            row("oauth_access_tokens", id="j1", user_id=1, client_id=2, scopes='["read"]', revoked=0),
        ],
    )

    assert (told["apps"]["new"], told["tokens"]["new"]) == (0, 0)
    assert "people of another table" in told["skipped"][0]["why"]


def test_what_polymorphic_doorkeeper_keeps_for_others_is_left_out_and_far_ends_stop_nothing(bring):
    told = bring(
        "doorkeeper",
        [
            row("users", id=1, email="ada@example.com"),
            row("oauth_applications", id=1, uid="a", name="A", owner_id=1, owner_type="Company", redirect_uri=""),
            row("oauth_access_tokens", id=1, token="a" * 20, resource_owner_id=1, resource_owner_type="Admin",
                scopes="read", created_at="2026-01-02 03:04:05"),
            row("oauth_access_tokens", id=2, token="b" * 20, resource_owner_id=1, resource_owner_type="User",
                scopes="read", created_at="2026-01-02 03:04:05", expires_in=999_999_999_999),
            row("oauth_access_tokens", id=3, token="c" * 20, resource_owner_id=1, resource_owner_type="User",
                scopes="read", created_at="2026-01-02 03:04:05"),
        ],
    )  # fmt: skip

    assert (told["apps"]["new"], told["tokens"]["new"]) == (0, 1)
    assert [skipped["why"] for skipped in told["skipped"]][:2] == [
        "it belongs to something that is no user",
        "expires_in is no number of seconds, or created_at is missing",
    ]


@pytest.mark.standard("I-08")
def test_what_comes_twice_is_there_once_and_what_ended_here_stays_ended(bring, ask, db):
    bring("django-oauth-toolkit", ALL)
    tokens.revoke(tokens.find("one"))
    db.commit()

    told = bring("django-oauth-toolkit", [*ALL, access_token(3, "three")])

    assert told["tokens"] == {"new": 1, "known": 2, "skipped": 0}
    assert (told["users"], told["apps"]) == ({"new": 0, "known": 1, "skipped": 0},) * 2
    assert ask("one") == (401, 401, "revoked")
    assert ask("two")[:2] == ask("three")[:2] == (200, 200)
    assert db.scalar(select(func.count()).select_from(Token)) == 3


def test_of_a_string_that_another_system_made_its_end_alone_is_shown(bring, db):
    bring("django-oauth-toolkit", ALL)
    token = db.scalars(select(Token).where(Token.kind == "dev")).one()
    assert token.hint == "…" + token.last4

    plaintext = tokens.regenerate(token)
    db.commit()

    assert token.hint == f"lk_dev_…{plaintext[-4:]}"


def test_a_string_that_was_exchanged_here_does_not_come_back(bring, ask, db):
    bring("django-oauth-toolkit", ALL)
    bring("csv", [CSV, f'k,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])
    for token in list(db.scalars(select(Token).where(Token.kind == "dev"))):
        plaintext = tokens.regenerate(token)
        db.commit()
        assert ask(plaintext)[:2] == (200, 200)

    bring("django-oauth-toolkit", ALL)
    bring("csv", [CSV, f'k,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])

    assert ask("two")[:2] == ask("k.slow")[:2] == (401, 401)


def test_an_exchanged_string_that_is_kept_for_a_while_is_still_learned(bring, ask, db):
    digest = QUICK.hash("slow")
    bring("csv", [CSV, f'k,ada@example.com,,,read,,"{digest}",,\n'])
    [token] = db.scalars(select(Token))
    new = tokens.regenerate(token, tokens.Renewal(keep=tokens.renewal.timedelta(hours=1)))
    db.commit()

    assert ask("k.slow")[:2] == ask("k.slow")[:2] == ask(new)[:2] == (200, 200)


@pytest.mark.parametrize("gone", ["user", "app", "agreement"])
def test_what_was_removed_or_taken_back_here_does_not_come_back(bring, ask, db, gone):
    bring("django-oauth-toolkit", ALL)
    if gone == "agreement":
        grants.withdraw(db.scalars(select(Authorization)).one())
    else:
        db.execute(delete(User if gone == "user" else Client))
    db.commit()

    told = bring("django-oauth-toolkit", [*ALL, access_token(3, "three")])

    assert ask("one")[:2] == ask("three")[:2] == (401, 401)
    assert told["tokens"]["new"] == 0


def test_nobody_gets_the_tokens_of_an_address_that_they_did_not_verify(bring, ask, db):
    factories.make_user("ada@example.com", verified=False)

    told = bring("django-oauth-toolkit", ALL)

    assert "did not verify it" in told["skipped"][0]["why"]
    assert ask("one")[:2] == (401, 401)


def test_who_is_here_already_stays_as_they_are(bring, db):
    factories.make_user("Ada@example.com", name="Countess")

    bring("django-oauth-toolkit", ALL)

    kept = users.find_by_email("ada@example.com")
    assert (kept.name, db.scalar(select(func.count()).select_from(User))) == ("Countess", 1)
    assert tokens.find("two").user_id == kept.id


def test_who_comes_in_chooses_a_password_by_the_mailed_link(bring, db):
    bring("django-oauth-toolkit", ALL)

    ada = users.find_by_email("ada@example.com")
    assert (ada.needs_password, ada.verified, ada.is_admin, ada.name) == (True, True, False, "Ada L")
    assert not passwords.verify(ada.password_hash, "")


def test_no_app_that_comes_in_may_make_credentials(bring, ask, db):
    wide = ("--scope", "admin=tokens:write account:read")
    bring("django-oauth-toolkit", [USER, APP, access_token(1, "one", scope="admin")], *wide)

    assert tokens.find("one").scope == "account:read"


def statements_of(ask_once, monkeypatch) -> int:
    with monkeypatch.context() as patched:
        told = counted(patched)
        ask_once()
        return len(told)


@pytest.mark.standard("I-02")
def test_strings_of_others_are_looked_up_once_and_only_when_some_were_imported(app, bring, alice, monkeypatch):
    ours = factories.make_token(alice).plaintext
    client, asked = (
        app.test_client(),
        ("x", "a.b", "a" * 4096, "eyJ.e30.x", "lk_xyz_1", "lk", "_", "lk_dev", "ab_dev_1"),
    )

    def count(token):
        return statements_of(
            lambda: client.get("/oauth/check", headers={"Authorization": f"Bearer {token}"}), monkeypatch
        )

    assert [count(token) for token in asked] == [0] * len(asked)
    bring("django-oauth-toolkit", ALL)
    assert [count(token) for token in asked] == [1] * len(asked)
    broken = (ours[:-1] + "!", "lk_dev_" + "0" * 36, "lk_sec_x", "a" * 4097, "")
    assert [count(token) for token in broken] == [0] * len(broken)
    assert count(ours) == count("one") == count("two") == 1


@pytest.mark.standard("L-05")
def test_strangers_cannot_have_us_hash_at_will(app, bring, monkeypatch, clock):
    bring("csv", [CSV, f'1,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])
    hashed = []
    right = proofs.verifier

    def watched(kept):
        verify = right(kept)
        return lambda key: hashed.append(key) or verify(key)

    monkeypatch.setattr(proofs, "verifier", watched)
    client = app.test_client()

    def ask(token, network):
        headers = {"Authorization": f"Bearer {token}"}
        return client.get("/v1/me", headers=headers, environ_base={"REMOTE_ADDR": network}).status_code

    most = lookup.PROOFS[0].most
    assert [ask(f"1.guess{number}", "203.0.113.1") for number in range(30)] == [401] * most + [429] * (30 - most)
    assert len(hashed) == most
    # Whom they would push out is heard all the same.
    assert ask("1.slow", "198.51.100.2") == 200
    monkeypatch.setattr(lookup, "EVERYWHERE", (lookup.Limit(1, lookup.EVERYWHERE[0].window),))
    bring("csv", [CSV, f'2,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])
    before = len(hashed)
    for number in range(9):
        ask(f"2.guess{number}", "203.0.113.7")
    assert len(hashed) - before == lookup.UNDER_ATTACK[0].most
    assert ask("2.slow", "198.51.100.3") == 200


@pytest.mark.standard("L-05")
def test_callers_of_a_resource_server_are_counted_by_where_they_are(app, bring, db, monkeypatch):
    """What strangers send it keeps nobody else's token from being proved; an app that nobody marked names nobody."""
    bring("csv", [CSV, f'1,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])
    monkeypatch.setattr(lookup, "PROOFS", (lookup.Limit(2, lookup.PROOFS[0].window),))
    server = factories.make_client(factories.make_user("ops@example.com"))
    client = app.test_client()

    def ask(token, address):
        form = {"token": token, "client_address": address}
        said = client.post("/oauth/introspect", data=form, headers=dance.basic(server.client.id, server.secret))
        return said.status_code, said.get_json().get("active")

    told = [ask(f"1.guess{number}", f"203.0.{number}.1") for number in range(3)]
    assert told == [(200, False), (200, False), (429, None)]
    db.execute(update(Client).values(resource_server=True))
    db.commit()
    told = [ask(f"1.guess{number}", "203.0.113.1") for number in range(3)]
    assert told == [(200, False), (200, False), (429, None)]
    assert ask("1.slow", "198.51.100.7") == (200, True)


@pytest.mark.standard("L-05")
def test_proofs_leave_room_for_passwords_however_many_come(app, bring, monkeypatch):
    bring("csv", [CSV, f'1,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])
    monkeypatch.setattr(lookup, "_places", threading.BoundedSemaphore(3))
    one = threading.BoundedSemaphore(1)
    monkeypatch.setattr(lookup, "_turns", lambda: one)
    running, most, go_on = [], [], threading.Event()

    def verify(_key):
        running.append(1)
        most.append(len(running))
        assert go_on.wait(30)
        running.pop()
        return False

    monkeypatch.setattr(proofs, "verifier", lambda _kept: verify)

    def ask(number):
        said = app.test_client().get(
            "/v1/me",
            headers={"Authorization": f"Bearer 1.guess{number}"},
            environ_base={"REMOTE_ADDR": f"203.0.{number}.1"},
        )
        if said.status_code == 429 and not go_on.is_set():
            refused.append(said.headers["Retry-After"])
            if len(refused) == 4:
                go_on.set()
        return said.status_code

    refused = []
    with ThreadPoolExecutor(7) as threads:
        told = list(threads.map(ask, range(7)))

    assert sorted(told) == [401] * 3 + [429] * 4
    assert refused == ["1"] * 4
    assert max(most) == 1


def test_what_has_ended_is_not_hashed(bring, ask, db, monkeypatch):
    bring("csv", [CSV, f'1,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])
    db.execute(update(Token).values(revoked_at=Token.created_at))
    db.commit()
    monkeypatch.setattr(proofs, "verifier", lambda _kept: pytest.fail("nothing is left to prove"))

    assert ask("1.slow")[:2] == (401, 401)


def test_the_first_uses_of_one_token_at_once_all_pass(app, bring):
    bring("csv", [CSV, f'1,ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n'])

    def ask():
        return app.test_client().get("/oauth/check", headers={"Authorization": "Bearer 1.slow"}).status_code

    assert at_once(*[ask] * 8) == [200] * 8
    assert tokens.find("1.slow") is not None


def test_a_foreign_token_that_leaked_is_revoked_by_whoever_found_it(app, bring, ask):
    bring("django-oauth-toolkit", ALL)

    app.test_client().post("/v1/credentials/revoke", json={"credentials": ["two", "unknown"]})

    assert ask("two") == (401, 401, "revoked")
    assert ask("one")[:2] == (200, 200)


def test_introspection_and_a_head_request_know_them_too(app, bring, example_client):
    bring("csv", [CSV, *(f'{name},ada@example.com,,,read,,"{QUICK.hash("slow")}",,\n' for name in "ab")])
    client = app.test_client()
    sent = {"token": "a.slow", "client_id": example_client.client.id, "client_secret": example_client.secret}

    assert client.post("/oauth/introspect", data=sent).json["active"]
    assert client.head("/v1/me", headers={"Authorization": "Bearer b.slow"}).status_code == 200


def test_two_imports_at_once_bring_everything_once(tmp_path, db):
    rows = [USER, APP, *(access_token(number, f"t{number}", application=None) for number in range(500))]
    path = lines(tmp_path / "file", rows)

    def work():
        with Path(path).open("rb") as file:
            desk = importing.bring(
                file, "django-oauth-toolkit", names={"read": frozenset({"account:read"})}, owner=None, public_key=None,
                tell=lambda *note: pytest.fail(str(note)),
            )  # fmt: skip
        return desk.counts["tokens"].new

    assert sum(at_once(work, work)) == 500
    assert db.scalar(select(func.count()).select_from(Token)) == 500
    assert db.scalar(select(func.count()).select_from(User)) == 1


@pytest.fixture
def elsewhere(cli, empty_database, tmp_path):
    """The command on another, empty installation."""
    changed = {"LATCHKEY_INSTANCE": str(tmp_path / "elsewhere"), "LATCHKEY_DATABASE_URL": empty_database}
    command = Latchkey(cli.environment | changed)
    command.json("init")
    # The command leaves no connection.
    settings_module.use(settings_module.load(cli.environment))
    store.configure(cli.environment["LATCHKEY_DATABASE_URL"])
    return command


def test_an_export_comes_in_elsewhere_with_all_that_works(cli, elsewhere, alice, example_client, tmp_path):
    kept, over = factories.make_token(alice), factories.make_token(alice)
    tokens.revoke(over.token)
    grant = grants.allow(alice, example_client.client, {"account:read"}, asked=False)
    strings = [credentials.generate(kind) for kind in (credentials.Kind.ACCESS, credentials.Kind.REFRESH)]
    for text in strings:
        factories.record_token(
            text, kind=credentials.kind_of(text), grant=grant, scopes={"account:read"}, expires_at=grant.expires_at
        )
    store.db.commit()
    path = tmp_path / "export"
    told = cli.json("export", str(path))
    assert told["counts"] == {"user": 2, "app": 1, "authorization": 1, "token": 3}
    written = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    for secret in (kept.plaintext, *strings, example_client.secret, "argon2"):
        assert secret not in written
    # A field without a value is left out, also within another.
    assert "null" not in written

    came = elsewhere.json("import", str(path))

    assert (came["tokens"]["new"], came["skipped"]) == (3, [])
    assert elsewhere.json("import", str(path))["tokens"] == {"new": 0, "known": 3, "skipped": 0}
    settings_module.use(settings_module.load(elsewhere.environment))
    store.configure(elsewhere.environment["LATCHKEY_DATABASE_URL"])
    assert access.find(kept.plaintext).email == "alice@example.com"
    assert access.find(strings[0]).client_id == example_client.client.id
    moved = tokens.find(strings[1])
    assert moved.grant_id == tokens.find(strings[0]).grant_id
    assert tokens.find(over.plaintext) is None
    # Here the app is not trusted, and people are asked what nobody asked them there.
    assert not grants.allows(users.find(moved.user_id), moved.grant.client, frozenset({"account:read"}))
    assert json.loads(written.partition("\n")[0])["type"] == "latchkey-export"


def test_an_export_replaces_no_other_file(cli, tmp_path):
    path = tmp_path / "notes"
    path.write_text("mine")

    assert "is no export" in cli.refused("export", str(path))
    assert "there is no folder" in cli.refused("export", str(tmp_path / "no" / "x"))
    assert path.read_text() == "mine"
    cli.json("export", str(tmp_path / "x"))
    cli.json("export", str(tmp_path / "x"))


def test_what_a_file_says_does_nothing_to_a_terminal(cli, tmp_path):
    user = {"type": "user", "id": "\x1b]0;owned\x07\nline 9: fine", "email": "none"}

    result = cli("import", lines(tmp_path / "file", [user]))

    assert "its e-mail address is none" in result.stdout
    assert "\\x1b]0;owned\\x07\\nline 9" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())
