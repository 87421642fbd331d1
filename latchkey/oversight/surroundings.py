"""What `latchkey doctor` looks at around the installation: modes of files, the store of limits, the kernel, proxies."""

import stat
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from latchkey import settings
from latchkey.store import rates
from latchkey.watching import traces as tracing

MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")
# What tells how to act as somebody, or who somebody is; what only decides may be read by all.
PRIVATE = ("secret_key", "mail", "config.toml")
PUBLIC = (".", "scopes.toml", "resources.toml")


class Wrong(Exception):
    """A check failed; the message says what to do."""


def _private() -> Iterator[Path]:
    ours = settings.current()
    yield from (ours.instance / name for name in PRIVATE)
    url = make_url(ours.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        yield from (Path(f"{url.database}{end}") for end in ("", "-wal", "-shm", "-journal"))


def modes() -> None:
    """Raises `Wrong` for a file that others can read, or change, and should not."""
    readable = stat.S_IRWXG | stat.S_IRWXO
    found = [f"others can read {path}: chmod go= it" for path in _private() if _mode(path) & readable]
    folder, writable = settings.current().instance, stat.S_IWGRP | stat.S_IWOTH
    decisive = [folder / name for name in PUBLIC]
    found += [f"others can change {path}: chmod go-w it" for path in decisive if _mode(path) & writable]
    if found:
        raise Wrong("; ".join(found))


def _mode(path: Path) -> int:
    return path.stat().st_mode if path.exists() else 0


def limits() -> str:
    """Where API calls are counted. Raises `Wrong` when nobody answers there."""
    rate = settings.current().api_rate_limit
    if rate is None:
        return "API calls are not limited"
    if not rates.shared():
        return f"warning: {rate} is divided among the worker processes of this host; redis://… counts for all"
    if not rates.answers():
        raise Wrong("the limits store does not answer: API calls go uncounted (LATCHKEY_RATE_LIMIT_URL)")
    return f"{rate}, counted for all processes"


def kernel() -> str:
    """The setting without which connections that wait for a worker are lost with it."""
    if not MIGRATE.exists():
        return "this kernel has no net.ipv4.tcp_migrate_req"
    if MIGRATE.read_text().strip() == "0":
        return "warning: net.ipv4.tcp_migrate_req is 0: connections that wait for a worker are lost with it"
    return "net.ipv4.tcp_migrate_req is on"


def traces() -> str:
    """Whether spans are sent, as the environment of this command has it."""
    return tracing.standing().said


def proxies() -> str:
    """Whether callers' addresses are known. Raises `Wrong`."""
    ours = settings.current()
    if warning := ours.warnings.get("proxies"):
        raise Wrong(warning)
    return f"{ours.trusted_proxies} trusted"
