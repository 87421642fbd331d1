"""What this door answers with: JSON, moments, tags that say whether something changed, and pages of lists."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar
from wsgiref.types import WSGIEnvironment

from flask import Response, request
from werkzeug.datastructures import Headers

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
ANY_ORIGIN = ("Access-Control-Allow-Origin", "*")
EXPOSED = (
    "Access-Control-Expose-Headers",
    "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
)
# Where the headers of a call's rate limit wait for its answer.
RATE_LIMIT = "latchkey.rate_limit"


class Answer(Response):
    """An answer of this door. Its fixed headers are added last, and headers that we wrote are not looked over again."""

    # H-09: an answer to one token is not for another. Browser apps call from any origin, without cookies.
    fixed: ClassVar = [("Cache-Control", "no-store"), ("Vary", "Authorization"), ANY_ORIGIN, EXPOSED]

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers

    def get_wsgi_response(self, environ: WSGIEnvironment) -> Any:
        body, status, headers = super().get_wsgi_response(environ)
        return body, status, headers + self.fixed + environ.get(RATE_LIMIT, [])


class PublicAnswer(Answer):
    """An answer that is the same for everybody."""

    fixed: ClassVar = [("Cache-Control", "public, max-age=300"), ANY_ORIGIN, EXPOSED]


def moment(at: datetime | None) -> str | None:
    """A moment as RFC 3339 in UTC."""
    return None if at is None else at.isoformat()[:-6] + "Z"


def encode(data: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8."""
    return _encode(data).encode()


def tag(body: bytes) -> str:
    """An ETag that changes with the body (RFC 9110 §8.8.3)."""
    return f'"{sha256(body).hexdigest()[:32]}"'


def shown(data: Mapping[str, Any], answer: type[Answer] = Answer) -> Response:
    """The answer to a read; 304 for who has it already (RFC 9110 §13.1.2)."""
    body = encode(data)
    etag = tag(body)
    if "HTTP_IF_NONE_MATCH" in request.environ and request.if_none_match.contains_weak(etag.strip('"')):
        return empty(304, answer, ETag=etag)
    return answer(body, 200, {"ETag": etag}, content_type="application/json")


def changed(data: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """The answer to a change."""
    return Answer(encode(data), status, headers, content_type="application/json")


def empty(status: int, answer: type[Answer] = Answer, **headers: str) -> Response:
    """An answer without a body, such as to a removal."""
    response = answer(status=status, headers=headers)
    del response.headers["Content-Type"]
    return response
