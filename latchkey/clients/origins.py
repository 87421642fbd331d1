"""The origins of apps' pages, made of their redirect URIs and kept apart, so that one is looked up by an index."""

import re

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from latchkey.clients.redirects import HTTP, LOOPBACK
from latchkey.store.session import Base

LONGEST = 300
ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)
DEFAULT_PORTS = {"http": "80", "https": "443"}


class ClientOrigin(Base):
    """An origin at which a client's pages may be; browsers name it when a page calls us."""

    __tablename__ = "client_origin"

    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), primary_key=True)
    origin: Mapped[str] = mapped_column(String(LONGEST), primary_key=True, index=True)


def kept(origin: str) -> str | None:
    """An origin as it is compared: of a loopback one without its port, which is chosen when the app runs (RFC 8252)."""
    found = ORIGIN.fullmatch(origin) if len(origin) <= LONGEST else None
    if found is None:
        return None
    scheme, host, port = found.groups()
    portless = port in (None, DEFAULT_PORTS[scheme]) or host in LOOPBACK
    return f"{scheme}://{host}" if portless else f"{scheme}://{host}:{port}"


def local(origin: str) -> bool:
    """Whether it is a page of a program on its reader's own device: no name on the network leads there."""
    return kept(origin) in {f"http://{host}" for host in LOOPBACK}


def of(uris: list[str]) -> frozenset[str]:
    """The origins of redirect URIs; a private scheme has none."""
    found = (HTTP.fullmatch(uri) for uri in uris)
    return frozenset(origin for each in found if each and (origin := kept(f"{each[1]}://{each[2]}")))
