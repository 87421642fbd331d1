"""/docs/secrets and its document: how scanners find our credentials, and what they do then."""

from typing import Any

from flask import Response, jsonify, render_template, url_for

from latchkey import credentials, settings
from latchkey.credentials import BASE62, CHECKSUM_LENGTH, RANDOM_LENGTH
from portal.blueprint import blueprint
from portal.guards import absolute

# 30 characters that are clearly nobody's, so that a scanner can be tried out with it.
VECTOR_RANDOM = "TestVectorTestVectorTestVector"
KINDS = {
    "dev": "developer token",
    "oat": "access token of an OAuth app",
    "ort": "refresh token of an OAuth app",
    "sec": "client secret of an OAuth app",
    "dvc": "code of a device that signs in",
}


def vector() -> str:
    """A text with a good checksum that opens nothing."""
    return credentials.with_checksum(f"{settings.current().token_prefix}_dev_{VECTOR_RANDOM}")


def _pattern(kinds: str) -> str:
    return rf"\b{settings.current().token_prefix}_{kinds}_[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}\b"


def _formats() -> dict[str, Any]:
    checksum = {
        "algorithm": "CRC-32 (ISO-HDLC)",
        "covers": "all that stands before it, prefix and kind included",
        "alphabet": BASE62,
        "length": CHECKSUM_LENGTH,
        "padding": BASE62[0],
    }
    return {
        "prefix": settings.current().token_prefix,
        "pattern": _pattern(f"(?:{'|'.join(KINDS)})"),
        "kinds": [{"kind": kind, "name": name, "pattern": _pattern(kind)} for kind, name in KINDS.items()],
        "checksum": checksum,
        "test_vector": vector(),
        "revoke": settings.current().base_url + "/v1/credentials/revoke",
        "alerts": settings.current().base_url + "/v1/credentials/alerts"
        if settings.current().scanner_keys_url
        else None,
        "documentation": absolute("portal.guide_secrets"),
    }


@blueprint.get("/.well-known/secret-scanning.json")
def show_formats() -> Response:
    """The pattern, the checksum and where to report, for programs (I-01)."""
    answer = jsonify(_formats())
    answer.headers.update({"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"})
    return answer


@blueprint.get("/docs/secrets")
def guide_secrets() -> str:
    """The same for people."""
    return render_template(
        "guides/secrets.html", formats=_formats(), kinds=KINDS, document=url_for("portal.show_formats")
    )
