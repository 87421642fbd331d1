"""The scope catalogue: the shipped scopes and those of instance/scopes.toml."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from latchkey import texts
from latchkey.parsing import sources

NAME = re.compile(r"[a-z][a-z0-9_.-]{0,38}:[a-z][a-z0-9_.-]{0,38}", re.ASCII)
TEXTS = {"title": 80, "description": 200, "group": 40}
SWITCHES = ("sensitive", "default", "approval")
# Verbs that only look; what others do, people are told as a change.
LOOKING = frozenset({"read", "list", "view", "get", "search", "export", "download"})
ACCESS = ("read", "write")
# A table of the file that is no scope: see `naming/presets.py`.
PRESETS = "presets"


class UnknownScope(Exception):
    """A scope is not in the catalogue."""


class NoScopes(Exception):
    """Nothing was chosen, which never means everything."""


class BadCatalogue(Exception):
    """instance/scopes.toml or resources.toml has a fault; the text is one line that names it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A named permission: title in the consent screen's words, description for developers."""

    name: str
    title: str
    description: str
    group: str
    sensitive: bool = False
    # Whether any app may ask for it, so that discovery offers it; None: unless it is sensitive.
    offered: bool | None = None
    # `read` or `write` as the operator says; None: by its verb.
    kind: str | None = None
    # Whether whoever asks for it waits for an administrator.
    approval: bool = False

    @property
    def waits(self) -> bool:
        """Whether whoever asks for it waits for an administrator: by the catalogue, or by a policy."""
        return self.approval or self.name in _by_policy

    @property
    def default(self) -> bool:
        """Whether discovery offers it to every app."""
        return not (self.sensitive or self.waits) if self.offered is None else self.offered

    @property
    def access(self) -> str:
        """`read` when it only looks, else `write`."""
        return self.kind or ("read" if self.name.rpartition(":")[2] in LOOKING else "write")


