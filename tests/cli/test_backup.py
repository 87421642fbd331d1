"""`latchkey backup` and `latchkey restore`: all that an installation is, elsewhere, or nothing of it."""

import contextlib
import errno
import os
import pty
import re
import stat
import subprocess
import threading

import pytest
from sqlalchemy import delete, func, inspect, select

from app import create_app
from latchkey import clock, tokens, vault
from latchkey import settings as settings_module
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.journal import activity, chain
from latchkey.journal.activity import Event, EventKind
from latchkey.store import migrations, snapshots
from latchkey.store import session as store
from latchkey.store.engines import Engines
from latchkey.store.session import Base
from latchkey.tokens import Token
from latchkey.transfer import content, saving, sealed
from latchkey.worker import loop
from tests import conftest, factories, servers
from tests.cli.conftest import Latchkey

PASSPHRASE = "a quiet umbrella"
pytestmark = pytest.mark.slow("makes installations, saves them and brings them back")


@pytest.fixture(autouse=True)
def quick_passphrases(monkeypatch):
    """The same derivation with a thousandth of the work."""
    monkeypatch.setattr(sealed, "COST", 1 << 7)


@pytest.fixture
def full(db, alice, bob, example_client, settings):
    """An installation with something of every sort; the token of Alice."""
    token = factories.make_token(alice)
    child = factories.make_token(alice, description="Child")
    # Its parent has an id that comes after its own.
    first, last = sorted([token.token, child.token], key=lambda each: each.id)
    first.parent_id = last.id
    alice.is_admin = True
    for number in range(5):
        activity.record(alice, EventKind.SIGNED_IN, number=number, said="ä“\u2028")
    db.commit()
    loop.close_chain()
    activity.record(bob, EventKind.SIGNED_IN)
    db.commit()
    (settings.instance / "scopes.toml").write_text('["a:read"]\ntitle = "A"\ndescription = "A"\ngroup = "A"\n')
    return token.plaintext


@pytest.fixture
def saved(cli, full, tmp_path):
    path = tmp_path / "latchkey.backup"
    cli.json("backup", str(path), "--passphrase-stdin", stdin=f"{PASSPHRASE}\n")
    return path


@pytest.fixture
def elsewhere(settings, empty_database, tmp_path):
    """The command on another, empty folder and database."""
    return Latchkey(
        {
            "LATCHKEY_INSTANCE": str(tmp_path / "elsewhere"),
            "LATCHKEY_DATABASE_URL": empty_database,
            "LATCHKEY_BASE_URL": settings.base_url,
            "LATCHKEY_MODE": settings.mode,
        }
    )


def restore(command, path, **settings) -> dict:
    return command.json("restore", str(path), "--passphrase-stdin", stdin=PASSPHRASE, **settings)


def refused(command, path, stdin=PASSPHRASE, **settings) -> str:
    return command.refused("restore", str(path), "--passphrase-stdin", stdin=stdin, **settings)


def put(sort: str) -> list[tuple]:
    """Every row of the database at hand."""
    with store.engines().read.connect() as connection:
        found = {
            table.name: connection.execute(select(table).order_by(*table.primary_key.columns)).all()
            for table in Base.metadata.sorted_tables
        }
    return found if sort == "all" else found[sort]


def at(environment: dict) -> None:
    """Have this process use the installation of a command."""
    ours = settings_module.load(environment)
    settings_module.use(ours)
    store.configure(ours.database_url)


def untouched(command, tmp_path) -> bool:
    at(command.environment | {"LATCHKEY_INSTANCE": str(tmp_path / "nowhere")})
    return inspect(store.engines().read).get_table_names() == [] and not (tmp_path / "elsewhere").exists()


