"""Configurations of gateways that ask /oauth/check about every call to an API, filled in for one installation.

docs/gateways holds what is written here for the example's address; portal and command line write it for their own.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from latchkey import scopes
from latchkey.addresses import DEFAULT_PORTS
from latchkey.resources import Resource
from latchkey.scopes import Scope
from latchkey.settings import ROOT

# Where the first API behind listens, the others on the ports after it; nobody tells us.
API_NAME, API_PORT = "127.0.0.1", 8080
WRITABLE = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:/[A-Za-z0-9._~-]+)*/?", re.ASCII)


class Gateway(NamedTuple):
    """One gateway: what operators type, what it is called, its file, and what is particular about it."""

    id: str
    name: str
    file: str
    about: str


GATEWAYS = (
    Gateway(
        "nginx",
        "nginx",
        "nginx.conf",
        "auth_request is in every nginx of Debian, Ubuntu and the official image. The challenge of a 403 needs the "
        "error page: by itself nginx passes on only that of a 401. Its buffers hold a token with hundreds of scopes; "
        "with those that nginx has by itself such a call ends in a 500.",
    ),
    Gateway(
        "traefik",
        "Traefik",
        "traefik.yml",
        "forwardAuth passes every refusal on as it is. Its list of headers by pattern also removes what the caller "
        "sent under these names.",
    ),
    Gateway(
        "caddy",
        "Caddy",
        "Caddyfile",
        "forward_auth passes every refusal on as it is. The order matters: first the caller’s headers go, then "
        "Latchkey’s come.",
    ),
    Gateway(
        "envoy",
        "Envoy",
        "envoy.yaml",
        "ext_authz asks with the method of the call and puts its path behind the prefix. There is one filter a scope, "
        "and a route turns off those that it does not need.",
    ),
)


class Address(NamedTuple):
    """Where a gateway reaches Latchkey."""

    scheme: str
    name: str
    port: int
    host: str

    @property
    def tls(self) -> bool:
        """Whether the gateway speaks TLS to it."""
        return self.scheme == "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def address(self) -> str:
        """Name and port, as sockets are named."""
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


def address_of(base_url: str) -> Address:
    """The parts of an origin."""
    parts = urlsplit(base_url)
    return Address(parts.scheme, parts.hostname or "", parts.port or int(DEFAULT_PORTS[parts.scheme]), parts.netloc)


@cache
def _templates() -> Environment:
    loader = FileSystemLoader(ROOT / "templates" / "gateways")
    return Environment(
        loader=loader,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        # What is filled in comes from the checked base URL.
        autoescape=False,  # noqa: S701 - configuration files, not HTML
    )


class Guarded(NamedTuple):
    """One path of an API, and the scopes that reading and changing there take; no scope: nobody may."""

    id: str
    prefix: str
    read: str
    write: str
    # Scopes of the same noun, for which an operator makes paths of their own.
    more: tuple[str, ...] = ()


class Api(NamedTuple):
    """One API: its name for /oauth/check, empty in the example, what it is called, and its paths."""

    name: str
    title: str
    document: str
    paths: tuple[Guarded, ...]


class Host(NamedTuple):
    """One host that callers know, with the APIs on it, and where they listen."""

    id: str
    name: str
    netloc: str
    port: int
    apis: tuple[Api, ...]

    @property
    def api(self) -> str:
        """Name and port of what is behind."""
        return f"{API_NAME}:{self.port}"

    @property
    def paths(self) -> tuple[Guarded, ...]:
        """Every path on it."""
        return tuple(path for api in self.apis for path in api.paths)


_PROJECTS = Guarded("projects", "/projects/", "projects:read", "projects:write")
EXAMPLE = (Host("api", "api.example.com", "api.example.com", API_PORT, (Api("", "Projects API", "", (_PROJECTS,)),)),)


def writable(resource: Resource) -> bool:
    """Whether an API's address means the same in each of the files as it does in a request."""
    return WRITABLE.fullmatch(resource.normal) is not None


