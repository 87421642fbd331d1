"""The one error shape of the API: problem documents (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

from api.kit.answers import PRIVATE
from latchkey import settings
from web import encoding
from web.calls import Refusal, Reply

MEDIA_TYPE = "application/problem+json"
# draft-ietf-httpapi-ratelimit-headers-11, Problem Types.
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


class Problem(Refusal):
    """A refusal. `kind` names it in `type`; the texts are for whoever reads the answer of a failing program."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(title)
        self.status, self.kind, self.title, self.detail = status, kind, title, detail
        self.headers, self.members = headers or {}, members

    def reply(self, request_id: str) -> Reply:
        """The problem document."""
        text = encoding.readable(body(self, request_id))
        return Reply(self.status, text, [("Content-Type", MEDIA_TYPE), *self.headers.items()], PRIVATE)


def body(problem: Problem, request_id: str) -> dict[str, Any]:
    """The problem document."""
    members = dict(problem.members)
    return {
        "type": members.pop("type", f"{settings.current().base_url}/docs/api#problem-{problem.kind}"),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
        **members,
    }


def not_found() -> Problem:
    """There is no such thing, or it is somebody else's, which looks the same (H-06)."""
    return Problem(404, "not-found", "There is nothing here", "There is no such thing, or it is not yours.")


def not_json() -> Problem:
    """The body cannot be read."""
    detail = "Send one JSON object in UTF-8, in which no name comes twice."
    return Problem(400, "not-json", "The body cannot be read", detail)


def wrong_media_type() -> Problem:
    """The body is said to be something else than JSON."""
    detail = "Send the body as “Content-Type: application/json”, not compressed."
    return Problem(415, "wrong-media-type", "The body is not JSON", detail, headers={"Accept": "application/json"})


def wrong_fields(errors: Mapping[str, str]) -> Problem:
    """Some fields or parameters are wrong; `errors` has one line for each."""
    detail = "Nothing was changed. The member errors says what is wrong with each field."
    title = "Some fields are wrong" if len(errors) > 1 else "A field is wrong"
    return Problem(422, "wrong-fields", title, detail, errors=dict(errors))


def token_ended() -> Problem:
    """A token that has expired or was revoked stays as it is."""
    detail = "The token has expired or was revoked, and can no longer be changed."
    return Problem(409, "token-ended", "The token has ended", detail)


def no_secret(detail: str) -> Problem:
    """A public app has no secret, and none that proves itself by keys."""
    return Problem(409, "no-secret", "This app has no secret", detail)


def bad_key() -> Problem:
    """The Idempotency-Key cannot be used."""
    detail = "Use 1 to 255 printable ASCII characters without spaces, such as a UUID."
    return Problem(400, "bad-idempotency-key", "The Idempotency-Key cannot be used", detail)


def key_reused() -> Problem:
    """The Idempotency-Key came before with another request."""
    detail = "This Idempotency-Key came before with another request. Use a new one for each thing to be made."
    return Problem(422, "idempotency-key-reused", "The Idempotency-Key was used for something else", detail)


def made_before(made: str) -> Problem:
    """The request was carried out before, and its answer held a credential, which is shown once."""
    detail = (
        f"This request was carried out before and made {made}. What it made is shown once and cannot be told again. "
        "If the answer was lost, revoke or replace that one and send the request with a new Idempotency-Key."
    )
    return Problem(409, "made-before", "This was carried out before", detail, made=made)


def quota_reached(detail: str) -> Problem:
    """The user has as many of something as one may have."""
    return Problem(409, "quota-reached", "There is no room for another", detail)


def too_often(seconds: int, *, policy: str | None = None) -> Problem:
    """Too many calls; when the next is heard (RFC 6585 §4). `policy` is the limit that was met."""
    members: dict[str, Any] = {}
    if policy is not None:
        members = {"type": QUOTA_EXCEEDED, "violated-policies": [policy]}
    return Problem(
        429,
        "too-often",
        "Too many calls",
        f"Wait {seconds} second{'' if seconds == 1 else 's'} and try again.",
        headers={"Retry-After": str(seconds)},
        **members,
    )
