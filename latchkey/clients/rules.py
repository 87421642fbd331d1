"""What an app may be called and lead to, and what it may ask for at most."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from latchkey import scopes, texts
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.clients import redirects
from latchkey.clients.record import LONGEST_HOMEPAGE, LONGEST_NAME, Client
from latchkey.naming import names

Kept = TypeVar("Kept")
# Not normalised, since a homepage is only shown and never compared.
HOMEPAGE = re.compile(
    r"[Hh][Tt][Tt][Pp][Ss]://"
    r"(?:(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
    rf"|\[{redirects.ipv6('[0-9a-fA-F]{1,4}')}\])"
    r"(?::[0-9]{1,5})?(?:[/?#](?:[A-Za-z0-9._~:/?#!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
)


class BadClient(Exception):
    """A client cannot be registered or changed like this: `errors` says why, by field; `field` is the first one."""

    def __init__(self, **errors: str) -> None:
        self.errors = errors
        self.field, message = next(iter(errors.items()))
        super().__init__(message)


class OnlyAdministrator(BadClient):
    """Nobody is asked about a trusted app, so only an administrator changes what it is and where it leads."""


def protected(client: Client, by: User | None) -> bool:
    """Whether this user may not change what a trusted app is; None: an operator, who may."""
    return client.trusted and by is not None and not identities.administers(by)


def spare(client: Client, by: User | None, field: str) -> None:
    """Raises `OnlyAdministrator` for a field of an app that is protected from this user."""
    if protected(client, by):
        raise OnlyAdministrator(**{field: "This app is trusted: only an administrator can change this."})


class Wanted(NamedTuple):
    """Settings of a client as they are kept."""

    name: str
    homepage: str
    redirect_uris: list[str]
    scope: str
    optional_scope: str


def check(
    name: str,
    homepage: str,
    uris: Sequence[str],
    names: Iterable[str],
    *,
    trusted: bool,
    ceiling: frozenset[str] | None = None,
    optional: Iterable[str] = (),
) -> Wanted:
    """Settings as they are kept. Raises `BadClient` with everything that is wrong."""
    errors: dict[str, str] = {}
    wanted = Wanted(
        _kept(errors, lambda: check_name(name), ""),
        _kept(errors, lambda: check_homepage(homepage), ""),
        _kept(errors, lambda: check_redirect_uris(uris), []),
        _kept(errors, lambda: check_scopes(names, trusted=trusted, ceiling=ceiling), ""),
        _kept(errors, lambda: check_optional(optional), ""),
    )
    if errors:
        raise BadClient(**errors)
    # Only scopes that it may ask for can be optional.
    may_untick = scopes.held(wanted.optional_scope) & scopes.held(wanted.scope)
    return wanted._replace(optional_scope=scopes.serialize(may_untick))


def _kept(errors: dict[str, str], rule: Callable[[], Kept], otherwise: Kept) -> Kept:
    try:
        return rule()
    except BadClient as error:
        errors.update(error.errors)
        return otherwise


def check_name(name: str) -> str:
    """A name that people can tell from the portal's own (J-04). Raises `BadClient`."""
    try:
        return names.check(name, LONGEST_NAME)
    except texts.BadText as error:
        raise BadClient(name=str(error)) from None


def check_homepage(homepage: str) -> str:
    """An https address, or empty. Raises `BadClient`."""
    if homepage and (len(homepage) > LONGEST_HOMEPAGE or not HOMEPAGE.fullmatch(homepage)):
        raise BadClient(homepage="Write an https address such as https://app.example.com.")
    return homepage


def check_redirect_uris(uris: Sequence[str]) -> list[str]:
    """At least one address to lead people back to, each once. Raises `BadClient`."""
    unique = list(dict.fromkeys(uris))
    if not unique:
        raise BadClient(redirect_uris="Write at least one address to lead people back to.")
    if len(unique) > redirects.MOST:
        raise BadClient(redirect_uris=f"Use at most {redirects.MOST} addresses.")
    for number, uri in enumerate(unique, 1):
        try:
            redirects.check(uri)
        except redirects.BadRedirectURI as error:
            message = f"Line {number}: {error}" if len(unique) > 1 else str(error)
            raise BadClient(redirect_uris=message) from None
    return unique


def check_optional(names: Iterable[str]) -> str:
    """The scopes that an app can do without, as a wire string; perhaps none. Raises `BadClient`."""
    try:
        return scopes.serialize(scopes.check(names))
    except scopes.NoScopes:
        return ""
    except scopes.UnknownScope:
        raise BadClient(optional_scopes="One of these scopes does not exist.") from None


def check_scopes(names: Iterable[str], *, trusted: bool, ceiling: frozenset[str] | None = None) -> str:
    """The most that an app may ask for, as a wire string; within the ceiling, if there is one. Raises `BadClient`."""
    try:
        chosen = scopes.check(names)
    except scopes.NoScopes:
        raise BadClient(scopes="Choose at least one scope.") from None
    except scopes.UnknownScope:
        raise BadClient(scopes="One of these scopes does not exist.") from None
    # I-06: no app makes credentials unseen.
    if chosen & scopes.CREDENTIAL and not trusted:
        refused = " and ".join(sorted(chosen & scopes.CREDENTIAL))
        raise BadClient(scopes=f"{refused} is only for apps that an administrator trusts.")
    if ceiling is not None and not chosen <= ceiling:
        raise BadClient(
            scopes="People are not asked about a trusted app: only an administrator can give it more scopes."
        )
    return scopes.serialize(chosen)
