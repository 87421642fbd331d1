"""What a pasted answer says: our problem documents, OAuth errors, introspection, and the refusals of gateways."""

import json
import re
from collections.abc import Iterator
from typing import Any

from flask import url_for

from latchkey import addresses, settings
from latchkey.journal.advice import OAUTH_ERRORS, PROBLEMS
from portal.guards import local_path
from portal.guides.explain_words import STATUSES, Finding

MOST_DOCUMENTS = 20
KIND = re.compile(r"/docs/api#problem-([a-z-]{1,40})", re.ASCII)
NAME = re.compile(r"[\w:.-]{1,80}(?: [\w:.-]{1,80}){0,40}", re.ASCII)
STATUS = re.compile(
    r"(?:HTTP/[\d.]+ |\"status\": ?|returned error: |status(?: code)?[ :=]{1,3})(\d{3})\b", re.IGNORECASE
)
CHALLENGE = re.compile(r"www-authenticate:\s*bearer\b([^\r\n]{0,2000})", re.IGNORECASE)
# Header fields of an answer whose addresses nobody called. What stands before one is of its own line and short: across
# lines each line would be read as often as there are lines before it.
LEADING = re.compile(
    r"^[< \t]{0,20}(?:www-authenticate|(?:content-)?location|link):[^\r\n]{0,4000}", re.IGNORECASE | re.MULTILINE
)
PARAMETER = re.compile(r"(\w+)=\"([^\"]{0,1000})\"", re.ASCII)
GATEWAY = re.compile(
    r"<center>(nginx)|^(?:< )?server:\s*(nginx|caddy|envoy)|^(?:< )?via:[^\n]*(caddy)", re.IGNORECASE | re.MULTILINE
)


def split(text: str) -> tuple[list[dict[str, Any]], str]:
    """The JSON objects in a text, and the text without them."""
    found, rest, at = [], [], 0
    for start, end, document in _documents(text):
        found.append(document)
        rest.append(text[at:start])
        at = end
    return found, " ".join([*rest, text[at:]])


def without_headers(text: str) -> str:
    """A text without the header fields in which an answer names addresses."""
    return LEADING.sub("", text)


def _documents(text: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    decoder, start = json.JSONDecoder(), text.find("{")
    for _ in range(MOST_DOCUMENTS):
        if start < 0:
            return
        try:
            document, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        yield start, end, document
        start = text.find("{", end)


def about(documents: list[dict[str, Any]], text: str) -> list[Finding]:
    """What the answer in a text says."""
    findings = [said for document in documents for said in _document(document)]
    challenge = CHALLENGE.search(text)
    if challenge and not findings:
        findings += _challenge(dict(PARAMETER.findall(challenge[1])))
    gateway = GATEWAY.search(text)
    if gateway:
        name = next(part for part in gateway.groups() if part)
        findings.append(
            Finding("info", f"The answer comes from a gateway ({name}), which asks /oauth/check about each call.")
        )
    status = STATUS.search(text)
    if status and status[1] in STATUSES and (not findings or status[1] in ("502", "504")):
        findings.append(Finding("info", STATUSES[status[1]]))
    return findings


def _document(document: dict[str, Any]) -> list[Finding]:
    kind = document.get("type")
    if isinstance(kind, str) and ("title" in document or "status" in document):
        return _problem(document, kind)
    error = document.get("error")
    if isinstance(error, str) and error in OAUTH_ERRORS:
        return [_oauth_error(error)]
    if document.get("active") is False:
        return [
            Finding(
                "bad", "Introspection says that the token is not active: unknown, expired, revoked, or not for you."
            )
        ]
    return []


def _problem(document: dict[str, Any], kind: str) -> list[Finding]:
    ours = kind.startswith(settings.current().base_url + "/docs/api#problem-") and KIND.search(kind)
    name = ours[1] if ours else "too-often" if kind.endswith("#quota-exceeded") else ""
    if name not in PROBLEMS:
        status = str(document.get("status"))[:3]
        return [Finding("info", STATUSES[status])] if status in STATUSES else []
    known, said = PROBLEMS[name]
    findings = [
        Finding(
            "bad",
            f"Our API answered {known}, {name}. {said}",
            f"{url_for('portal.guide_api')}#problem-{name}",
            "Read more",
        )
    ]
    scope = document.get("scope")
    if isinstance(scope, str) and NAME.fullmatch(scope):
        findings.append(_missing(scope, document.get("fix_url")))
    return findings


def _missing(scope: str, fix_url: object) -> Finding:
    here = settings.current().base_url
    way = (
        local_path(fix_url.removeprefix(here)) if isinstance(fix_url, str) and fix_url.startswith(here + "/") else None
    )
    if way is None or not way.startswith("/tokens"):
        way = url_for("portal.new_token", scopes=scope)
    return Finding("bad", f"What is missing is {scope}.", way, "Make a token with it")


def _oauth_error(error: str) -> Finding:
    return Finding(
        "bad",
        f"The OAuth error {error} means: {OAUTH_ERRORS[error]}.",
        url_for("portal.guide_oauth", _anchor="errors"),
        "Read the guide",
    )


def _challenge(given: dict[str, str]) -> list[Finding]:
    error, scope = given.get("error", ""), given.get("scope", "")
    metadata = addresses.parts(given.get("resource_metadata", "")).path.rpartition("/")[2]
    of = f" for the API “{metadata}”" if NAME.fullmatch(metadata) and metadata != "oauth-protected-resource" else ""
    if error in OAUTH_ERRORS:
        findings = [_oauth_error(error)]
    else:
        findings = [Finding("bad", f"The call came without a token{of}. Send “Authorization: Bearer …”.")]
    if error == "insufficient_scope" and NAME.fullmatch(scope):
        findings.append(_missing(scope, None))
    return findings
