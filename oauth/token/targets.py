"""For which APIs a new token is (RFC 8707 §2): a request names fewer than were agreed to, never others."""

from collections.abc import Sequence
from typing import NamedTuple

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError

from latchkey import resources
from latchkey.resources import Resource


class InvalidTargetError(OAuth2Error):
    """RFC 8707 §2: a resource that is none of ours, or none that was agreed to."""

    error = "invalid_target"
    description = "The resource is no API of this server. Their identifiers are in the metadata of each."


class Target(NamedTuple):
    """What a token may do, and for which resources it is kept; None: those of its scopes."""

    scopes: frozenset[str]
    resource: str | None


def named(identifiers: Sequence[str]) -> tuple[Resource, ...]:
    """The resources that a request names. Raises `InvalidTargetError`."""
    if not identifiers:
        return ()
    try:
        return resources.named(identifiers)
    except resources.UnknownResource:
        raise InvalidTargetError from None


def narrowed(granted: frozenset[str], kept: str | None, identifiers: Sequence[str]) -> Target:
    """Of what was granted for the resources kept with the grant what is for those that the request names.

    Raises `InvalidTargetError` where it was granted for none of them, `InvalidGrantError` where none is left.
    """
    asked, agreed = named(identifiers), None if kept is None else resources.held(kept)
    if agreed is None:
        reached = resources.reached(granted)
        foreign = any(resource.name not in reached for resource in asked)
    else:
        foreign = not set(asked) <= set(agreed)
    if foreign:
        raise _not_granted()
    chosen = asked or agreed
    if chosen is None:
        return Target(granted, None)
    target = _at(granted, chosen)
    if not target.scopes:
        raise _not_granted() if asked else InvalidGrantError("The API that it was granted for is not here any more.")
    return target


def free(allowed: frozenset[str], identifiers: Sequence[str]) -> Target:
    """The same for an app as itself: nobody agreed to anything before. Raises `InvalidTargetError`."""
    asked = named(identifiers)
    if not asked:
        return Target(allowed, None)
    target = _at(allowed, asked)
    if not target.scopes:
        raise _not_granted()
    return target


def _at(granted: frozenset[str], chosen: tuple[Resource, ...]) -> Target:
    """A token for the MCP server is never one for the API that has the same scopes."""
    names = {resource.name for resource in chosen}
    kept = [resource for resource in chosen if resource.name != resources.ACCOUNT or resources.MCP not in names]
    return Target(resources.within(granted, chosen), resources.serialize(kept))


def _not_granted() -> InvalidTargetError:
    return InvalidTargetError("The resource is none that access was granted for.")
