"""The stage of every test: a fresh installation on either database, the cast, time, mail and a running server."""

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from copy import copy
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import CodeType
from typing import ClassVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, FileSystemBytecodeCache
from sqlalchemy.orm import Session, scoped_session
from werkzeug.routing import Map, Rule
from werkzeug.routing.matcher import StateMachineMatcher

from app import create_app
from latchkey import clock as real_clock
from latchkey import credentials, origin
from latchkey import resources as resources_module
from latchkey import scopes as scopes_module
from latchkey import settings as settings_module
from latchkey.accounts import passwords
from latchkey.accounts.users import User
from latchkey.settings import Settings
from latchkey.store import migrations
from latchkey.store import session as database_module
from latchkey.store.session import Base
from tests import apis, connections, factories, pages, process, servers, watch
from tests.connections import POSTGRESQL
from web import assets

# What is loaded and collected stays, and walking it over and over is a fifth of the start; `rarely_collected` goes on.
gc.disable()
pytest_plugins = ["tests.alike", "tests.cases"]
QUICK = passwords.Cost(passes=1, kib=8)
TABLES = [table.name for table in Base.metadata.sorted_tables]


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """A throw-away cluster, started when a test first needs it."""
    with servers.postgres() as cluster:
        connections.Kept.home = str(cluster.folder)
        yield cluster


def migrate(url: str, scratch: Path) -> None:
    settings_module.use(settings_module.load({}, instance=scratch, database_url=url))
    database_module.configure(url)
    migrations.upgrade()
    database_module.dispose()


@pytest.fixture(scope="session")
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str | Path:
    """An empty database at the newest migration: a file to copy, or the URL of a database to empty."""
    scratch = tmp_path_factory.mktemp("template")
    if POSTGRESQL:
        url = request.getfixturevalue("postgres").create("latchkey")
        migrate(url, scratch)
        return url
    migrate(f"sqlite:///{scratch / 'latchkey.db'}", scratch)
    return scratch / "latchkey.db"


def shares_its_server(request: pytest.FixtureRequest) -> bool:
    """Whether a test uses a running server and changes nothing of it but rows."""
    own = any(request.node.get_closest_marker(name) for name in ("settings", "own_server"))
    return "live_server" in request.fixturenames and not own


@pytest.fixture
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A fresh instance folder; the shared server's, emptied, for a test on that."""
    if shares_its_server(request):
        folder = request.getfixturevalue("shared_server").instance
        shutil.rmtree(folder / "mail", ignore_errors=True)
        return folder
    folder = tmp_path / "instance"
    folder.mkdir()
    return folder


@pytest.fixture
def database(request: pytest.FixtureRequest, template: str | Path, instance: Path) -> str:
    """The URL of a migrated database without rows."""
    if shares_its_server(request):
        url: str = request.getfixturevalue("shared_database")
        if POSTGRESQL:
            servers.empty(url, TABLES, served=True)
        else:
            servers.empty_file(url.removeprefix("sqlite:///"), TABLES)
        return url
    if isinstance(template, Path):
        shutil.copy(template, instance / "latchkey.db")
        return f"sqlite:///{instance / 'latchkey.db'}"
    servers.empty(template, TABLES)
    return template


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a schema."""
    if not POSTGRESQL:
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    cluster = request.getfixturevalue("postgres")
    yield cluster.create("empty")
    database_module.dispose()
    cluster.drop("empty")


@pytest.fixture
def more_settings() -> dict[str, object]:
    """What all tests of a folder set; theirs to say."""
    return {}


@pytest.fixture
def settings(
    request: pytest.FixtureRequest, more_settings: dict[str, object], instance: Path, database: str
) -> Iterator[Settings]:
    """This test's settings, in use. `@pytest.mark.settings(signup="invite")` changes some."""
    given = {"base_url": "http://localhost", "mode": "development", "instance": instance, "database_url": database}
    given |= more_settings
    for mark in reversed(list(request.node.iter_markers("settings"))):
        given |= mark.kwargs
    loaded = settings_module.load({}, **given)
    settings_module.use(loaded)
    database_module.configure(loaded.database_url, loaded.database_read_url)
    process.begin()
    # A request of the test before was the last to say where things come from.
    origin.current.set(origin.Origin("", "command line", ""))
    yield loaded
    credentials.expect_foreign(on=False)
    database_module.dispose()


@pytest.fixture
def catalogues(settings: Settings) -> Iterator[Callable[..., None]]:
    """Write this test's scopes.toml and resources.toml, and load them as a start does."""

    def load(scopes: str, resources: str = "") -> None:
        (settings.instance / "scopes.toml").write_text(scopes)
        (settings.instance / "resources.toml").write_text(resources)
        scopes_module.load(settings.instance / "scopes.toml")
        resources_module.load(settings.instance / "resources.toml")

    yield load
    scopes_module.load(settings.instance / "none")
    resources_module.load(settings.instance / "none")


@pytest.fixture
def two_apis(catalogues: Callable[..., None]) -> None:
    """An installation in front of two APIs of the operator's."""
    catalogues(apis.SCOPES, apis.RESOURCES)


@pytest.fixture(autouse=True, scope="session")
def watched() -> Iterator[None]:
    """Every transaction of every test."""
    yield from watch.everything()


@pytest.fixture(autouse=True)
def told_what_ended() -> Iterator[None]:
    """Whatever ends something tells the guards, in the same transaction."""
    yield
    found, watch.violations[:] = list(watch.violations), []
    assert not found, "ended without an ending (latchkey.endings.note)"