def test_every_row_is_the_same_elsewhere(cli, saved, elsewhere, settings, tmp_path):
    at(cli.environment)
    before = put("all")

    told = restore(elsewhere, saved)

    at(elsewhere.environment)
    assert put("all") == before
    assert told["rows"] == {name: len(rows) for name, rows in before.items()}
    assert told["rows"]["token"] == 2
    assert (told["files"], told["kept"], told["lacks_keys"]) == (["scopes.toml", "secret_key"], [], False)
    for name in told["files"]:
        assert (tmp_path / "elsewhere" / name).read_bytes() == (settings.instance / name).read_bytes()


@pytest.mark.standard("P-03")
@pytest.mark.usefixtures("signed_in")
def test_tokens_sessions_secrets_and_the_chain_go_on_elsewhere(client, cli, full, elsewhere, tmp_path):
    sealed_before = vault.seal("the key of an authenticator")
    [cookie] = [each for each in client._cookies.values() if "session" in each.key or "latchkey" in each.key]
    path = tmp_path / "backup"
    cli.json("backup", str(path), "--passphrase-stdin", stdin=PASSPHRASE)
    restore(elsewhere, path)

    assert elsewhere("doctor").exit_code == 0, elsewhere("doctor").output
    theirs = create_app(settings_module.load(elsewhere.environment))
    assert vault.unseal(sealed_before) == "the key of an authenticator"
    browser = theirs.test_client()
    bearer = {"Authorization": f"Bearer {full}"}
    assert browser.get("/v1/me", headers=bearer).json["email"] == "alice@example.com"
    browser.set_cookie(cookie.key, cookie.value, domain=cookie.domain)
    assert "Welcome" in browser.get("/").text
    with theirs.app_context():
        loop.close_chain()
        verdict = chain.check()
    assert (verdict.broken, verdict.waiting) == (None, 0)


def test_the_file_is_its_owners_alone_and_tells_nothing(saved, full, settings):
    data = saved.read_bytes()

    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    for secret in ((settings.instance / "secret_key").read_bytes().strip(), b"alice", b"scopes.toml", b"token"):
        assert secret not in data
    assert [path.name for path in saved.parent.iterdir() if path.name.startswith(".")] == []


def write_a_person(number: int, name: str) -> None:
    """One with three tokens, in one transaction; every third goes again."""
    address = f"{name}{number}@example.com"
    user = User(email=address, email_key=address, email_verified_at=clock.now(), name="X", password_hash="")
    store.db.add(user)
    store.db.flush()
    for _ in range(3):
        tokens.mint(user, description="T", scopes=["account:read"], lifetime=None)
        if number % 3 != 2:
            activity.record(user, EventKind.TOKEN_CREATED)
    store.db.commit()
    if chain.close():
        store.db.commit()
    if number % 3 == 2:
        store.db.execute(delete(User).where(User.id == user.id))
        store.db.commit()
    store.db.remove()


@pytest.mark.usefixtures("app", "alice")
def test_a_backup_while_others_write_is_of_one_moment(elsewhere, tmp_path):
    stop, faults, made = threading.Event(), [], []

    def write(name):
        try:
            while not stop.is_set():
                write_a_person(len(made), f"{name}{len(made)}x")
                made.append(name)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the test shows it
            faults.append(fault)
        finally:
            store.db.remove()

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    files = []
    while len(files) < 4:
        before = len(made)
        files.append(tmp_path / f"backup{len(files)}")
        told = saving.save(files[-1], PASSPHRASE)
        assert told.rows["token"] == 3 * (told.rows["user"] - 1)
        while len(made) < before + 5 and not faults:
            stop.wait(0.01)
        assert faults == []
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []

    restore(elsewhere, files[-1])
    at(elsewhere.environment)
    counts = store.db.execute(select(func.count()).select_from(Token).group_by(Token.user_id)).scalars().all()
    assert set(counts) == {3}
    orphans = select(func.count()).select_from(Event).where(Event.user_id.not_in(select(User.id)))
    assert store.db.scalar(orphans) == 0
    loop.close_chain()
    verdict = chain.check()
    assert (verdict.broken, verdict.waiting) == (None, 0)


