"""What is wrong with the scopes that an app asks for, in words that go back to it."""

import re
from collections.abc import Callable

from authlib.oauth2.rfc6749 import InvalidScopeError

from latchkey import scopes

MOST = 3
MAY_NOT = "the app may not ask for"
NOT_THERE = "the app may not ask at this resource for"
NONE_LEFT = "The app may have none of these scopes any more."
# What is repeated of a name that is none of ours: it cannot be markup, an address or a sentence.
SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,38}(?::[A-Za-z][A-Za-z0-9_-]{0,38})?", re.ASCII)


def named(asked: str) -> frozenset[str]:
    """The names in a request's scope, apart by spaces alone (RFC 6749 §3.3); none in an empty one."""
    return frozenset(asked.split(" ")) - {""}


class TooWide(InvalidScopeError):
    """Something is asked for that may not be; the app's owner reads nothing that was sent."""

    def __init__(self, asked: str, allowed: frozenset[str], refused: str = MAY_NOT) -> None:
        super().__init__(description(asked, allowed, refused))
        self.reason = reason(asked, allowed, refused)


def reason(asked: str, allowed: frozenset[str], refused: str = MAY_NOT) -> str:
    """Why these scopes are refused, of which some are not allowed; one name of ours at most is in it.

    So of the reasons that an app's owner may read there are few, whatever strangers put together.
    """
    return _why(asked, allowed, refused, _one)


def _why(asked: str, allowed: frozenset[str], refused: str, listed: Callable[[list[str]], str]) -> str:
    if _unknown(asked):
        return "a scope is not in the catalogue"
    extra = [name for name in scopes.serialize(asked.split(" ")).split() if name not in allowed]
    return f"{refused} {listed(extra)}" if extra else f"{NONE_LEFT[0].lower()}{NONE_LEFT[1:-1]}"


def description(asked: str, allowed: frozenset[str], refused: str = MAY_NOT) -> str:
    """The same as a sentence for the app: it names more of them, or the first that is not in the catalogue."""
    unknown = _unknown(asked)
    if unknown and SHAPE.fullmatch(unknown[0]):
        return f"The scope {unknown[0]} is not in the catalogue."
    text = _why(asked, allowed, refused, _listed)
    return f"{text[0].upper()}{text[1:]}."


def _unknown(asked: str) -> list[str]:
    return [name for name in asked.split(" ") if name and name not in scopes.catalogue()]


def _one(names: list[str]) -> str:
    return names[0] + (" and others" if len(names) > 1 else "")


def _listed(names: list[str]) -> str:
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")
