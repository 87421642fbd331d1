"""Pages made smaller on the wire, where that tells nobody what is in them."""

import gzip
import re
import secrets
from functools import lru_cache
from io import BytesIO

from flask import Flask, Response, request, session

from latchkey import ids
from latchkey.tokens.listing import FILTERS

LEAST = 1_000
LONGEST = 1_000
LEVEL = 5
LONGEST_PADDING = 48
ID = re.compile(ids.FORM)
# Parameters of lists; what is no choice of theirs is not shown again.
CHOICES = frozenset({"status", "sort", "page", "scope", "show", "tab", "kind", *FILTERS})


def accepted() -> bool:
    """Whether the caller takes gzip. Browsers say so in a few words, and a long list takes long to read."""
    return len(request.headers.get("Accept-Encoding", "")) <= LONGEST and request.accept_encodings.quality("gzip") > 0


def register(app: Flask) -> None:
    """Compress what the application answers."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    """HTML by gzip; statuses without a body, and what is compressed already, stay as they are."""
    if response.mimetype != "text/html" or response.content_encoding or response.is_streamed or not _safe(response):
        return response
    body = response.get_data()
    if len(body) < LEAST:
        return response
    response.vary.add("Accept-Encoding")
    if accepted():
        response.set_data(_padded(body) if session else _zipped(body))
        response.content_encoding = "gzip"
    return response


def _safe(response: Response) -> bool:
    """Whether no secret shares the page with what somebody put into its address or form (BREACH).

    Who has no session is shown no secret, a form's neither. Else only what an address without words of anybody's leads
    to is compressed: ids, and what pages offer to choose from, of which nothing else is shown. Refusals, which may
    repeat an address, are not, nor the answers to forms, one of which may hold a token. The tokens that forms carry are
    masked for each answer in any case.
    """
    if not session:
        return True
    if response.status_code != 200 or request.method not in ("GET", "HEAD"):
        return False
    said = [value for name, value in request.args.items(multi=True) if name not in CHOICES]
    return all(ID.fullmatch(str(value)) for value in (*(request.view_args or {}).values(), *said))


@lru_cache(maxsize=64)
def _zipped(body: bytes) -> bytes:
    """The same pages are sent to everybody who is signed out."""
    return gzip.compress(body, LEVEL, mtime=0)


def _padded(body: bytes) -> bytes:
    """Of a length that varies by itself, so that what strangers wrote into somebody's records is no measure either."""
    written = BytesIO()
    name = secrets.token_hex(secrets.randbelow(LONGEST_PADDING))
    with gzip.GzipFile(name, "wb", LEVEL, written, mtime=0) as zipped:
        zipped.write(body)
    return written.getvalue()
