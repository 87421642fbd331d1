"""Finds the programs that tests drive; run as a module, installs those that are missing where it can."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

# Chromium keeps the last list alone that it is given: this one first says again what Playwright leaves out for tests.
UNUSED = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    # Each profile gets a window, and each window what its address bar might show, as two pages loaded ahead in their
    # own process: half of what a profile costs. A process for the next site is held ready, too, and never asked for.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "SpareRendererForSitePerProcess",
)
QUIET = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(UNUSED)}",
    # No page lives long enough for the best compiler to pay, even under axe: it takes a fourteenth of a look.
    "--js-flags=--no-turbofan",
)
NODE = Path(__file__).resolve().parent / "node"
NODE_MODULES = Path(sys.prefix) / "node" / "node_modules"
SYSTEM = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"


def _on_path(*names: str) -> Path | None:
    found = (shutil.which(name, path=SYSTEM) for name in names)
    return next((Path(path) for path in found if path), None)


def curl() -> Path | None:
    return _on_path("curl")


def nginx() -> Path | None:
    return _on_path("nginx")


def caddy() -> Path | None:
    return _on_path("caddy")


def node() -> Path | None:
    return _on_path("node")


def npm() -> Path | None:
    return _on_path("npm")


def node_modules() -> Path:
    """The packages that `node/package-lock.json` pins, in this environment; brought in when they are not there yet."""
    folder, pins = NODE_MODULES.parent, (NODE / "package-lock.json").read_bytes()
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / "pins"
        if not stamp.exists() or stamp.read_bytes() != pins:
            print("Installing the packages pinned in tests/node (once; again only when they change)", flush=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(NODE / name, folder)
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run([str(npm()), "ci", *quiet], cwd=folder, check=True)
            stamp.write_bytes(pins)
    return NODE_MODULES


def redis() -> Path | None:
    return _on_path("redis-server", "valkey-server")


def promtool() -> Path | None:
    return _on_path("promtool")


def postgres() -> Path | None:
    """The newest server, beside which `initdb` lies."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda server: float(server.parts[4]))
    return debian[-1] if debian else _on_path("postgres")


def headless_shell() -> Path | None:
    return _on_path("chromium-headless-shell")


def chromium_of(playwright: Playwright) -> Path | None:
    """Playwright's own where it is there, else the system's: that without the parts for windows, which cost a fifth."""
    own = Path(playwright.chromium.executable_path)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return own if own.exists() else headless_shell() or _on_path(*names)


def chromium() -> Path | None:
    with sync_playwright() as playwright:
        return chromium_of(playwright)


@contextlib.contextmanager
def open_chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser without a window, that asks nobody on the network for anything."""
    path = chromium_of(playwright)
    if path is None:
        raise RuntimeError("Chromium is not installed: `make test` says how")
    # Chromium's sandbox does not start for root.
    browser = playwright.chromium.launch(executable_path=path, args=QUIET, chromium_sandbox=os.geteuid() != 0)
    try:
        yield browser
    finally:
        browser.close()


def pgbouncer() -> Path | None:
    return _on_path("pgbouncer")


# What it is called, how it is found, the Debian package that brings it.
NEEDED: tuple[tuple[str, Callable[[], Path | None], str], ...] = (
    ("curl", curl, "curl"),
    ("nginx", nginx, "nginx-light"),
    ("Caddy", caddy, "caddy"),
    ("Redis", redis, "redis-server"),
    ("PostgreSQL", postgres, "postgresql"),
    ("Node", node, "nodejs"),
    ("npm", npm, "npm"),
    ("PgBouncer", pgbouncer, "pgbouncer"),
    ("Chromium", chromium, "chromium"),
)


# What makes more of a test, or makes it quicker, and is done without.
WELCOME: tuple[tuple[Callable[[], Path | None], str], ...] = (
    (promtool, "prometheus"),
    (headless_shell, "chromium-headless-shell"),
)


def install(packages: list[str]) -> bool:
    """Whether Debian's package manager could bring them."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    print("Installing what the tests need:", *packages, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-qq", "-o", "DPkg::Lock::Timeout=300"]
    commands = ([*wait, "update"], [*wait, "install", "--yes", "--no-install-recommends", *packages])
    return all(
        subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0
        for command in commands
    )


def main() -> None:
    missing = [(name, package) for name, find, package in NEEDED if find() is None]
    if missing and install([package for _, package in missing]):
        missing = [(name, package) for name, find, package in NEEDED if find() is None]
    # One by one: a system may have one of them and not know the other.
    for package in [package for find, package in WELCOME if find() is None]:
        install([package])
    if missing:
        names = ", ".join(f"{name} (Debian: {package})" for name, package in missing)
        sys.exit(f"The tests need what is not here and could not be installed: {names}. Install it and try again.")
    node_modules()


if __name__ == "__main__":
    main()
