"""One kind of call as it is counted in memory, before a row is made of it."""

from typing import Final, NamedTuple, TypeAlias

# The scopes of calls that were too many kinds to tell apart: each counts as used.
ANY = "*"


class Counted(NamedTuple):
    """One kind of call as it is counted in memory. A developer token has no client, an app's tokens are all one."""

    client_id: str | None
    token_id: str | None
    user_id: str | None
    day: int
    status: int
    call: str
    wanted: frozenset[str]
    address: str
    agent: str

    @property
    def plain(self) -> "Counted":
        """The same without its details, for calls of which too many kinds came to tell them apart."""
        return self._replace(call="", wanted=frozenset({ANY}), address="", agent="")


# The same as a plain tuple, in the order of the fields above: one is made of nearly every call, and making a `Counted`
# takes three times as long.
Entry: TypeAlias = tuple[str | None, str | None, str | None, int, int, str, frozenset[str], str, str]
CLIENT: Final = 0
TOKEN: Final = 1
USER: Final = 2
