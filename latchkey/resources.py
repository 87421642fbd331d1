"""Identifiers of APIs (RFC 8707), compared as RFC 3986 §6.2.2 and §6.2.3 normalise them, and by nothing else."""

import re
import string
from functools import lru_cache

from latchkey import settings

LONGEST = 2_000
DEFAULT_PORTS = {"http": "80", "https": "443"}
FORM = re.compile(
    r"(https?)://((?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])(?::([0-9]*))?"
    r"((?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*)(\?[^#\s]*)?",
    re.ASCII | re.IGNORECASE,
)
ENCODED = re.compile(r"%([0-9A-Fa-f]{2})", re.ASCII)
UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")


def is_ours(identifier: str) -> bool:
    """Whether this names the API here, whose identifier is the origin with or without its trailing slash."""
    return normalised(identifier) == _ours(settings.current().base_url)


@lru_cache(maxsize=4)
def _ours(base_url: str) -> str | None:
    return normalised(base_url)


def normalised(identifier: str) -> str | None:
    """The one spelling that equal identifiers share; None for what is no absolute http address, or has a fragment."""
    found = FORM.fullmatch(identifier) if len(identifier) <= LONGEST else None
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
