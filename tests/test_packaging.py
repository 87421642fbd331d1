"""What the two commands stand on: lock files that install the same everywhere, and a Makefile that lists itself."""

import re
import subprocess
import tomllib

import pytest

from latchkey.settings import ROOT
from tools import release

LOCKS = ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock")


def pinned(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_with_hashes_and_names_no_address(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = [line for line in text.replace("\\\n", "").splitlines() if line and not line.lstrip().startswith("#")]

    assert not re.search(r"(https?|file|git|ssh):", text)
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)


def test_what_is_developed_with_is_what_runs():
    developed = pinned("requirements-dev.lock")

    assert pinned("requirements.lock").items() <= pinned("requirements-otel.lock").items() <= developed.items()


def test_an_extra_is_locked_for_its_tests_and_no_part_of_what_runs():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {re.match(r"[a-z0-9-]+", requirement).group() for extra in extras.values() for requirement in extra}

    assert named <= pinned("requirements-otel.lock").keys()
    assert not named & pinned("requirements.lock").keys()


@pytest.mark.standard("A-11")
def test_every_direct_dependency_is_locked_and_explained():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    several = [*project["dependency-groups"].values(), *project["project"]["optional-dependencies"].values()]
    groups = [entry for group in several for entry in group if isinstance(entry, str)]
    locked = pinned("requirements-dev.lock")

    for requirement in project["project"]["dependencies"] + groups:
        name = re.match(r"[a-z0-9-]+", requirement).group()

        assert name in locked
        assert re.search(rf'^    "{re.escape(requirement)}", *# \S', text, re.MULTILINE), requirement


def test_what_is_kept_of_a_version_is_all_that_serves_and_no_more_than_a_megabyte():
    kept = {str(path.relative_to(ROOT)) for path in release.needed(ROOT)}

    assert {"app.py", "latchkey/settings.py", "static/latchkey.css", "migrations/env.py"} <= kept
    assert {path.partition("/")[0] for path in kept} <= set(release.served(ROOT))
    assert not [path for path in kept if path.startswith(("tests/", "instance/")) or path.endswith((".pyc", ".png"))]
    [archive] = release.FOLDER.glob("*.tar.xz")
    assert archive.stat().st_size < 2**20


def test_make_lists_what_there_is():
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    for command in ("run", "test", "test-fast", "browser", "lint", "types", "migration", "bench"):
        assert re.search(rf"^make {command} +\S", listing, re.MULTILINE), command