def hosts_of(behind: Iterable[Resource]) -> tuple[Host, ...]:
    """The hosts of these APIs, or of the example where there are none: a path for each noun of the scopes."""
    grouped: dict[str, list[Resource]] = {}
    for resource in filter(writable, behind):
        grouped.setdefault(urlsplit(resource.normal).netloc, []).append(resource)
    taken: set[str] = set()
    return (
        tuple(
            Host(
                f"api_{number}",
                urlsplit(f"//{netloc}").hostname or "",
                netloc,
                API_PORT + number,
                _apart([_api(resource, taken) for resource in own]),
            )
            for number, (netloc, own) in enumerate(grouped.items())
        )
        or EXAMPLE
    )


def _api(resource: Resource, taken: set[str]) -> Api:
    path = urlsplit(resource.normal).path.rstrip("/")
    nouns: dict[str, list[Scope]] = {}
    for name, scope in scopes.catalogue().items():
        if name in resource.scopes:
            nouns.setdefault(name.partition(":")[0], []).append(scope)
    paths = tuple(
        _guarded(_id(f"{resource.name}_{noun}", taken), path, noun, members) for noun, members in nouns.items()
    )
    document = "/.well-known/oauth-protected-resource" + path
    return Api(resource.name, resource.title, document, paths)


def _apart(apis: list[Api]) -> tuple[Api, ...]:
    """APIs of one host without what two of them have alike: a path has one guard, and nginx refuses a second one.

    The scopes of the second stand as a remark beside the first, for whoever gives them paths of their own.
    """
    first: dict[str, Guarded] = {}
    documents: set[str] = set()
    for api in apis:
        for path in api.paths:
            before = first.setdefault(path.prefix, path)
            if before is not path:
                names = dict.fromkeys(filter(None, (path.read, path.write, *path.more)))
                more = (*before.more, *(f"{name} of {api.name}" for name in names))
                first[path.prefix] = before._replace(more=more)
    found = []
    for api in apis:
        own = {path.id for path in api.paths}
        paths = tuple(path for path in first.values() if path.id in own)
        document = "" if api.document in documents else api.document
        documents.add(api.document)
        found.append(api._replace(paths=paths, document=document))
    return tuple(found)


def _id(name: str, taken: set[str]) -> str:
    """What a path is called in the files. Two of one name would guard each other's: nginx takes the last by itself."""
    plain = re.sub("[^a-z0-9]", "_", name)
    numbered = (f"{plain}_{number}" for number in count(2))
    found = plain if plain not in taken else next(each for each in numbered if each not in taken)
    taken.add(found)
    return found


def _guarded(called: str, path: str, noun: str, members: list[Scope]) -> Guarded:
    reading = [scope.name for scope in members if scope.access == "read"]
    writing = [scope.name for scope in members if scope.access == "write"]
    chosen = ((reading or writing)[0], writing[0] if writing else "")
    more = tuple(scope.name for scope in members if scope.name not in chosen)
    return Guarded(called, f"{path}/{noun}/", *chosen, more)


def find(file: str) -> Gateway | None:
    """The gateway that a file is for."""
    return next((gateway for gateway in GATEWAYS if gateway.file == file), None)


def text(gateway: Gateway, base_url: str, behind: Iterable[Resource] = (), *, kept: int = 0) -> str:
    """A gateway's configuration for the installation at this origin, in front of these APIs or of the example.

    Answers are `kept` there for so many seconds, where the gateway can do that.
    """
    return _filled(gateway.file, address_of(base_url), hosts_of(behind), kept)


@lru_cache(maxsize=64)
def _filled(file: str, latchkey: Address, hosts: tuple[Host, ...], kept: int) -> str:
    return _templates().get_template(file).render(latchkey=latchkey, hosts=hosts, api_name=API_NAME, kept=kept)
