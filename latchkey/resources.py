"""The APIs that this server stands before: the built-in one and those of instance/resources.toml.

Their identifiers (RFC 8707) are compared as RFC 3986 §6.2.2 and §6.2.3 normalise them, and by nothing else.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from latchkey import addresses, scopes, settings
from latchkey.credentials import Kind
from latchkey.parsing import resource_file
from latchkey.scopes import BadCatalogue

ACCOUNT, MCP = "account", "mcp"


class UnknownResource(Exception):
    """An identifier is no API's that this server stands before."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One API: its name here, what clients send as `resource`, also normalised, and what people are shown."""

    name: str
    identifier: str
    normal: str
    title: str
    documentation: str
    # None: those of the built-in API.
    own: frozenset[str] | None = None

    @property
    def key(self) -> str:
        """How tokens keep it: one that was issued for an address is for no other, whatever its name leads to later."""
        return self.name if self.own is None else self.normal

    @property
    def metadata(self) -> str:
        """Where its document is (RFC 9728): the built-in API's has no name in its path."""
        named = "" if self.name == ACCOUNT else f"/{self.name}"
        return f"{settings.current().base_url}/.well-known/oauth-protected-resource{named}"

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that mean something there."""
        return frozenset(scopes.catalogue().keys() - _owners.keys()) if self.own is None else self.own

    def covers(self, names: frozenset[str]) -> bool:
        """Whether all of these scopes mean something there."""
        return _owners.keys().isdisjoint(names) if self.own is None else names <= self.own

    @property
    def default(self) -> str:
        """What any app may ask for there, as a wire string: what discovery and challenges offer."""
        mine = self.scopes
        return " ".join(name for name, scope in scopes.catalogue().items() if scope.default and name in mine)


_operators: dict[str, Resource] = {}
# Whose a scope is, by name; those that are nobody's are the built-in API's.
_owners: dict[str, str] = {}


def load(path: Path) -> None:
    """Make this process's resources from the file, if it is there; the scopes are loaded. Raises `BadCatalogue`."""
    try:
        found = _described(path)
    except ValueError as error:
        raise BadCatalogue(str(error)) from None
    _operators.clear()
    _operators.update((resource.name, resource) for resource in found)
    _owners.clear()
    _owners.update((name, resource.name) for resource in found for name in resource.own or ())
    for kept in (reached, _of, _catalogue):
        kept.cache_clear()


def _described(path: Path) -> list[Resource]:
    shipped = {scope.name for scope in scopes.SHIPPED}
    known = resource_file.Known(resources=(ACCOUNT, MCP), scopes=scopes.catalogue(), shipped=shipped)
    found = [Resource(**described._asdict()) for described in resource_file.read(path, known)]
    taken = {resource.normal: resource.name for resource in (account(), mcp())}
    for resource in found:
        for claim in (resource.normal, *sorted(resource.own or ())):
            if claim in taken:
                fault = f'has {claim}, as "{taken[claim]}" has; it belongs to one resource'
                raise resource_file.bad(resource.name, fault)
            taken[claim] = resource.name
    return found


def account() -> Resource:
    """The API here; its identifier is the origin."""
    ours = settings.current()
    return _builtin(ours.base_url, ours.brand_name)[0]


def mcp() -> Resource:
    """The MCP server here, which shares the built-in scopes; a token of an app is for it only if it was named."""
    ours = settings.current()
    return _builtin(ours.base_url, ours.brand_name)[1]


@lru_cache(maxsize=4)
def _builtin(base_url: str, brand: str) -> tuple[Resource, Resource]:
    builtin = (
        (ACCOUNT, base_url, f"{brand} API", "/docs/api"),
        (MCP, f"{base_url}/mcp", f"{brand} MCP server", "/docs/agents"),
    )
    api, server = (
        Resource(name, address, addresses.normalised(address) or address, title, f"{base_url}{guide}")
        for name, address, title, guide in builtin
    )
    return api, server


def operators() -> Collection[Resource]:
    """Those that the operator named."""
    return _operators.values()


def catalogue() -> Mapping[str, Resource]:
    """Every resource by name: the operator's in their order, then those built in."""
    ours = settings.current()
    return _catalogue(ours.base_url, ours.brand_name)


@lru_cache(maxsize=4)
def _catalogue(base_url: str, brand: str) -> Mapping[str, Resource]:
    api, server = _builtin(base_url, brand)
    return MappingProxyType(_operators | {ACCOUNT: api, MCP: server})


def _by_identifier() -> dict[str | None, Resource]:
    return {resource.normal: resource for resource in catalogue().values()}


def find(named: str) -> Resource | None:
    """The resource of a name or identifier."""
    return catalogue().get(named) or _by_identifier().get(addresses.normalised(named) or "")


def named(identifiers: Iterable[str]) -> tuple[Resource, ...]:
    """The resources that a request names by identifier, each once. Raises `UnknownResource`."""
    given = list(dict.fromkeys(map(addresses.normalised, identifiers)))
    known = _by_identifier()
    if not all(identifier in known for identifier in given):
        raise UnknownResource
    return tuple(known[identifier] for identifier in given)


def serialize(chosen: Iterable[Resource]) -> str:
    """How grants and tokens keep for which resources they are."""
    return " ".join(resource.key for resource in chosen)


def held(kept: str) -> tuple[Resource, ...]:
    """The resources that were kept so. One that the operator took out or moved since then is none any more."""
    known = {resource.key: resource for resource in catalogue().values()}
    return tuple(known[key] for key in kept.split() if key in known)


def owner(scope: str) -> Resource:
    """The resource that a scope belongs to."""
    return catalogue()[_owners.get(scope, ACCOUNT)]


@lru_cache(maxsize=4096)
def reached(names: frozenset[str], kind: str = "") -> frozenset[str]:
    """The names of the resources of these scopes; without any it is the API here, where none opens nothing.

    The MCP server, which has the same scopes, is among them for developer tokens alone: an app has to name it.
    """
    found = frozenset(_owners.get(name, ACCOUNT) for name in names) or frozenset({ACCOUNT})
    return found | {MCP} if kind == Kind.DEVELOPER and ACCOUNT in found else found


def of(names: frozenset[str], kind: str) -> tuple[Resource, ...]:
    """The same as resources, in their order."""
    ours = settings.current()
    return _of(names, kind, ours.base_url, ours.brand_name)


@lru_cache(maxsize=256)
def _of(names: frozenset[str], kind: str, base_url: str, brand: str) -> tuple[Resource, ...]:
    found = reached(names, kind)
    return tuple(resource for name, resource in _catalogue(base_url, brand).items() if name in found)


def within(names: frozenset[str], chosen: Iterable[Resource]) -> frozenset[str]:
    """Of these scopes those that mean something at one of the resources."""
    return names & frozenset[str]().union(*(resource.scopes for resource in chosen))
