"""A conversation with a host that the operator named: it may be an internal one, and is bounded all the same.

No redirect is followed, and nothing is read past a length and a deadline.
"""

import contextlib
import http.client
import socket
import time
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from latchkey import addresses, watching
from latchkey.fetching import bounded
from latchkey.fetching.bounded import NotFetched

LONGEST_URL = 2_000
MOST_ADDRESSES = 4


class Reply(NamedTuple):
    """What came back."""

    status: int
    kind: str
    body: bytes


def get(url: str, *, most: int, until: float, headers: dict[str, str] | None = None) -> Reply:
    """What stands at an address: at most so many bytes, until a moment of the monotonic clock. Raises `NotFetched`."""
    return _converse("GET", url, b"", headers or {}, most=most, until=until)


def post(url: str, body: str, *, most: int, until: float, headers: dict[str, str] | None = None) -> Reply:
    """What is answered to the fields of a form. Raises `NotFetched`."""
    headers = (headers or {}) | {"Content-Type": "application/x-www-form-urlencoded"}
    return _converse("POST", url, body.encode(), headers, most=most, until=until)


def may_be_asked(url: object) -> bool:
    """Whether this is an address that can be asked: by https, or on this machine."""
    if not isinstance(url, str) or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    trusted = parts.scheme == "https" or (parts.scheme == "http" and addresses.is_loopback(parts.hostname or ""))
    return whole and trusted and "@" not in parts.netloc and "#" not in url


def _converse(method: str, url: str, body: bytes, headers: dict[str, str], *, most: int, until: float) -> Reply:
    if not may_be_asked(url):
        raise NotFetched("not an https address")
    parts = urlsplit(url)
    head = _head(method, parts, len(body), headers)
    with watching.step(method, {"http.request.method": method, "server.address": parts.hostname or ""}):
        return _answered(method, parts, head + body, most=most, until=until)


def _answered(method: str, parts: SplitResult, sent: bytes, *, most: int, until: float) -> Reply:
    for address in bounded.resolve(parts, until, "operators")[:MOST_ADDRESSES]:
        try:
            with bounded.connected(parts, address, until) as connection:
                connection.sendall(sent)
                return _read(connection, method, most)
        except ConnectionRefusedError:
            continue
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = ", too slowly" if time.monotonic() >= until else ""
            raise NotFetched(f"no usable answer: {type(error).__name__}{late}") from None
    raise NotFetched("nobody answers there")


def _head(method: str, parts: SplitResult, length: int, headers: dict[str, str]) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    named = {
        "Host": parts.netloc,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "Latchkey",
        "Connection": "close",
        **headers,
    }
    if method == "POST":
        named["Content-Length"] = str(length)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise NotFetched("not a header")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _read(connection: socket.socket, method: str, most: int) -> Reply:
    # Closed by name: what it reads from keeps the connection open.
    with contextlib.closing(http.client.HTTPResponse(connection, method=method)) as answer:
        answer.begin()
        kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        if (answer.getheader("Content-Encoding") or "identity") != "identity":
            raise NotFetched("the answer is of another kind")
        body = answer.read(most + 1)
        if len(body) > most:
            raise NotFetched("the answer is too long")
        return Reply(answer.status, kind, body)
