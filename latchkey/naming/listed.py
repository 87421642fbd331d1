"""The scopes as people see them: by API and group."""

from collections.abc import Iterable
from dataclasses import replace

from latchkey import resources, scopes
from latchkey.resources import Resource
from latchkey.scopes import Group, Scope


def by_resource(names: Iterable[str] | None = None) -> list[tuple[Resource, dict[Group, list[Scope]]]]:
    """The catalogue, or these of it, by resource and group, in the order in which people see them."""
    wanted = None if names is None else frozenset(names)
    parts: dict[str, dict[Group, list[Scope]]] = {name: {} for name in resources.catalogue()}
    for group, members in scopes.groups().items():
        for scope in members:
            if wanted is None or scope.name in wanted:
                parts[resources.owner(scope.name).name].setdefault(group, []).append(scope)
    return [(resource, parts[name]) for name, resource in resources.catalogue().items() if parts[name]]


def for_forms() -> dict[Group, list[Scope]]:
    """The catalogue for forms: a group of an operator's API says on which it is."""
    found: dict[Group, list[Scope]] = {}
    for resource, parts in by_resource():
        for group, members in parts.items():
            shown = group if resource.own is None else replace(group, about=f"On the {resource.title}")
            found.setdefault(shown, []).extend(members)
    return found
