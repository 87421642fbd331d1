"""Network addresses as servers and proxies write them, read once where they enter; web addresses, also normalised."""

import re
import string
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

# The longest address with a zone and a port in brackets and quotes is shorter.
LONGEST = 100
# RFC 7239 §6.2: a port may be hidden behind a name that begins with an underscore.
PORT = re.compile(r":(?:[0-9]{1,5}|_[A-Za-z0-9._-]+)", re.ASCII)
LONGEST_URL = 2_000
DEFAULT_PORTS = {"http": "80", "https": "443"}
FORM = re.compile(
    r"(https?)://((?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])(?::([0-9]*))?"
    r"((?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*)(\?[^#\s]*)?",
    re.ASCII | re.IGNORECASE,
)
ENCODED = re.compile(r"%([0-9A-Fa-f]{2})", re.ASCII)
UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")


def parse(text: str) -> str:
    """The address alone: without port, brackets, quotes or zone, an IPv4 one as such. Empty: this is no address."""
    # What is long is not remembered: strangers write it.
    return _parsed(text) if len(text) <= LONGEST else ""


@lru_cache(maxsize=1024)
def _parsed(text: str) -> str:
    text = text.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    found = _bracketed(text[1:]) if text.startswith("[") else _bare(text)
    if found is None:
        return ""
    if isinstance(found, IPv6Address):
        # A server that listens for both versions names those of version 4 as ::ffff:…
        return str(found.ipv4_mapped or IPv6Address(int(found)))
    return str(found)


def network(address: str) -> str:
    """What is counted by where it comes from: for IPv6 the /64, all of which belongs to whoever has one of it."""
    known = parse(address)
    return str(ip_network((known, 64), strict=False)) if ":" in known else known


def site(address: str) -> str:
    """The /48 of an IPv6 address, of which anybody can have one for nothing, with its 65,536 networks; else empty."""
    known = parse(address)
    return str(ip_network((known, 48), strict=False)) if ":" in known else ""


def neighbourhood(network: str) -> str:
    """All networks that whoever has this one may have: the /48 of an IPv6 one, else the network itself."""
    return site(network.partition("/")[0]) or network


@lru_cache(maxsize=1024)
def place(address: str) -> tuple[str, str]:
    """Among whom turns are taken: the neighbourhood of an address, and within it the network."""
    found = network(address)
    return neighbourhood(found), found


def _bracketed(text: str) -> IPv6Address | None:
    inside, closed, port = text.partition("]")
    if not closed or (port and not PORT.fullmatch(port)):
        return None
    found = _address(inside)
    return found if isinstance(found, IPv6Address) else None


def _bare(text: str) -> IPv4Address | IPv6Address | None:
    host, colon, port = text.partition(":")
    if not colon or ":" in port:
        return _address(text)
    found = _address(host) if PORT.fullmatch(f":{port}") else None
    return found if isinstance(found, IPv4Address) else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def parts(url: str) -> SplitResult:
    """The parts of a web address; all are empty if it is none, such as one with half an address of version 6."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def normalised(identifier: str) -> str | None:
    """The one spelling that equal web addresses share (RFC 3986 §6.2.2, §6.2.3).

    None for what is no absolute http address, or has a fragment.
    """
    found = FORM.fullmatch(identifier) if len(identifier) <= LONGEST_URL else None
    if found is None:
        return None
    scheme, port = found[1].lower(), found[3] or ""
    host = ENCODED.sub(_encoded_upper, ENCODED.sub(_decoded, found[2]).lower())
    path = _without_dots(ENCODED.sub(_decoded, found[4]))
    query = ENCODED.sub(_decoded, found[5] or "")
    return f"{scheme}://{host}{'' if port in ('', DEFAULT_PORTS[scheme]) else ':' + port}{path}{query}"


def _decoded(found: re.Match[str]) -> str:
    """§6.2.2.2: what need not be encoded is not; of the rest, the digits are upper-case (§6.2.2.1)."""
    sign = chr(int(found[1], 16))
    return sign if sign in UNRESERVED else found[0].upper()


def _encoded_upper(found: re.Match[str]) -> str:
    return found[0].upper()


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4 for an absolute path; an empty one is `/` (§6.2.3)."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