@pytest.mark.parametrize(
    "damage, says",
    [
        (lambda data: data[:-1], "not whole"),
        (lambda data: data[: len(data) // 2], "not whole"),
        (lambda data: data + b"x", "not whole"),
        (lambda data: data[:-30] + bytes([data[-30] ^ 1]) + data[-29:], "not whole"),
        (lambda data: b"", "no backup of Latchkey"),
        (lambda data: b"PK\x03\x04" + data, "no backup of Latchkey"),
        (lambda data: data.replace(b"backup 1", b"backup 2"), "newer version"),
    ],
)
def test_what_is_no_whole_backup_is_refused_without_effect(saved, elsewhere, tmp_path, damage, says):
    saved.write_bytes(damage(saved.read_bytes()))

    assert says in refused(elsewhere, saved)
    assert untouched(elsewhere, tmp_path)


def test_a_wrong_passphrase_is_one_line_and_has_no_effect(saved, elsewhere, tmp_path):
    assert "the passphrase is not the one" in refused(elsewhere, saved, stdin="a loud umbrella")
    assert untouched(elsewhere, tmp_path)
    assert "cannot be used" in refused(elsewhere, tmp_path / "nothing")


def test_what_is_newer_is_refused_without_effect(saved, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(migrations, "_known", lambda: ["0001"])

    assert "newer than this version" in refused(elsewhere, saved)
    assert untouched(elsewhere, tmp_path)


@pytest.fixture
def other_kind(request, settings, elsewhere, tmp_path):
    """The command on an empty database of the kind that this run has not."""
    environment = elsewhere.environment | {"LATCHKEY_INSTANCE": str(tmp_path / "other kind")}
    if not settings.database_url.startswith("sqlite"):
        yield Latchkey(environment | {"LATCHKEY_DATABASE_URL": f"sqlite:///{tmp_path / 'other.db'}"})
        return
    cluster = request.getfixturevalue("postgres")
    yield Latchkey(environment | {"LATCHKEY_DATABASE_URL": cluster.create("other")})
    store.dispose()
    cluster.drop("other")


def test_one_kind_of_database_goes_into_the_other_and_back(cli, saved, other_kind, elsewhere, tmp_path):
    at(cli.environment)
    before, second = put("all"), tmp_path / "second.backup"

    there = restore(other_kind, saved)["database"]
    assert other_kind("doctor").exit_code == 0, other_kind("doctor").output
    other_kind.json("backup", str(second), "--passphrase-stdin", stdin=PASSPHRASE)
    back = restore(elsewhere, second)["database"]

    assert {there, back} == {"sqlite", "postgresql"}
    assert elsewhere("doctor").exit_code == 0, elsewhere("doctor").output
    at(elsewhere.environment)
    assert put("all") == before


@pytest.mark.skipif(not conftest.POSTGRESQL, reason="is about roles, which SQLite has not")
@pytest.mark.parametrize("superuser", [False, True])
def test_another_role_than_the_servers_is_told_so_and_changes_nothing(
    request, saved, elsewhere, empty_database, superuser
):
    cluster = request.getfixturevalue("postgres")
    elsewhere.json("init")
    cluster.run(f"CREATE ROLE other LOGIN {'SUPERUSER' if superuser else ''}")
    try:
        as_other = empty_database.replace("latchkey@", "other@")
        told = refused(elsewhere, saved, DATABASE_URL=as_other)

        assert "the database belongs to the role latchkey: name that one in LATCHKEY_DATABASE_URL" in told
        assert restore(elsewhere, saved)["database"] == "postgresql"
    finally:
        store.dispose()
        cluster.run("DROP ROLE other")


@pytest.mark.parametrize("prepared", [False, True])
def test_what_is_older_is_brought_up(elsewhere, tmp_path, prepared):
    """As a backup at the third migration held it."""
    moment = "2026-01-02T03:04:05.000006+00:00"
    columns = {
        "id": ("text", "usr_1"), "email": ("text", "Eve@example.com"), "email_key": ("text", "eve@example.com"),
        "name": ("text", "Eve"), "password_hash": ("text", ""), "password_changed_at": ("moment", moment),
        "is_admin": ("boolean", True), "epoch": ("integer", 7), "created_at": ("moment", moment),
        "updated_at": ("moment", moment),
    }  # fmt: skip
    said = {"format": 1, "revision": "0003", "made_at": moment, "keys": ["k" + "0123456789abcdef" * 3], "files": {}}
    described = [(name, kind) for name, (kind, _) in columns.items()]
    with (tmp_path / "old").open("wb") as file:
        writer = sealed.Writer(file, PASSPHRASE)
        for value in (
            said,
            {"table": "user", "columns": described, "key": 0},
            [value for _, value in columns.values()],
        ):
            writer.write(content.written(value))
        writer.finish()
    if prepared:
        elsewhere.json("init")

    told = restore(elsewhere, tmp_path / "old")

    at(elsewhere.environment)
    user = users.find_by_email("eve@example.com")
    assert (told["revision"], told["rows"]) == (migrations.head(), {"user": 1})
    assert (user.epoch, user.is_admin, user.created_at.isoformat()) == (7, True, moment)
    assert elsewhere("doctor").exit_code == 0, elsewhere("doctor").output


@pytest.mark.parametrize("row", ["user", "act"])
def test_an_installation_that_has_something_is_left_alone(saved, elsewhere, row):
    elsewhere.json("init")
    if row == "user":
        elsewhere.json("user", "create", "--email", "z@example.com", "--name", "Z", "--password-stdin",
                       stdin=factories.PASSWORD)  # fmt: skip
    else:
        elsewhere.json("user", "invite", "z@example.com")
    at(elsewhere.environment)
    before = put("all")

    assert "needs an empty installation" in refused(elsewhere, saved)

    at(elsewhere.environment)
    assert put("all") == before


@pytest.mark.parametrize("engine", ["read", "write"])
def test_a_database_that_a_server_has_open_is_left_alone(saved, elsewhere, engine):
    elsewhere.json("init")
    at(elsewhere.environment)
    running = Engines(elsewhere.environment["LATCHKEY_DATABASE_URL"])
    with getattr(running, engine).connect() as connection:
        connection.execute(select(func.count()).select_from(User))
        connection.rollback()

        assert "is in use: stop every server of it first" in refused(elsewhere, saved)
    running.dispose()

    assert restore(elsewhere, saved)["rows"]["user"] == 2


def test_the_installation_itself_is_left_alone(cli, saved):
    at(cli.environment)
    before = put("all")

    assert "needs an empty installation" in refused(cli, saved)
    at(cli.environment)
    assert put("all") == before


def test_one_that_was_only_prepared_is_empty_and_its_key_is_set_aside(saved, elsewhere, tmp_path, settings):
    elsewhere.json("init")
    folder = tmp_path / "elsewhere"
    first = (folder / "secret_key").read_text()

    restore(elsewhere, saved)

    assert (folder / "secret_key").read_text() == (settings.instance / "secret_key").read_text() != first
    [aside] = folder.glob("secret_key.before-*")
    assert aside.read_text() == first
    assert elsewhere("doctor").exit_code == 0


def test_what_the_operator_put_there_stays(saved, elsewhere, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "scopes.toml").write_text("")

    assert restore(elsewhere, saved)["kept"] == ["scopes.toml"]
    assert (tmp_path / "elsewhere" / "scopes.toml").read_text() == ""


def test_the_folder_of_another_installation_keeps_its_key(saved, elsewhere, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "activity_chain").write_text("{}")
    (folder / "secret_key").write_text("of another installation, 0123456789 and so on\n")

    assert "belongs to another installation" in refused(elsewhere, saved)
    assert sorted(path.name for path in folder.iterdir()) == ["activity_chain", "secret_key"]


@pytest.mark.standard("P-03")
def test_after_the_database_was_lost_the_same_folder_goes_on(cli, db, saved, empty_database):
    """What the chain ended with after the backup is written down there, and is gone."""
    at(cli.environment)
    activity.record(users.find_by_email("alice@example.com"), EventKind.SIGNED_OUT)
    db.commit()
    loop.close_chain()
    new = Latchkey(cli.environment | {"LATCHKEY_DATABASE_URL": empty_database})

    restore(new, saved)

    assert new("doctor").exit_code == 0, new("doctor").output


def test_keys_of_the_environment_are_carried_and_asked_for(cli, full, elsewhere, tmp_path, settings):
    path, key, earlier = tmp_path / "backup", "k" + "0123456789abcdef" * 3, "e" + "0123456789abcdef" * 3
    keys = {"secret_key": key, "secret_key_fallbacks": earlier}
    cli.json("backup", str(path), "--passphrase-stdin", stdin=PASSPHRASE, **keys)

    assert "is not the one of the backup" in refused(elsewhere, path, secret_key="o" + key)
    told = restore(elsewhere, path)

    assert told["lacks_keys"]
    assert (tmp_path / "elsewhere" / "secret_key").read_text().strip() == key


def test_configuration_and_logo_come_along_and_the_environment_wins(cli, full, elsewhere, tmp_path, settings):
    (settings.instance / "config.toml").write_text(
        'brand_name = "Acme"\nbrand_logo = "acme.svg"\nbase_url = "http://x"\n'
    )
    (settings.instance / "acme.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    path = tmp_path / "backup"

    told = cli.json("backup", str(path), "--passphrase-stdin", stdin=PASSPHRASE)
    restore(elsewhere, path)

    assert told["files"] == ["acme.svg", "config.toml", "scopes.toml"]
    ours = settings_module.load(elsewhere.environment)
    assert (ours.brand_name, ours.base_url) == ("Acme", "http://localhost")
    assert (ours.instance / "acme.svg").is_file()


def test_only_a_backup_is_written_over(cli, full, saved, tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    first = saved.read_bytes()

    def backup(path):
        return cli.refused("backup", str(path), "--passphrase-stdin", stdin=PASSPHRASE)

    assert "is no backup" in backup(other)
    assert other.read_text() == "mine"
    assert "no place for a file" in backup(tmp_path)
    assert "there is no folder" in backup(tmp_path / "no" / "backup")
    cli.json("backup", str(saved), "--passphrase-stdin", stdin=PASSPHRASE)
    assert saved.read_bytes() != first


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_without_a_terminal_the_passphrase_is_read_where_it_is_said(cli, tmp_path, command):
    assert cli(command, str(tmp_path / "x")).exit_code == 2
    assert cli(command).exit_code == 2
    if command == "backup":
        assert "8 characters" in cli.refused(command, str(tmp_path / "x"), "--passphrase-stdin", stdin="short")
    assert not (tmp_path / "x").exists()


def test_a_failure_leaves_nothing_of_the_file(cli, full, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(content, "rows", fail)

    assert "No space left" in cli.refused("backup", str(tmp_path / "x"), "--passphrase-stdin", stdin=PASSPHRASE)
    assert not list(tmp_path.glob("*x*"))


def test_every_column_has_a_kind_and_every_reference_to_the_own_table_follows():
    found = list(content.parts(Base.metadata))

    assert {(part.table, name) for part in found for name, _ in part.columns} == {
        (table.name, column.name) for table in Base.metadata.tables.values() for column in table.columns
    }
    assert [(part.table, part.key) for part in found if part.key] == [("token", 1)]
    assert dict(found[0].columns)["at"] == "moment"


def test_every_secret_that_is_generated_is_carried():
    """One that is added has to be put into backups."""
    asked = set()
    for path in (settings_module.ROOT / "latchkey").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if ".secret(" in line and "values.secret" not in line:
                asked.add(line.strip())
    assert asked == {'defaults["secret_key"] = settings.secret("secret_key")'}


def test_the_commands_of_the_guide_work_as_they_stand_there(cli, full, elsewhere, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "passphrase.txt").write_text(f"{PASSPHRASE}\n")
    guide = (settings_module.ROOT / "docs" / "operate" / "backup.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)

    for command, block in zip((cli, elsewhere), blocks, strict=True):
        for line in block.splitlines():
            words, _, source = line.removeprefix("latchkey ").partition(" < ")
            result = command(*words.split(), stdin=(tmp_path / source).read_text() if source else "")
            assert result.exit_code == 0, result.output


def test_a_full_disk_is_one_line_and_leaves_nothing(cli, full, tmp_path, monkeypatch):
    def small(*given, **named):
        copy = connect(*given, **named)
        copy.execute("PRAGMA max_page_count=1")
        return copy

    if not cli.environment["LATCHKEY_DATABASE_URL"].startswith("sqlite"):
        monkeypatch.setattr(sealed.Writer, "write", full_disk)
    else:
        connect = snapshots.sqlite3.connect
        monkeypatch.setattr(snapshots.sqlite3, "connect", small)

    said = cli.refused("backup", str(tmp_path / "b"), "--passphrase-stdin", stdin=PASSPHRASE)

    assert "full" in said or "No space" in said
    assert [path.name for path in tmp_path.iterdir() if "b" in path.name.partition("-")[0][:3]] == []


def full_disk(*_given):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_link_in_the_target_is_followed_by_nothing_that_is_written(cli, full, elsewhere, tmp_path, settings):
    (settings.instance / "brand").mkdir()
    (settings.instance / "brand" / "logo.png").write_bytes(
        (servers.ROOT / "docs" / "images" / "tokens.png").read_bytes()
    )
    path, folder, outside = tmp_path / "b", tmp_path / "elsewhere", tmp_path / "outside"
    cli.json("backup", str(path), "--passphrase-stdin", stdin=PASSPHRASE, brand_logo="brand/logo.png")
    outside.mkdir()
    folder.mkdir()
    (folder / "brand").symlink_to(outside)

    assert "leads out of the instance folder" in refused(elsewhere, path)
    assert list(outside.iterdir()) == []

    (folder / "brand").unlink()
    (outside / "mine.toml").write_text("")
    (folder / "scopes.toml").symlink_to(outside / "mine.toml")
    (folder / "brand").mkdir()
    (folder / "brand" / "logo.png").symlink_to(outside / "nothing")
    assert restore(elsewhere, path)["kept"] == ["scopes.toml"]
    assert [each.name for each in outside.iterdir()] == ["mine.toml"]
    assert (outside / "mine.toml").read_text() == ""


ASKED = re.compile(rb"(Passphrase|confirmation): ")


@pytest.mark.either_database("about a terminal")
@pytest.mark.slow("runs the command in a terminal, which takes seconds to start")
def test_in_a_terminal_it_asks_twice_and_shows_nothing_of_what_is_typed(cli, full, tmp_path):
    ours, theirs = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LATCHKEY_")}
    command = [str(servers.LATCHKEY), "backup", str(tmp_path / "b")]
    options = {"env": clean | cli.environment, "cwd": servers.ROOT, "start_new_session": True}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, **options)
    os.close(theirs)
    seen = b""
    # The first two differ, so that it asks once more.
    for typed in ("a quiet umbrella", "a loud umbrella", "a quiet umbrella", "a quiet umbrella"):
        # Not the colon of what it says meanwhile: what is typed before it asks is thrown away.
        before = len(ASKED.findall(seen))
        while len(ASKED.findall(seen)) == before:
            seen += os.read(ours, 1024)
        os.write(ours, f"{typed}\n".encode())
    with contextlib.suppress(OSError):
        while more := os.read(ours, 1024):
            seen += more
    os.close(ours)

    assert process.wait(20) == 0, seen
    assert b"umbrella" not in seen
    assert b"do not match" in seen
    assert (tmp_path / "b").read_bytes().startswith(sealed.MAGIC)
