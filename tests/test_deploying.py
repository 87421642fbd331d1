"""The files of docs/deploy.md say what is so: settings that exist, paths that answer, a service that may do little."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.serve import GRACE_SECONDS
from latchkey.settings import Settings
from tests.servers import ROOT

DEPLOY = ROOT / "docs" / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir())
PAPERS = [ROOT / "docs" / "deploy.md", ROOT / "Dockerfile", ROOT / "compose.yml", *FILES]
# The host name in .env, from which the base URL is made.
OWN = {"LATCHKEY_HOST"}


def unit(name):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(DEPLOY / name)
    return parser


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_every_setting_that_is_named_exists(paper):
    known = {f"LATCHKEY_{name.upper()}" for name in Settings.__dataclass_fields__} | OWN
    assert set(re.findall(r"LATCHKEY_[A-Z_]+", paper.read_text())) <= known


@pytest.mark.parametrize("paper", FILES, ids=lambda paper: paper.name)
def test_every_file_is_named_by_the_guide(paper):
    assert paper.name in (ROOT / "docs" / "deploy.md").read_text() + (ROOT / "compose.yml").read_text()


def test_files_that_the_guide_installs_are_there():
    installed = re.findall(r"/opt/latchkey/(docs/[^\s]+)", (ROOT / "docs" / "deploy.md").read_text())
    assert installed
    for path in installed:
        assert (ROOT / path).is_file(), path


@pytest.mark.standard("A-04")
@pytest.mark.parametrize("name", ["latchkey.service", "latchkey-backup.service"])
def test_a_service_runs_as_a_user_of_its_own_and_writes_where_it_must_alone(name):
    service = unit(name)["Service"]

    assert service["User"] == service["Group"] == "latchkey"
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["ProtectHome"]) == ("strict", "yes", "yes")
    assert service["UMask"] == "0077"


def test_the_service_has_longer_to_stop_than_requests_have_to_finish():
    assert int(unit("latchkey.service")["Service"]["TimeoutStopSec"]) > GRACE_SECONDS
    compose = yaml.safe_load((ROOT / "compose.yml").read_text())
    assert int(compose["services"]["latchkey"]["stop_grace_period"].rstrip("s")) > GRACE_SECONDS


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="only Linux with systemd can read its units")
def test_systemd_reads_the_units_and_finds_little_that_the_service_may_do(tmp_path):
    for path in DEPLOY.glob("latchkey*.*e*"):
        text = path.read_text().replace("/opt/latchkey/.venv/bin/latchkey", "/bin/true")
        (tmp_path / path.name).write_text(text)
    units = sorted(str(path) for path in tmp_path.iterdir())
    read = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr

    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(tmp_path / "latchkey.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-500:]


@pytest.mark.parametrize("shell", [DEPLOY / "latchkey"], ids=["latchkey"])
def test_the_command_is_a_sound_script_that_keeps_its_arguments(shell, tmp_path):
    told = tmp_path / ".venv" / "bin" / "latchkey"
    told.parent.mkdir(parents=True)
    told.write_text('#!/bin/sh\nfor one in "$@"; do echo "[$one]"; done; echo "$LATCHKEY_BASE_URL"\n')
    told.chmod(0o755)
    text = shell.read_text().replace("/opt/latchkey", str(tmp_path)).replace("= latchkey ]", f"= {_me()} ]")
    text = text.replace("/etc/latchkey/environment", str(DEPLOY / "environment"))

    answer = subprocess.run(
        ["sh", "-c", text, "latchkey", "token", "two words", "$HOME"], capture_output=True, text=True, check=True
    )

    assert answer.stdout.splitlines() == ["[token]", "[two words]", "[$HOME]", "https://portal.example.com"]


def _me():
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def test_containers_run_without_rights_and_write_into_their_volumes_alone():
    service = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]["latchkey"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]

    kinds = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yml").read_text())}
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert re.search(r"^USER 10001:10001$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_database_is_healthy_once_it_can_be_reached_as_the_portal_reaches_it():
    """What fills a new volume answers on its socket before there is a database."""
    asked = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]["database"]["healthcheck"]["test"]
    assert asked[1:] == ["pg_isready", "--username", "latchkey", "--host", "127.0.0.1"]


def test_no_proxy_passes_on_which_trace_a_stranger_would_join():
    assert re.search(r'^ +proxy_set_header traceparent +"";$', (DEPLOY / "nginx.conf").read_text(), re.MULTILINE)
    assert re.search(r"^\t+header_up -traceparent$", (DEPLOY / "Caddyfile").read_text(), re.MULTILINE)


def test_probes_ask_what_answers(client):
    kinds = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yml").read_text())}
    container = kinds["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    paths |= set(re.findall(r"127\.0\.0\.1:5000(/\w+)", (ROOT / "Dockerfile").read_text()))
    assert paths == {"/healthz", "/readyz"}
    for path in paths:
        assert client.get(path).status_code == 200


def test_an_image_has_all_that_serves_and_nothing_else():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= kept
    assert kept - packages <= {
        *("app.py", "wsgi.py", "migrations", "static", "templates", "tools", "docs", "examples"),
        *("pyproject.toml", "requirements.lock", "requirements-otel.lock", "README.md"),
    }
    for name in kept:
        assert (ROOT / name).exists(), name
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for path in " ".join(copied).split():
        assert Path(ROOT / path).exists(), path
    named = re.search(r"^ARG LOCK=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    traced = re.search(r"--build-arg LOCK=(\S+)", (ROOT / "docs" / "operate" / "monitoring.md").read_text())[1]
    assert {named, traced} <= set(" ".join(copied).split())


@pytest.mark.slow("loads the product anew")
def test_what_goes_into_an_image_makes_an_installation_and_answers(tmp_path):
    """The files of the image alone."""
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    image = tmp_path / "app"
    image.mkdir()
    for name in kept:
        there = ROOT / name
        copy = shutil.copytree if there.is_dir() else shutil.copy2
        copy(there, image / name)
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(image),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LATCHKEY_INSTANCE": str(tmp_path / "data"),
        "LATCHKEY_BASE_URL": "https://portal.example.com",
        "LATCHKEY_TRUSTED_PROXIES": "1",
        "LATCHKEY_OPERATOR_GUIDES": "everybody",
    }

    code = (
        "import cli; cli.latchkey(['init', '--json'], standalone_mode=False); "
        "from wsgi import app; client = app.test_client(); "
        "pages = [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith(('/docs', '/v1/openapi'))]; "
        "pages = ['/readyz', '/login', '/llms.txt', *(page for page in pages if '<' not in page)]; "
        "print(app.root_path, len(pages), *(page for page in pages if client.get(page).status_code >= 400))"
    )
    command = [sys.executable, "-c", code]
    asked = subprocess.run(command, env=given, cwd=image, capture_output=True, text=True, check=False)
    root, number, *failed = asked.stdout.splitlines()[-1].split()
    assert (root, failed) == (str(image), []), asked.stderr[-2000:]
    assert int(number) > 10