@pytest.fixture(autouse=True)
def quick_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same Argon2id with a thousandth of the work; what it takes in earnest is tested where passwords are."""
    passwords._nobodys.cache_clear()
    if request.path.stem != "test_passwords":
        monkeypatch.setattr(passwords, "_cost", QUICK)


@pytest.fixture
def db(settings: Settings) -> scoped_session[Session]:
    """The session that records live in, for tests of verbs."""
    return database_module.db


class SharedRoutes(Map):
    """Routes are compiled once for all apps that have the same: it took half of what making an app takes."""

    compiled: ClassVar[dict[tuple[object, ...], tuple[StateMachineMatcher, dict[str, list[Rule]]]]] = {}

    def __init__(self, **options: object) -> None:
        self._asked: list[Rule] = []
        super().__init__(**options)

    def add(self, rule: Rule) -> None:
        self._asked.append(rule)
        self._remap = True

    def update(self) -> None:
        if not self._remap:
            return
        key = (self.merge_slashes, *map(id, self._asked))
        if key not in self.compiled:
            self._matcher, self._rules_by_endpoint = StateMachineMatcher(self.merge_slashes), {}
            for rule in self._asked:
                super().add(copy(rule))
            super().update()
            self.compiled[key] = self._matcher, self._rules_by_endpoint
        self._matcher, self._rules_by_endpoint = self.compiled[key]
        self._remap = False


RULES: dict[tuple[object, ...], Rule] = {}


def shared_rule(path: str, *, endpoint: str, methods: set[str], **options: object) -> Rule:
    """What is bound to a map is a copy, so one object will do for all apps that ask for the same."""
    key = (path, endpoint, frozenset(methods), repr(options))
    if key not in RULES:
        RULES[key] = Rule(path, endpoint=endpoint, methods=methods, **options)
    return RULES[key]


Flask.url_map_class, Flask.url_rule_class = SharedRoutes, staticmethod(shared_rule)
# What lies in static/ is the same for every app of a run.
assets._read = cache(assets._read)


connections.share()


def unwritten(moment: datetime) -> str:
    raise TypeError(f"{moment} was given to SQLite as Python writes it, which is not how moments are kept")


# What SQLAlchemy binds, and `latchkey.clock.Writer`, is text by then.
sqlite3.register_adapter(datetime, unwritten)


class CompiledTemplates(FileSystemBytecodeCache):
    """Templates are compiled once a run, not once an app or a process."""

    code: ClassVar[dict[tuple[str, str], CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.code.get((bucket.key, bucket.checksum))
        if bucket.code is None:
            super().load_bytecode(bucket)
            self._keep(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        super().dump_bytecode(bucket)
        self._keep(bucket)

    def _keep(self, bucket: Bucket) -> None:
        if bucket.code is not None:
            self.code[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> CompiledTemplates:
    folder = tmp_path_factory.getbasetemp()
    # The workers of a run have folders in one of its own.
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    (shared / "templates").mkdir(exist_ok=True)
    return CompiledTemplates(str(shared / "templates"))


@pytest.fixture
def app(settings: Settings, compiled_templates: CompiledTemplates, monkeypatch: pytest.MonkeyPatch) -> Flask:
    with monkeypatch.context() as connected:
        # To the same database, by `settings`.
        connected.setattr(database_module, "configure", lambda *_urls: None)
        app = create_app(settings)
    app.testing = True
    app.jinja_env.bytecode_cache = compiled_templates
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser that is not signed in; `app.test_client()` makes another."""
    return app.test_client()


@pytest.fixture
def mailbox(app: Flask, instance: Path):
    from tests.mailbox import Mailbox

    return Mailbox(app, instance / "mail")


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = real_clock.now()

    def now(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        """`clock.move(days=1, seconds=-1)`"""
        self.moment += timedelta(**by)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(real_clock, "now", stopped.now)
    return stopped


@pytest.fixture
def alice(db: scoped_session[Session]) -> User:
    """Who owns."""
    return factories.make_user("alice@example.com", name="Alice")


@pytest.fixture
def bob(db: scoped_session[Session]) -> User:
    """A stranger."""
    return factories.make_user("bob@example.com", name="Bob")


@pytest.fixture
def signed_in(client: FlaskClient, alice: User) -> FlaskClient:
    """Alice's browser."""
    return pages.let_in(client, alice)


@pytest.fixture
def example_client(bob: User) -> factories.Registered:
    """The app "Example", which Bob registered: `example_client.client`, `example_client.secret`."""
    return factories.make_client(bob)


@pytest.fixture(scope="session")
def shared_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the shared server's own database: its worker would send the letters of tests on any other."""
    folder = tmp_path_factory.mktemp("shared")
    url = f"sqlite:///{folder / 'latchkey.db'}"
    if POSTGRESQL:
        url = request.getfixturevalue("postgres").create("shared")
    migrate(url, folder)
    return url


@pytest.fixture(scope="session")
def shared_server(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    """One `latchkey serve` for all tests of this process that leave it as they found it: starting takes a second."""
    folder = tmp_path_factory.mktemp("instance")
    with servers.latchkey(folder, forked=True, LATCHKEY_DATABASE_URL=shared_database) as server:
        yield server


@pytest.fixture
def live_server(request: pytest.FixtureRequest, settings: Settings) -> Iterator[servers.Server]:
    """A running `latchkey serve` on this test's instance and database; records made here are seen there.

    `@pytest.mark.own_server` gives a test one that it may stop.
    """
    if shares_its_server(request):
        yield request.getfixturevalue("shared_server")
        return
    with servers.latchkey(settings.instance, forked=True, LATCHKEY_DATABASE_URL=settings.database_url) as server:
        yield server


@pytest.fixture(autouse=True, scope="session")
def rarely_collected() -> None:
    """What was loaded stays loaded: looking through it again and again took a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()
