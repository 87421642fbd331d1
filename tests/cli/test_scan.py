"""`latchkey token scan`: credentials of this installation in files, found offline and never printed."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from latchkey import credentials
from latchkey.credentials import Kind
from latchkey.safety import scanner
from latchkey.settings import ROOT
from tests import processor

# As a developer's or a runner's, who has no settings of a portal.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}

pytestmark = pytest.mark.standard("I-01")


@pytest.fixture
def scan(cli):
    """The findings of a scan of these paths; their number decides the exit code."""

    def run(*paths: object, stdin: bytes = b"", **settings: str) -> list[dict]:
        result = cli("token", "scan", "--json", *map(str, paths), stdin=stdin, **settings)
        assert result.stderr == ""
        findings = json.loads(result.stdout)["findings"]
        assert result.exit_code == bool(findings)
        return findings

    return run


def device_code() -> str:
    return credentials.with_checksum(credentials.generate(Kind.DEVELOPER).replace("_dev_", "_dvc_")[:-6])


@pytest.mark.parametrize("kind", [*Kind, "dvc"])
def test_a_credential_of_every_kind_is_found_with_its_line(kind, scan, tmp_path):
    text = device_code() if kind == "dvc" else credentials.generate(kind)
    file = tmp_path / "settings.env"
    file.write_text(f"# ours\n\nTOKEN={text}\n")

    assert scan(file) == [{"path": str(file), "line": 3, "kind": str(kind), "last4": text[-4:]}]


def test_it_is_never_printed(cli, tmp_path):
    token = credentials.generate(Kind.DEVELOPER)
    file = tmp_path / f"{token}.txt"
    file.write_text(token)

    for flags in ([], ["--json"]):
        result = cli("token", "scan", *flags, str(tmp_path))

        assert result.exit_code == 1
        assert token[-4:] in result.stdout
        assert token[: len("lk_dev_") + 8] not in result.output


def test_what_only_looks_like_one_is_none(scan, tmp_path):
    token = credentials.generate(Kind.DEVELOPER)
    others = [token[:-1], token[:-1] + ("0" if token[-1] != "0" else "1"), token.replace("lk_", "acme_"), token.upper()]
    (tmp_path / "notes").write_text("\n".join([*others, token.replace("_dev_", "_pat_")]))

    assert scan(tmp_path) == []


def test_the_prefix_is_that_of_the_installation(scan, tmp_path):
    theirs = credentials.with_checksum(f"acme_{credentials.generate(Kind.ACCESS)[3:-6]}")
    (tmp_path / "notes").write_text(theirs)

    assert scan(tmp_path) == []
    assert [found["kind"] for found in scan(tmp_path, token_prefix="acme")] == ["oat"]


@pytest.mark.parametrize(
    "around",
    ["\\n{}", "https://u:{}@example.com/", "{}x", "lk_dev_{}", "lk_dev_" + "a" * 34 + "{}"],
    ids=["escaped", "address", "before text", "after a head", "in the reach of another"],
)
def test_nothing_around_it_hides_it(around, scan):
    token = credentials.generate(Kind.SECRET)

    found = scan("-", stdin=around.format(token).encode())

    assert found == [{"path": "-", "line": 1, "kind": "sec", "last4": token[-4:]}]


@pytest.mark.parametrize("place", range(-50, 5, 9))
def test_one_across_two_chunks_is_found_once_on_its_line(place, settings):
    token = credentials.generate(Kind.DEVELOPER).encode()
    before = (b"x" * 99 + b"\n") * (scanner.CHUNK // 100 + 1)
    text = before[: scanner.CHUNK + place] + token + b"\n" + before + token

    found = list(scanner.read(io.BytesIO(text), "-"))

    assert [each.line for each in found] == [text[: text.index(token)].count(b"\n") + 1, text.count(b"\n") + 1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_texts_in_other_encodings_are_read(encoding, scan, tmp_path):
    token = credentials.generate(Kind.DEVELOPER)
    (tmp_path / "notes").write_bytes(f"é\n{token}\n".encode(encoding))

    assert [(found["line"], found["last4"]) for found in scan(tmp_path)] == [(2, token[-4:])]


def test_binary_files_links_and_pipes_are_passed_over(scan, tmp_path):
    token = credentials.generate(Kind.DEVELOPER)
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder in (outside, inside, inside / "deeper"):
        folder.mkdir()
    (outside / "notes").write_text(token)
    (inside / "picture").write_bytes(b"\x89PNG\0" + token.encode())
    (inside / "link").symlink_to(outside / "notes")
    (inside / "folder").symlink_to(outside)
    (inside / "round").symlink_to(inside)
    (inside / "nowhere").symlink_to(inside / "nothing")
    os.mkfifo(inside / "pipe")
    (inside / "empty").touch()

    assert scan(inside) == []
    (inside / "deeper" / "notes").write_text(token)
    assert [found["path"] for found in scan(inside)] == [str(inside / "deeper" / "notes")]


def test_names_that_are_no_text_are_no_fault(scan, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\x1b[31m\n"
    Path(os.fsdecode(name)).write_text(credentials.generate(Kind.DEVELOPER))

    assert [found["path"] for found in scan(tmp_path)] == [f"{tmp_path}/\ufffd\ufffd[31m\ufffd"]


def test_what_cannot_be_read_is_said_and_never_taken_for_clean(cli, tmp_path, monkeypatch):
    given = os.open
    closed = tmp_path / "files" / "closed"
    closed.parent.mkdir()
    closed.write_text("nothing")

    def refuse(path, *arguments, **options):
        if path == closed:
            raise PermissionError
        return given(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)

    result = cli("token", "scan", "--json", str(closed.parent))

    assert (result.exit_code, json.loads(result.stdout)) == (1, {"findings": []})
    assert result.stderr == f"latchkey: could not be read: {closed}\n"


@pytest.mark.parametrize("arguments", [(), ("/nowhere/at/all",)])
def test_without_something_to_look_at_it_is_wrong_usage(arguments, cli):
    assert cli("token", "scan", *arguments).exit_code == 2


def test_it_needs_no_installation_and_makes_none(scan, tmp_path):
    notes, instance = tmp_path / "notes", tmp_path / "another"
    notes.write_text(credentials.generate(Kind.DEVELOPER))

    assert len(scan(notes, instance=str(instance), database_url="sqlite:////nowhere/at/all.db")) == 1
    assert not instance.exists()


def test_a_hundred_megabytes_take_a_second(settings):
    """Measured as time of the processor, on a quarter of them and with room for the noise."""
    source = b"".join(path.read_bytes() for path in sorted((ROOT / "latchkey").rglob("*.py")))
    text = source * (25_000_000 // len(source))

    def scan() -> None:
        assert list(scanner.read(io.BytesIO(text), "-")) == []

    processor.takes_less(1, scan)


@pytest.mark.slow("runs a hook that starts the command several times")
def test_the_hook_stops_what_would_be_committed_and_nothing_else(settings, tmp_path):
    """Takes seconds: git and the command run as they do for a developer."""

    def git(*arguments: str) -> subprocess.CompletedProcess:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    command = Path(sys.executable).with_name("latchkey")
    environment = CLEAN | {"LATCHKEY": str(command), "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    git("init", "--quiet")
    shutil.copy(ROOT / "examples" / "leaks" / "pre-commit", tmp_path / ".git" / "hooks" / "pre-commit")
    token = credentials.generate(Kind.DEVELOPER)
    (tmp_path / "a name.env").write_text(token)
    git("add", "a name.env")
    (tmp_path / "a name.env").write_text("cleaned up, but not staged")

    stopped = git("commit", "-m", "Leak")

    assert stopped.returncode == 1
    # As it is called in the repository, not where it was looked at.
    assert re.search(r"^a name\.env:1: dev", stopped.stdout + stopped.stderr, re.MULTILINE)
    assert token not in stopped.stdout + stopped.stderr
    git("add", "a name.env")
    (tmp_path / "a name.env").write_text(token)
    environment["LATCHKEY"] = str(tmp_path / "nowhere")
    unseen = git("commit", "-m", "Unseen")
    assert (unseen.returncode, "could not be looked at" in unseen.stderr) == (1, True)
    assert "has to be revoked" not in unseen.stderr
    environment["LATCHKEY"] = str(command)
    assert git("commit", "-m", "Clean").returncode == 0


def test_the_action_runs_the_command_on_what_it_is_given():
    action = yaml.safe_load((ROOT / "examples" / "leaks" / "action.yml").read_text())

    steps = action["runs"]["steps"]
    assert steps[-1]["env"]["LATCHKEY_TOKEN_PREFIX"] == "${{ inputs.prefix }}"
    assert "token scan" in steps[-1]["run"]
    assert not any("${{" in step.get("run", "") for step in steps)


@pytest.mark.slow("installs the command as the action does")
def test_the_command_that_the_action_installs_finds_what_is_there(settings, tmp_path):
    """It is no link into a checkout there: what its packages read has to come along."""
    source, site = tmp_path / "source", tmp_path / "site"
    for name in ("latchkey", "web", "portal", "oauth", "api", "cli"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, str(source)], check=True, capture_output=True)
    (tmp_path / "leak.env").write_text(credentials.generate(Kind.DEVELOPER))

    told = subprocess.run(
        [sys.executable, site / "bin" / "latchkey", "token", "scan", "--", "leak.env"],
        cwd=tmp_path, env=CLEAN | {"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.startswith("leak.env:1: dev")
