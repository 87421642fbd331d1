"""What this door answers with: JSON, moments, tags that say whether something changed, and pages of lists."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from flask import Response, request

from api.problems import PRIVATE

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
OPEN = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}


def moment(at: datetime | None) -> str | None:
    """A moment as RFC 3339 in UTC."""
    return None if at is None else at.isoformat()[:-6] + "Z"


def shown(data: Mapping[str, Any], *, headers: Mapping[str, str] = PRIVATE) -> Response:
    """The answer to a read; 304 for who has it already (RFC 9110 §13.1.2)."""
    body = _encode(data).encode()
    tag = sha256(body).hexdigest()[:32]
    if "HTTP_IF_NONE_MATCH" in request.environ and request.if_none_match.contains_weak(tag):
        return Response(status=304, headers={**headers, "ETag": f'"{tag}"'})
    return Response(body, 200, {**headers, "ETag": f'"{tag}"'}, content_type="application/json")


def changed(data: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    """The answer to a change."""
    return Response(_encode(data), status, {**PRIVATE, **headers}, content_type="application/json")


def gone() -> Response:
    """The answer to a removal."""
    response = Response(status=204, headers=PRIVATE)
    del response.headers["Content-Type"]
    return response
