"""Where a request or command comes from, and who acts by it; carried beside what it does."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import NamedTuple

from latchkey import addresses


class Doer(StrEnum):
    """Who did something in an account."""

    OWNER = "owner"
    TOKEN = "token"
    APP = "app"
    ADMINISTRATOR = "administrator"
    COMMAND_LINE = "command_line"
    UPSTREAM = "upstream"
    OTHER = "other"


class Actor(NamedTuple):
    """Who it is: a token or an app by its id and name, and the reason that an administrator gave."""

    doer: Doer
    id: str = ""
    name: str = ""
    reason: str = ""


OWNER = Actor(Doer.OWNER)
OPERATORS = frozenset({Doer.ADMINISTRATOR, Doer.COMMAND_LINE})


class Origin(NamedTuple):
    """Where a request came from: address, what the program calls itself, the request's id, and who acts by it."""

    address: str
    agent: str
    request_id: str
    actor: Actor = OWNER
    # The caller's address as trusted proxies name it; empty: none did.
    forwarded: str = ""

    @property
    def network(self) -> str:
        """What is counted by where it comes from."""
        return addresses.network(self.address)

    @property
    def told(self) -> "Origin":
        """As the owner of an account reads it: which administrator it was, and from where, only the others read."""
        if self.actor.doer is not Doer.ADMINISTRATOR:
            return self
        return self._replace(address="", agent="", actor=self.actor._replace(id="", name=""))


COMMAND_LINE = Origin("", "command line", "", Actor(Doer.COMMAND_LINE))
current: ContextVar[Origin] = ContextVar("origin", default=COMMAND_LINE)


@contextmanager
def elsewhere() -> Iterator[None]:
    """What is recorded within happens to users by somebody else's doing, whose address and browser are not theirs.

    Nor are the names of somebody else's tokens; that it was an operator, and why, they are told.
    """
    before = current.get()
    actor = before.actor if before.actor.doer in OPERATORS else Actor(Doer.OTHER)
    mark = current.set(Origin("", "", before.request_id, actor))
    try:
        yield
    finally:
        current.reset(mark)


def act(actor: Actor) -> None:
    """From here on this is who acts, in this request or command."""
    current.set(current.get()._replace(actor=actor))
