"""Redirect URIs: which may be registered, and when a sent one is a registered one."""

import re

from latchkey.clients import native_apps

LONGEST = 2_000
MOST = 20
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


def ipv6(group: str) -> str:
    """A pattern of addresses by RFC 4291 §2.2; in brackets any other makes an address that nobody can take apart."""
    after = "|".join(f"(?:{group}:){{1,{n}}}(?::{group}){{1,{7 - n}}}" for n in range(1, 7))
    return f"(?:(?:{group}:){{7}}{group}|(?:{group}:){{1,7}}:|{after}|:(?:(?::{group}){{1,7}}|:))"


HTTP = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?", re.ASCII)
# Custom URI schemes that a domain name makes one app's own (RFC 8252 §7.1), with a path or with an authority.
PRIVATE = re.compile(
    r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:(?:/[^/?#][^?#]*|/|//[A-Za-z0-9._~-]+(?:/[^?#]*)?)(?:\?[^#]*)?", re.ASCII
)
_NAME = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
HOST = re.compile(rf"{_NAME}|\[{ipv6('[0-9a-f]{1,4}')}\]", re.ASCII)
PORT = re.compile(r"(?:[1-9]\d{0,4})?", re.ASCII)
ALLOWED = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII)


def _pattern() -> str:
    """What `check` takes, but for its length, as programs are told it (ECMA-262)."""
    sign = r"(?:[A-Za-z0-9._~:/@!$&'()+,;=\[\]-]|%[0-9A-Fa-f]{2})"
    port = r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    loopback = "|".join(re.escape(host) for host in LOOPBACK)
    private = r"(?!https?:)[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:(?:/(?!/)|//[A-Za-z0-9._~-]+(?=[/?]|$))"
    kinds = (rf"(?:https://(?:{HOST.pattern})|http://(?:{loopback})){port}(?=[/?]|$)", private)
    known = "|".join(re.escape(uri) for uri in native_apps.ADDRESSES)
    climbs = r"(?!(?:[^?]*/)?(?:\.|%2[eE]){1,2}(?:[/?]|$))"
    return rf"^(?:{climbs}(?:{'|'.join(kinds)}){sign}*(?:\?(?:{sign}|\?)*)?|{known})$"


PATTERN = _pattern()


def still_named(uri: str | None, described: list[str] | None) -> bool:
    """Whether an app still names the address that a person was led back to (None: nobody was).

    `described` are those of the document in which the app describes itself; None: it does not, so it is not asked.
    Whoever has an address that the document names no more may not be the app any more.
    """
    return uri is None or described is None or any(matches(uri, one) for one in described)


class BadRedirectURI(Exception):
    """A redirect URI cannot be registered; the message says why."""


def check(uri: str) -> str:
    """A redirect URI that may be registered, kept byte for byte (B-18). Raises `BadRedirectURI` (J-02)."""
    if not uri or len(uri) > LONGEST:
        raise BadRedirectURI(f"Write an address of 1 to {LONGEST:,} characters.")
    if "*" in uri:
        raise BadRedirectURI("Leave out the wildcard: addresses are compared character by character.")
    if "#" in uri:
        raise BadRedirectURI("Leave out the fragment, the part from # on.")
    if not ALLOWED.fullmatch(uri):
        raise BadRedirectURI("Use plain ASCII without spaces; write other characters as %XX.")
    if uri.startswith(("http:", "https:")):
        _check_http(uri)
    elif uri not in native_apps.ADDRESSES and not PRIVATE.fullmatch(uri):
        raise BadRedirectURI(
            "Use https, http on 127.0.0.1 for apps on a person's computer, or a private scheme with a dot such as "
            "com.example.app:/callback."
        )
    if _climbs(uri):
        raise BadRedirectURI("Leave out . and .. from the path.")
    return uri


def _check_http(uri: str) -> None:
    found = HTTP.fullmatch(uri)
    if found is None or not found[2] or found[2].endswith(":"):
        raise BadRedirectURI("Write the whole address, such as https://app.example.com/callback.")
    if "@" in found[2]:
        raise BadRedirectURI("Leave out the user name before the @.")
    host, port = _host_and_port(found[2])
    if not HOST.fullmatch(host) or not PORT.fullmatch(port) or int(port or 1) > 65535:
        raise BadRedirectURI("Write a host name in lower case, such as app.example.com.")
    if found[1] == "http" and host not in LOOPBACK:
        raise BadRedirectURI("Use https, or http on 127.0.0.1 for apps on a person's computer.")


def _host_and_port(authority: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", authority)
    return (found[1], found[2] or "") if found else ("", "")


def _climbs(uri: str) -> bool:
    path = re.split(r"[?#]", uri, maxsplit=1)[0].replace("%2e", ".").replace("%2E", ".")
    return any(segment in (".", "..") for segment in path.split("/"))


def private(uri: str) -> bool:
    """Whether a registered URI is of a private-use scheme, which another app on the device could claim too."""
    return not uri.startswith(("http:", "https:"))


def matches(sent: str, registered: str) -> bool:
    """Whether a sent URI is the registered one: character by character, but on loopback (RFC 8252 §7.3).

    There any port will do, since it is chosen when the app runs, and an empty path equals `/`.
    """
    if sent == registered:
        return True
    if not registered.startswith("http://") or len(sent) > LONGEST:
        return False
    ours, theirs = _on_loopback(registered), _on_loopback(sent)
    return ours is not None and ours == theirs


def _on_loopback(uri: str) -> tuple[str, str, str] | None:
    """Host, path and query of an http address on this device; None for any other."""
    found = HTTP.fullmatch(uri)
    if found is None or found[1] != "http" or found[2].endswith(":"):
        return None
    host, port = _host_and_port(found[2])
    if host not in LOOPBACK or not PORT.fullmatch(port) or int(port or 1) > 65535:
        return None
    return host, found[3] or "/", found[4] or ""


def difference(sent: str, registered: list[str]) -> str:
    """In words for the app's developer: how a sent URI differs from the nearest registered one."""
    for uri in registered:
        if sent.rstrip("/") == uri.rstrip("/"):
            return "redirect URI differs in the trailing slash"
        if sent.casefold() == uri.casefold():
            return "redirect URI differs in upper and lower case"
        if sent.partition("?")[0] == uri.partition("?")[0]:
            return "redirect URI differs in the query"
        if sent.partition("#")[0] == uri:
            return "redirect URI has a fragment"
        if sent.partition(":")[2] == uri.partition(":")[2]:
            return "redirect URI differs in the scheme"
    return "redirect URI is none of the registered ones"


def destination(uri: str) -> str:
    """Where a redirect URI leads, as people read it: a host, or empty for an app on their own device."""
    found = HTTP.fullmatch(uri)
    return "" if found is None or _host_and_port(found[2])[0] in LOOPBACK else found[2]
