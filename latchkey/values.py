"""What a setting may be: parsers of values, each of which raises `ValueError` whose text says what is allowed."""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from datetime import timedelta
from email.errors import HeaderParseError, ObsoleteHeaderDefect
from email.policy import SMTP
from email.utils import formataddr
from pathlib import Path
from secrets import token_urlsafe
from typing import NamedTuple

from latchkey import domains
from latchkey.addresses import DEFAULT_PORTS
from latchkey.texts import BadText, line

SAMPLE_SECRETS = {"changeme", "secret", "secret_key", "secret-key", "dev", "development", "password", "latchkey"}
SHORTEST_SECRET = 32
LONGEST_SENDER = 320
LONGEST_CONTACT = 1000
MOST_LINKS, LONGEST_LABEL = 8, 40
ADDRESS = re.compile(r"[\x21-\x7e]+@[\w.-]+")
# What stands in a mailto: address as it is.
MAILBOX = re.compile(r"[\w.!$'*+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII | re.IGNORECASE)
# Of RFC 3986, what needs no escape in a web address.
CONTACT = re.compile(
    r"https://[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?:[/?#][\w.~!$&'()*+,;=:@/?#%-]*)?", re.ASCII | re.IGNORECASE
)
ORIGIN = re.compile(r"(https?)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([1-9]\d{0,4}))?/?", re.ASCII)
RATE = re.compile(r"([1-9][0-9]{0,8}) ?/ ?(?:([1-9][0-9]{0,3}) )?(second|minute|hour|day)s?", re.ASCII)


class Limit(NamedTuple):
    """At most `most` attempts within `window` of the first of them."""

    most: int
    window: timedelta


def text(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text that is not empty")
    return value.strip()


def flag(value: object) -> bool:
    """Yes or no, as people write it."""
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).strip().lower() not in known:
        raise ValueError("true or false")
    return known[str(value).strip().lower()]


def number(least: int, most: int) -> Callable[[object], int]:
    """A whole number from `least` to `most`."""

    def parse(value: object) -> int:
        digits = str(value).strip()
        if not re.fullmatch(r"[0-9]{1,9}", digits) or not least <= int(digits) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(digits)

    return parse


def choice(*allowed: str) -> Callable[[object], str]:
    """One of these words."""

    def parse(value: object) -> str:
        if value not in allowed:
            raise ValueError(" or ".join(allowed))
        return str(value)

    return parse


def matching(pattern: str, allowed: str) -> Callable[[object], str]:
    """A text of this form; `allowed` says in words which."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value.strip()):
            raise ValueError(allowed)
        return value.strip()

    return parse


def rate(value: object) -> Limit:
    """How many within how long: `60/minute`, `20/10 minutes`."""
    found = RATE.fullmatch(text(value)) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a rate such as 60/minute or 20/10 minutes")
    most, periods, unit = found.groups()
    return Limit(int(most), int(periods or 1) * timedelta(**{f"{unit}s": 1}))


def origin(value: object) -> str:
    """A scheme, host and port, as browsers write an origin."""
    found = ORIGIN.fullmatch(text(value).lower())
    if found is None or int(found[3] or 1) > 65535:
        raise ValueError("an origin such as https://portal.example.com")
    scheme, host, port = found.groups()
    # As browsers write it in Origin and Referer, which are compared with it.
    return f"{scheme}://{host}" if port in (None, DEFAULT_PORTS[scheme]) else f"{scheme}://{host}:{port}"


def secret(value: object) -> str:
    """A secret that was not made up by a person."""
    given = text(value)
    if len(given) < SHORTEST_SECRET or given.lower() in SAMPLE_SECRETS or len(set(given)) < 10:
        raise ValueError(f"at least {SHORTEST_SECRET} random characters; leave it out to have one generated")
    return given


def secrets(value: object) -> tuple[str, ...]:
    """Several secrets: separated by commas, or a list."""
    given = value if isinstance(value, list) else text(value).split(",")
    return tuple(secret(each) for each in given)


def sender(value: object) -> str:
    """One mail address, with a name before it or not; its domain as it is sent."""
    allowed = 'one address such as "Acme, Inc." <no-reply@example.com>, its name in quotes if it holds a comma'
    given = text(value)
    if len(given) > LONGEST_SENDER or not given.isprintable():
        raise ValueError(allowed)
    try:
        header = SMTP.header_factory("From", given)
        [(group, [found])] = [(each.display_name, each.addresses) for each in header.groups]
        # The library's parser stumbles over some of what is no address.
    except (ValueError, IndexError, HeaderParseError):
        raise ValueError(allowed) from None
    doubtful = [defect for defect in header.defects if not isinstance(defect, ObsoleteHeaderDefect)]
    if doubtful or group is not None or not ADDRESS.fullmatch(found.addr_spec):
        raise ValueError(allowed)
    local, _, domain = found.addr_spec.rpartition("@")
    try:
        sent = domain.lower() if domain.isascii() else domains.to_ascii(domain)
    except ValueError:
        raise ValueError(allowed) from None
    return formataddr((found.display_name, f"{local}@{sent}"))


def signup(value: object) -> str:
    """Who may sign up: `open`, `invite`, or mail domains."""
    given = text(value)
    if given.lower() in ("open", "invite"):
        return given.lower()
    try:
        return ",".join(domains.to_ascii(domain.strip()) for domain in given.split(","))
    except ValueError:
        raise ValueError("open, invite, or mail domains separated by commas") from None


def web_address(value: object) -> str:
    """An address on the web, also one of this machine for trying things out."""
    given = text(value)
    if len(given) > LONGEST_CONTACT or not re.fullmatch(r"https?://[!-~]+", given) or "@" in given:
        raise ValueError("an address that begins with https://")
    return given


def contact(value: object) -> str:
    """Whom to tell of a weakness, as the URI that RFC 9116 asks for: a mail address or a page."""
    given = text(value)
    address = given.removeprefix("mailto:")
    if len(given) <= LONGEST_SENDER and MAILBOX.fullmatch(address):
        return f"mailto:{address}"
    if len(given) > LONGEST_CONTACT or not CONTACT.fullmatch(given):
        raise ValueError("a mail address such as security@example.com, or an address that begins with https://")
    return given


def link(value: object) -> str:
    """An https address that pages may lead to."""
    given = text(value)
    if len(given) > LONGEST_CONTACT or not CONTACT.fullmatch(given):
        raise ValueError("an https address such as https://docs.example.com")
    return given


def links(value: object) -> tuple[tuple[str, str], ...]:
    """A few names, each with an address: `Terms=https://…,Privacy=https://…`."""
    allowed = f"up to {MOST_LINKS} of Name=https://…, separated by commas"
    pairs = [each.strip().partition("=") for each in text(value).split(",")]
    try:
        found = tuple((line(name, LONGEST_LABEL), link(address)) for name, _, address in pairs)
    except (ValueError, BadText):
        raise ValueError(allowed) from None
    if len(found) > MOST_LINKS:
        raise ValueError(allowed)
    return found


def kept_secret(path: Path) -> str:
    """A secret that this installation made for itself, with mode 0600, when it was first asked for."""
    if not path.exists():
        _make_secret(path)
    kept = path.read_text().strip()
    if len(kept) < SHORTEST_SECRET:
        raise ValueError("too short")
    return kept


def _make_secret(path: Path) -> None:
    """Put a new secret there, whole at once: of several processes that start, one makes it and all read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(token_urlsafe(48) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        Path(unfinished).unlink()
