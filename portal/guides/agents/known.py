"""Agents that are known by name, from the one file that says how each is connected and what it sends."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from latchkey.resources import Resource

FILE = Path(__file__).with_name("known.toml")


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: how people add a server to it, and what it registers, with where that is said and since when."""

    name: str
    title: str
    maker: str
    place: str
    add: str
    then: str
    by_app: str
    client_name: str
    document: str
    redirect_uris: list[str]
    note: str
    checked: date
    sources: list[str]

    def adding(self, server: Resource) -> str:
        """What adds a server to it."""
        return _filled(self.add, server)

    def adding_as_app(self, server: Resource) -> str:
        """The same for an app that was registered here by hand."""
        return _filled(self.by_app, server)


def _filled(text: str, server: Resource) -> str:
    name = "portal" if server.own is None else server.name
    return text.strip().replace("SERVER_NAME", name).replace("SERVER_URL", server.identifier)


def _read() -> Mapping[str, Agent]:
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: Agent(name, **entry) for name, entry in table.items()}


AGENTS = _read()
