"""instance/resources.toml: what an operator says of each API of theirs, checked by itself."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from latchkey import addresses, texts
from latchkey.parsing import sources

LONGEST_TITLE = 80
NAME = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
KEYS = frozenset({"identifier", "title", "scopes", "documentation"})


class Described(NamedTuple):
    """One API: its name, its identifier as it is written and normalised, what is shown of it, and its own scopes."""

    name: str
    identifier: str
    normal: str
    title: str
    documentation: str
    own: frozenset[str]


class Known(NamedTuple):
    """What there is already: the built-in resources, every scope, and of these the built-in API's."""

    resources: Collection[str]
    scopes: Collection[str]
    shipped: Collection[str]


def read(path: Path, known: Known) -> list[Described]:
    """The APIs of the file, in its order; none if it is not there. Raises `ValueError`, a line that names the fault."""
    return [_entry(name, entry, known) for name, entry in sources.table(path).items()]


def bad(name: str, fault: str) -> ValueError:
    """A fault of the resource with this name."""
    return ValueError(f'resources.toml: "{name[:60]}" {fault}')


def _entry(name: str, entry: object, known: Known) -> Described:
    if not NAME.fullmatch(name):
        raise bad(name, "is no name of a resource; it takes 1 to 40 of a-z, 0-9 and -")
    if name in known.resources:
        raise bad(name, "is built in and cannot be defined again")
    if not isinstance(entry, dict):
        raise bad(name, "must be a table with identifier, title and scopes")
    if unknown := set(entry) - KEYS:
        raise bad(name, f"has an unknown key {min(unknown)[:40]!r}")
    identifier, documentation = entry.get("identifier"), entry.get("documentation", "")
    normal = addresses.normalised(identifier) if isinstance(identifier, str) else None
    if normal is None:
        raise bad(name, "needs identifier, an address such as https://api.example.com, without a fragment")
    if documentation != "" and (
        not isinstance(documentation, str) or not addresses.normalised(documentation.partition("#")[0])
    ):
        raise bad(name, "has documentation, which must be an address such as https://docs.example.com")
    try:
        title = texts.line(entry.get("title"), LONGEST_TITLE)
    except texts.BadText:
        raise bad(name, f"needs title, a text of 1 to {LONGEST_TITLE} characters on one line") from None
    return Described(name, str(identifier), normal, title, documentation, _own(name, entry.get("scopes"), known))


def _own(name: str, given: object, known: Known) -> frozenset[str]:
    if not isinstance(given, list) or not given or not all(isinstance(scope, str) for scope in given):
        raise bad(name, "needs scopes, a list of names from scopes.toml")
    for scope in given:
        if scope not in known.scopes:
            raise bad(name, f"names the scope {scope[:80]!r}, which is not in scopes.toml")
        if scope in known.shipped:
            raise bad(name, f"names the scope {scope}, which belongs to the built-in account")
    return frozenset(given)
