"""Who is calling, and what can be wrong with the credential that they presented."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from latchkey import clock, resources, scopes
from latchkey.clock import Kept
from latchkey.resources import Resource


class Fault(StrEnum):
    """What is wrong with a credential. A wrong checksum is `UNKNOWN` as well: it must not look different (I-02)."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    PAUSED = "paused"
    WAITING = "waiting"
    ELSEWHERE = "wrong-resource"


_WORDS = {
    Fault.UNKNOWN: "The token is unknown.",
    Fault.EXPIRED: "The token has expired.",
    Fault.REVOKED: "The token was revoked.",
    Fault.PAUSED: "The token is paused by its user.",
    Fault.WAITING: "The token waits for an administrator.",
    Fault.ELSEWHERE: "The token is for another API.",
}


class NoCredential(Exception):
    """Nothing was presented."""


class InvalidToken(Exception):
    """What was presented does not work; `.fault` says why, `.bearer` what is known of it."""

    def __init__(self, fault: Fault, bearer: "Bearer | None" = None) -> None:
        super().__init__(_WORDS[fault])
        self.fault, self.bearer = fault, bearer


class ScopeTooNarrow(Exception):
    """The token works but may not do this: `.needed` are all the scopes it takes, `.bearer` is what came."""

    def __init__(self, needed: frozenset[str], bearer: "Bearer") -> None:
        super().__init__("The token lacks a scope that this call needs.")
        self.needed, self.bearer = needed, bearer


class Bearer(NamedTuple):
    """Who is calling and what they may do: the facts of token, user and client in one row."""

    # Of the presented string, so it is known before anything is read. A regenerated token keeps its id, not its digest.
    digest: bytes
    token_id: str
    kind: str
    fault: str
    # Truthy or falsy: SQLite gives 0 and 1, PostgreSQL booleans.
    used_lately: bool | int | None
    parent_id: str | None
    grant_id: str | None
    scope: str
    resource: str | None
    allowed_addresses: str | None
    user_id: str | None
    client_id: str | None
    # The address of its metadata document, which is the client_id of an app that describes itself.
    client_url: str | None
    # The fields from here on are read only by callers that use them (`last` of `admit`).
    email: str | None = None
    # What stays the same when a token is replaced, refreshed or mints others: its grant, the first token of its line,
    # or its app where that acts as itself, since each of its tokens has a grant of its own.
    family: str = ""
    name: str | None = None
    email_verified: Kept | None = None
    user_created: Kept | None = None
    user_updated: Kept | None = None
    created: Kept = ""
    # When it ends, or the first of the tokens above it and their grants.
    expires: Kept | None = None
    last4: str = ""
    replaces_id: str | None = None
    description: str | None = None
    client_name: str | None = None
    # When its grant ends.
    grant_expires: Kept | None = None
    authorization_id: str | None = None
    # The ids of the tokens above it, and of their families, grants, authorizations and clients.
    above: str = ""

    @property
    def bound(self) -> bool:
        """Whether it works only from some addresses."""
        return self.allowed_addresses is not None

    @property
    def ends_with(self) -> str:
        """The ids of all whose end ends or narrows it: a remembered answer is forgotten when one of them ends."""
        own = (self.token_id, self.family, self.grant_id, self.authorization_id, self.client_id, self.user_id)
        return " ".join(dict.fromkeys(filter(None, (*own, *self.above.split()))))

    def seconds_left(self, now: datetime, most: int) -> int:
        """For how many seconds, `most` at the most, an answer about it holds unless something is revoked."""
        ends = min(filter(None, (self.expires_at, self.grant_expires_at)), default=None)
        return most if ends is None else min(most, max(0, int((ends - now).total_seconds())))

    @property
    def app_id(self) -> str | None:
        """The client_id of its app in the protocol."""
        return self.client_url or self.client_id

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return clock.read(self.created)

    @property
    def expires_at(self) -> datetime | None:
        """When it expires; None if it never does."""
        return None if self.expires is None else clock.read(self.expires)

    @property
    def grant_expires_at(self) -> datetime | None:
        """When its grant ends; None if it has no end."""
        return None if self.grant_expires is None else clock.read(self.grant_expires)

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do."""
        return scopes.held(self.scope)

    def under(self, above: Iterable[Any]) -> "Bearer":
        """The same bearer, narrowed to what all tokens above it may do (I-06).

        A token made by a token ends with it and never does more. Raises `InvalidToken`.
        """
        held, resource, family = self.scopes, self.resource, self.family
        ends, names, addresses = [self.expires_at, self.grant_expires_at], [family], self.allowed_addresses
        for elder in above:
            if elder.fault:
                raise InvalidToken(Fault(elder.fault), self)
            held &= scopes.held(elder.scope)
            if elder.parent_id is None:
                resource, family = elder.resource, elder.family
            addresses = addresses or elder.allowed_addresses
            ends += elder.expires_at, elder.grant_expires_at
            names += elder.id, elder.family, elder.grant_id, elder.authorization_id, elder.client_id
        first, all_above = min(filter(None, ends), default=None), " ".join(filter(None, names))
        narrower = self._replace(scope=scopes.serialize(held), resource=resource, family=family, above=all_above)
        # Whoever is told when it ends remembers it until then: those above may have been given an earlier end since.
        return narrower._replace(expires=first, allowed_addresses=addresses)

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The APIs that it is for: those named when it was issued, else those that its scopes belong to."""
        if self.resource is not None:
            return resources.held(self.resource)
        return resources.of(self.scopes, self.kind)

    def is_for(self, resource: Resource) -> bool:
        """Whether it is for this API."""
        if self.resource is not None:
            return resource.key in self.resource.split()
        return resource.name in resources.reached(self.scopes, self.kind)
