"""Sets of scopes with a name, from which the form of a new token can start: two of ours, and the operator's."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from latchkey import resources, scopes, texts
from latchkey.scopes import BadCatalogue

READ_ONLY, EVERYTHING = "Read only", "Everything"
LONGEST_NAME = 40
MOST = 20
MOST_SCOPES = 1_000

_named: dict[str, tuple[str, ...]] = {}


def load_catalogue(instance: Path) -> None:
    """Make this process's catalogue, the APIs that it is of, and the presets. Raises `BadCatalogue`."""
    path = instance / "scopes.toml"
    scopes.load(path)
    resources.load(instance / "resources.toml")
    found = scopes.tables(path).get(scopes.PRESETS, {})
    if not isinstance(found, dict):
        raise BadCatalogue('scopes.toml: "presets" must hold tables such as [presets."Read only"]')
    if len(found) > MOST:
        raise BadCatalogue(f"scopes.toml: it has {len(found)} presets; {MOST} are the most")
    checked = dict(_checked(name, entry) for name, entry in found.items())
    if len(checked) < len(found):
        raise BadCatalogue("scopes.toml: two presets have the same name")
    _named.clear()
    _named.update(checked)


def _checked(name: str, entry: object) -> tuple[str, tuple[str, ...]]:
    try:
        line = texts.line(name, LONGEST_NAME)
    except texts.BadText:
        said = f"scopes.toml: a preset's name takes 1 to {LONGEST_NAME} characters on one line, unlike {name[:60]!r}"
        raise BadCatalogue(said) from None
    table = entry if isinstance(entry, dict) else {}
    wanted = table.get("scopes")
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        raise BadCatalogue(f'scopes.toml: the preset "{line}" needs scopes, a list of names')
    if unknown := table.keys() - {"scopes"}:
        raise BadCatalogue(f'scopes.toml: the preset "{line}" has an unknown key {min(unknown)[:40]!r}')
    if not 1 <= len(wanted) <= MOST_SCOPES:
        raise BadCatalogue(
            f'scopes.toml: the preset "{line}" names {len(wanted)} scopes; 1 to {MOST_SCOPES} are allowed'
        )
    for each in wanted:
        if each not in scopes.catalogue():
            raise BadCatalogue(f'scopes.toml: the preset "{line}" names the scope {each[:80]!r}, which does not exist')
    return line, tuple(name for name in scopes.catalogue() if name in wanted)


def named() -> Mapping[str, tuple[str, ...]]:
    """The scopes of each preset, in the order in which people see them; an operator's own takes the place of ours.

    Nobody waits for an administrator by only looking: scopes that need approval are ticked by name, or with all.
    """
    every = scopes.catalogue().values()
    looking = tuple(scope.name for scope in every if scope.access == "read" and not scope.waits)
    return MappingProxyType({READ_ONLY: looking, EVERYTHING: tuple(scopes.catalogue())} | _named)
