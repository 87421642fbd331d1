"""Address ranges that a token is bound to: CIDR, read and compared by `ipaddress`, kept in one spelling."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from latchkey import addresses

Range: TypeAlias = IPv4Network | IPv6Network

MOST = 50
# The longest address of version 6 and its prefix; an IPv4-mapped one may be written with dots.
LONGEST = 49
LONGEST_KEPT = 2400
# Without zones, and without the masks that `ipaddress` would take as well.
FORM = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?", re.ASCII)
MAPPED = ip_network("::ffff:0:0/96")


class BadRange(Exception):
    """This is no list of ranges; the message says what is wrong, and never what was typed if it is none."""


class RangeTooWide(Exception):
    """A token may not be used from where the one that made it may not be."""


def check(texts: Iterable[str]) -> str | None:
    """What to keep of a list of addresses and ranges; None for none, which means any. Raises `BadRange`."""
    found: list[str] = []
    for number, text in enumerate(texts):
        if number == MOST:
            raise BadRange(f"Name at most {MOST} ranges.")
        found.append(str(_range(text)))
    return " ".join(dict.fromkeys(found)) or None


def _range(text: str) -> Range:
    if len(text) > LONGEST or not FORM.fullmatch(text):
        raise BadRange("Write addresses or ranges such as 203.0.113.9 or 2001:db8::/48.")
    try:
        whole = ip_network(text, strict=False)
    except ValueError:
        raise BadRange(f"{text} is no address or range.") from None
    if "/" in text and ip_address(text.partition("/")[0]) != whole.network_address:
        # What is meant is not clear: one address, or all of its network.
        raise BadRange(f"{text} is no range. Its network is {whole}.")
    return _unmapped(whole)


def _unmapped(whole: Range) -> Range:
    """An IPv4 range, however it was written; callers of version 4 are known as such."""
    if isinstance(whole, IPv6Network) and whole.subnet_of(MAPPED):  # type: ignore[arg-type] # a network of version 6
        return IPv4Network((int(whole.network_address) & 0xFFFFFFFF, whole.prefixlen - 96))
    return whole


@lru_cache(maxsize=1024)
def held(kept: str) -> tuple[Range, ...]:
    """The ranges that were kept."""
    return tuple(ip_network(text) for text in kept.split())


def allows(kept: str | None, address: str) -> bool:
    """Whether a token that is bound to these may be used from an address. From an unknown one it may not."""
    if kept is None:
        return True
    known = addresses.parse(address)
    return bool(known) and _among(kept, ip_address(known))


def _among(kept: str, caller: IPv4Address | IPv6Address) -> bool:
    return any(caller in each for each in held(kept))


def within(kept: str | None, outer: str | None) -> bool:
    """Whether a token that is bound to these can be used only where one that is bound to `outer` can."""
    if outer is None:
        return True
    return kept is not None and all(any(_inside(each, wide) for wide in held(outer)) for each in held(kept))


def _inside(each: Range, wide: Range) -> bool:
    return each.version == wide.version and each.subnet_of(wide)  # type: ignore[arg-type] # of one version
