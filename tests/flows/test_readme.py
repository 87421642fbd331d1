"""README, done: its commands run in their order, its tables and lists are those of the code."""

import json
import re
import tomllib
import urllib.request
from dataclasses import fields

import pytest

from latchkey import resources, scopes, values
from latchkey.settings import ROOT, Settings
from tests import smtp
from tests.flows.checkout import Checkout, only_once, program

README = (ROOT / "README.md").read_text(encoding="utf-8")


def code(heading: str) -> list[tuple[str, str]]:
    """The language and text of the code blocks below a heading."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```(\w*)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def fetch(url: str, **headers: str) -> tuple[int, str]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return answer.status, answer.read().decode()


def shape(record: dict[str, object]) -> list[tuple[str, str]]:
    """Names and values in their order, with every digit alike: two answers of one form have one shape."""
    return [(name, re.sub(r"[0-9a-f]", "0", str(value))) for name, value in record.items()]


def test_every_piece_of_code_is_run_or_compared_here():
    fences = re.findall(r"^```(\w*)$", README, re.MULTILINE)[::2]

    assert fences == ["sh", "sh", "json", "sh", "sh", "toml", "toml", "sh", ""]


@only_once
@pytest.mark.slow("follows the README in a checkout of its own, with a server")
def test_a_newcomer_has_a_portal_a_token_and_an_app(tmp_path):
    ours = Checkout(tmp_path / "latchkey")
    (_, commands), *_ = code("Two commands")
    (_, call), (_, answer), (_, by_hand) = code("The first token")
    [(_, register)] = code("The first OAuth app")
    [make_run, make_test] = re.findall(r"^(make \w+) +#", commands, re.MULTILINE)
    assert (make_run, make_test) == ("make run", "make test")
    assert f"`PORT=5001 {make_run}` moves it" in README
    start = f"export PYTHONPATH={ours.folder} LATCHKEY_INSTANCE={ours.folder}/instance\nenv PORT={ours.port} {make_run}"

    with program(start, ours.folder, ours.port):
        assert "Sign up free" in fetch(ours.url)[1]
        assert fetch(f"{ours.url}/dev/mail")[0] == 200
        call = call.replace("http://127.0.0.1:5000", ours.url)
        ours.run(by_hand, f"{call.rstrip()} > me.json")
        listing = ours.run(register)

    me = json.loads((ours.folder / "me.json").read_text())
    assert shape(me) == shape(json.loads(answer))
    assert re.search(r"^client_id +app_\w+\nclient_secret +lk_sec_\w+", listing, re.MULTILINE)


def test_the_scopes_are_those_of_the_worked_example(tmp_path, request, settings):
    [(_, text), (_, apis)] = code("Protecting your own API")
    (tmp_path / "scopes.toml").write_text(text)
    (tmp_path / "resources.toml").write_text(apis)
    request.addfinalizer(lambda: scopes.load(tmp_path / "nowhere.toml"))
    request.addfinalizer(lambda: resources.load(tmp_path / "nowhere.toml"))

    scopes.load(tmp_path / "scopes.toml")
    resources.load(tmp_path / "resources.toml")

    assert {"projects:read", "projects:write"} <= scopes.catalogue().keys()
    assert resources.find("projects").scopes == {"projects:read", "projects:write"}
    assert tomllib.loads(text) == tomllib.loads((ROOT / "examples/projects/scopes.toml").read_text())


@only_once
@pytest.mark.slow("follows the README in a checkout of its own, with a server")
def test_the_commands_of_deploying_bring_it_up_on_postgresql(tmp_path, postgres):
    ours = Checkout(tmp_path / "latchkey")
    [(_, commands)] = code("Deploying")
    with smtp.server() as postman:
        for shown, real in {
            "postgresql+psycopg://latchkey@db.example.com/latchkey": f"'{postgres.create('deployed')}'",
            "MAIL_SERVER=smtp.example.com": f"MAIL_SERVER=127.0.0.1 LATCHKEY_MAIL_PORT={postman.port}",
            "--port 5000": f"--port {ours.port}",
        }.items():
            assert shown in commands
            commands = commands.replace(shown, real)
        *before, _serve = commands.splitlines()
        checked = ours.run(*before)
        with program(f"export PYTHONPATH={ours.folder}\n{commands.rstrip()}", ours.folder, ours.port):
            forwarded = {"Host": "portal.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
            ready = fetch(f"{ours.url}/readyz", **forwarded)[0]
            _, metadata = fetch(f"{ours.url}/.well-known/oauth-authorization-server", **forwarded)

    assert "The postgresql database is ready" in checked
    assert ready == 200
    assert json.loads(metadata)["issuer"] == "https://portal.example.com"


def test_the_table_of_settings_says_what_the_code_does():
    rows = re.findall(r"^\| (`LATCHKEY_[^|]+) \| ([^|]+) \|", README, re.MULTILINE)
    told = {name.lower(): default for names, default in rows for name in re.findall(r"`LATCHKEY_(\w+)`", names)}

    # `given` is which of them somebody named.
    ours = [field for field in fields(Settings) if field.name != "given"]
    assert told.keys() == {field.name for field in ours}
    for field in ours:
        default = told[field.name]
        if field.default is None:
            assert default.startswith(("none", "built in")) or field.name == "brand_logo", field.name
        elif isinstance(field.default, values.Limit):
            assert values.rate(re.match("`([^`]+)`", default)[1]) == field.default, field.name
        elif isinstance(field.default, bool):
            assert default == f"`{str(field.default).lower()}`"
        elif field.default and field.name != "instance":
            assert default.startswith(f"`{field.default}`"), field.name


def test_addresses_that_it_names_are_answered(app):
    adapter = app.url_map.bind("localhost")

    named = set(re.findall(r"`(/[a-z0-9._/-]*)`", README)) - {"/dev/"}

    assert {"/docs/your-api", "/docs/oauth", "/oauth/introspect", "/healthz", "/readyz"} <= named
    for path in named - {"/dev/*"}:
        assert adapter.allowed_methods(path), path


def test_files_that_it_names_are_there():
    tree = code("How the code is laid out")[0][1]

    named = re.findall(r"\]\(([^):]+)\)", README) + re.findall(r"^(\S+?)/? {2,}", tree, re.MULTILINE)

    assert len(named) > 15
    assert not [name for name in named if not (ROOT / name).exists()]


def test_what_make_offers_is_what_it_names():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = "\n".join(re.findall(r"`[^`\n]*`|^make .*", README, re.MULTILINE))

    named = set(re.findall(r"make ([a-z-]+)", commands))

    assert {"run", "test", "bench"} <= named <= set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
