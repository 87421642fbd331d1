"""Configurations of gateways that ask /oauth/check about every call to an API, filled in for one installation.

docs/gateways holds what is written here for the example's address; portal and command line write it for their own.
"""

from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from latchkey.addresses import DEFAULT_PORTS
from latchkey.settings import ROOT

# Where the API behind listens; nobody tells us.
API_NAME, API_PORT = "127.0.0.1", 8080


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
    # Configuration files, not HTML; what is filled in comes from the checked base URL.
    return Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701


def find(file: str) -> Gateway | None:
    """The gateway that a file is for."""
    return next((gateway for gateway in GATEWAYS if gateway.file == file), None)


@cache
def text(gateway: Gateway, base_url: str) -> str:
    """A gateway's configuration for the installation at this origin."""
    return (
        _templates()
        .get_template(gateway.file)
        .render(latchkey=address_of(base_url), api=f"{API_NAME}:{API_PORT}", api_name=API_NAME, api_port=API_PORT)
    )
