"""One GET to an address that somebody named: https to public hosts, pinned, without redirects, bounded in all.

In development http from this machine's own loopback is let pass too, so that things can be tried out.
"""

import contextlib
import http.client
import socket
import time
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from latchkey import settings, watching
from latchkey.fetching import bounded
from latchkey.fetching.bounded import NotFetched

SECONDS = 5.0
LONGEST_URL = 2_000
# Names of IPv4 hosts within IPv6: where a packet to them ends is not what they look like.
DISGUISES = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
# RFC 4291 §2.4: all that was given out so far.
PUBLIC = IPv6Network("2000::/3")

Address = IPv4Address | IPv6Address


class Answer(NamedTuple):
    """What stands at an address, and how long its host says that it holds."""

    body: bytes
    cache_control: str


def fetch(url: str, *, most: int, kinds: frozenset[str]) -> bytes:
    """What stands at an address: at most so many bytes, of one of these media types. Raises `NotFetched`."""
    return ask(url, most=most, kinds=kinds).body


def ask(url: str, *, most: int, kinds: frozenset[str], queue: str = "guarded") -> Answer:
    """The same, for whoever keeps it; its name is resolved in this queue. Raises `NotFetched`."""
    parts = _parts(url)
    with watching.step("GET", {"http.request.method": "GET", "server.address": parts.hostname or ""}):
        return _conversed(parts, most, kinds, queue)


def _conversed(parts: SplitResult, most: int, kinds: frozenset[str], queue: str) -> Answer:
    until = time.monotonic() + SECONDS
    address = _resolved(parts, until, queue)
    try:
        with bounded.connected(parts, address, until) as connection:
            return _asked(connection, parts, most, kinds)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(f"no usable answer: {type(error).__name__}") from None


def _parts(url: str) -> SplitResult:
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise NotFetched("not a web address")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotFetched("not a web address") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0 or "@" in parts.netloc or "#" in url:
        raise NotFetched("not an https address")
    if parts.scheme == "http" and not settings.current().development:
        raise NotFetched("not an https address")
    return parts


def _resolved(parts: SplitResult, until: float, queue: str) -> str:
    """One address of the host, all of which must be public."""
    addresses = bounded.resolve(parts, until, queue)
    if not addresses or not all(_open_to_us(parts, address) for address in addresses):
        raise NotFetched("the host is not public")
    return addresses[0]


def _open_to_us(parts: SplitResult, text: str) -> bool:
    address: Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if parts.scheme == "http":
        return address.is_loopback
    if isinstance(address, IPv6Address) and (address not in PUBLIC or any(address in net for net in DISGUISES)):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _asked(connection: socket.socket, parts: SplitResult, most: int, kinds: frozenset[str]) -> Answer:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Accept: {', '.join(sorted(kinds))}",
        "Accept-Encoding: identity",
        "User-Agent: Latchkey",
        "Connection: close",
    )
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    # Closed by name: what it reads from keeps the connection open.
    with contextlib.closing(http.client.HTTPResponse(connection, method="GET")) as answer:
        answer.begin()
        return _read(answer, most, kinds)


def _read(answer: http.client.HTTPResponse, most: int, kinds: frozenset[str]) -> Answer:
    kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    if answer.status != http.client.OK:
        raise NotFetched(f"the answer is {answer.status}")
    if kind not in kinds or (answer.getheader("Content-Encoding") or "identity") != "identity":
        raise NotFetched("the answer is of another kind")
    if (answer.length or 0) > most:
        raise NotFetched("the answer is too long")
    body = answer.read(most + 1)
    if len(body) > most:
        raise NotFetched("the answer is too long")
    return Answer(body, answer.getheader("Cache-Control") or "")