SHIPPED = (
    Scope("account:read", "See your name and e-mail address", "Read the user's record.", "Account"),
    Scope("account:write", "Change your name", "Change the user's record.", "Account"),
    Scope("tokens:read", "See your developer tokens, never the tokens themselves", "List developer tokens.", "Tokens"),
    Scope(
        "tokens:write",
        "Create, change and revoke developer tokens",
        "Create, narrow and revoke developer tokens. A token made this way can do no more than the one that made it.",
        "Tokens",
        sensitive=True,
    ),
    Scope("apps:read", "See the OAuth apps you registered", "List your OAuth apps.", "OAuth apps"),
    Scope(
        "apps:write",
        "Register, change and delete your OAuth apps",
        "Register, change and delete OAuth apps and rotate their secrets.",
        "OAuth apps",
        sensitive=True,
    ),
    Scope(
        "authorizations:read",
        "See which apps may act for you",
        "List the apps that act for the user.",
        "Authorized applications",
    ),
    Scope(
        "authorizations:write",
        "Take back access from apps that act for you",
        "Withdraw what the user let apps do.",
        "Authorized applications",
    ),
    Scope("activity:read", "See what happened in your account", "Read the account's events.", "Activity"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """What scopes of one kind stand under in forms and guides."""

    name: str
    about: str = ""
    symbol: str = "folder"


GROUPS = {
    group.name: group
    for group in (
        Group("Account", "Name and e-mail address", "circle-user"),
        Group("Tokens", "For scripts and tools", "key-round"),
        Group("OAuth apps", "Apps you registered", "blocks"),
        Group("Authorized applications", "Apps that act for you", "plug-zap"),
        Group("Activity", "What happened", "activity"),
    )
}

# Accepted wherever scopes are asked for, and without effect: refresh tokens come without it (OpenID Connect Core §11).
OFFLINE = "offline_access"
# I-06: scopes that can create credentials; an OAuth client gets them only when an administrator trusts it.
CREDENTIAL = frozenset({"tokens:write", "apps:write"})


_shipped = {scope.name: scope for scope in SHIPPED}
_catalogue: dict[str, Scope] = dict(_shipped)
# Scopes that an administrator gave this mark to, beside those of the file.
_by_policy: set[str] = set()


def require_approval(names: Iterable[str]) -> None:
    """Let these wait for an administrator too, beside those that the file marks."""
    wanted = set(names)
    if wanted != _by_policy:
        _by_policy.clear()
        _by_policy.update(wanted)


def waiting(names: Iterable[str]) -> frozenset[str]:
    """Of these, the scopes for which whoever asks waits for an administrator."""
    return frozenset(name for name in names if name in _catalogue and _catalogue[name].waits)


def load(path: Path) -> None:
    """Make this process's catalogue: the file's scopes, if it is there, and the shipped ones. Raises `BadCatalogue`."""
    extra = {name: _entry(name, entry) for name, entry in tables(path).items() if name != PRESETS}
    _catalogue.clear()
    _catalogue.update(extra | _shipped)
    for remembered in (held, access, parse, _serialized):
        remembered.cache_clear()


def tables(path: Path) -> dict[str, Any]:
    """What stands in a file of the catalogue; nothing if it is not there. Raises `BadCatalogue`."""
    try:
        return sources.table(path)
    except ValueError as error:
        raise BadCatalogue(str(error)) from None


def _entry(name: str, entry: object) -> Scope:
    if not NAME.fullmatch(name):
        raise BadCatalogue(f'scopes.toml: "{name[:60]}" is no scope name; it takes the form noun:verb in lower case')
    if name in _shipped:
        raise BadCatalogue(f'scopes.toml: "{name}" is shipped with Latchkey and cannot be defined again')
    if not isinstance(entry, dict):
        raise BadCatalogue(f'scopes.toml: "{name}" must be a table with title, description and group')
    if unknown := set(entry) - {*TEXTS, *SWITCHES, "access"}:
        raise BadCatalogue(f'scopes.toml: "{name}" has an unknown key {min(unknown)[:40]!r}')
    said = {key: _line(name, key, entry.get(key), longest) for key, longest in TEXTS.items()}
    if unclear := [key for key in SWITCHES if not isinstance(entry.get(key, False), bool)]:
        raise BadCatalogue(f'scopes.toml: "{name}" has {unclear[0]}, which must be true or false')
    if (kind := entry.get("access")) not in (None, *ACCESS):
        raise BadCatalogue(f'scopes.toml: "{name}" has access, which must be "read" or "write"')
    sensitive, offered, approval = entry.get("sensitive", False), entry.get("default"), entry.get("approval", False)
    return Scope(name=name, sensitive=sensitive, offered=offered, kind=kind, approval=approval, **said)


def _line(name: str, key: str, text: object, longest: int) -> str:
    try:
        return texts.line(text, longest)
    except texts.BadText:
        said = f'scopes.toml: "{name}" needs {key}, a text of 1 to {longest} characters on one line'
        raise BadCatalogue(said) from None


def catalogue() -> Mapping[str, Scope]:
    """Every scope by name, in the order in which people see them."""
    return MappingProxyType(_catalogue)


def groups() -> dict[Group, list[Scope]]:
    """The catalogue by group, for forms and guides; an operator's group has a name alone."""
    grouped: dict[Group, list[Scope]] = {}
    for scope in _catalogue.values():
        grouped.setdefault(GROUPS.get(scope.group) or Group(scope.group), []).append(scope)
    return grouped


# Few, since the strings are the caller's; the bearer path sees a handful of them.
@lru_cache(maxsize=256)
def parse(scope: str) -> frozenset[str]:
    """The scopes of a wire string (RFC 6749 §3.3); empty for an empty one. Raises `UnknownScope`."""
    names = frozenset(scope.split(" ")) - {""}
    if not names <= _catalogue.keys():
        raise UnknownScope
    return names


def check(names: Iterable[str]) -> frozenset[str]:
    """At least one known scope. Raises `NoScopes`, `UnknownScope`."""
    chosen = frozenset(names)
    if not chosen:
        raise NoScopes
    if not chosen <= _catalogue.keys():
        raise UnknownScope
    return chosen


@lru_cache(maxsize=4096)
def held(scope: str) -> frozenset[str]:
    """The scopes of a stored wire string. A scope that left the catalogue since then permits nothing any more."""
    # The intersection with a view of keys alone would be a set, which whoever narrows it would change for everybody.
    return frozenset(name for name in scope.split() if name in _catalogue)


@lru_cache(maxsize=1024)
def access(names: frozenset[str]) -> str:
    """`read` if all of these only read, else `write`."""
    return "write" if "write" in [_catalogue[name].access for name in names] else "read"


def open_to(names: frozenset[str], *, trusted: bool) -> frozenset[str]:
    """Of an app's scopes those that it may ask for: with I-06 none that makes credentials, unless it is trusted now."""
    return names if trusted else names - CREDENTIAL


def serialize(names: Iterable[str]) -> str:
    """The wire string, in the catalogue's order."""
    return _serialized(frozenset(names))


@lru_cache(maxsize=1024)
def _serialized(names: frozenset[str]) -> str:
    return " ".join(name for name in _catalogue if name in names)
