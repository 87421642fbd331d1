"""The format that `latchkey export` writes, read back: a JSON object a line, `type` says what it is."""

from typing import Any

from latchkey.credentials import Kind
from latchkey.tokens.imported.proofs import BadAlgorithm, sha256
from latchkey.transfer.moving.lines import BadLine, flag, moment, needed, text, texts
from latchkey.transfer.moving.records import (
    AppRecord,
    AuthorizationRecord,
    Kept,
    Record,
    SignIn,
    TokenRecord,
    UserRecord,
)

SYSTEM = "latchkey"
FORMAT = 1
BEGINNING, USER, APP, AUTHORIZATION, TOKEN = "latchkey-export", "user", "app", "authorization", "token"
ALGORITHM = "sha256"


def records(value: dict[str, Any]) -> list[Record]:
    """What a line tells of. Raises `BadLine`."""
    kind = needed(value, "type", 40)
    if kind == BEGINNING:
        if value.get("version") != FORMAT:
            raise BadLine("it was written by a newer version")
        return []
    if kind not in _READERS:
        raise BadLine("its type is none of user, app, authorization, token")
    return [_READERS[kind](value)]


def _digest(value: dict[str, Any]) -> bytes:
    kept = value.get("digest")
    if not isinstance(kept, dict) or kept.get("algorithm") != ALGORITHM:
        raise BadLine(f"its digest is not of the algorithm {ALGORITHM}")
    try:
        return sha256(needed(kept, "value", 100))
    except BadAlgorithm as error:
        raise BadLine(str(error)) from None


def _user(value: dict[str, Any]) -> Record:
    left_out = "" if flag(value, "verified", default=True) else "its address was not verified there"
    if flag(value, "suspended"):
        left_out = "it is suspended there"
    return UserRecord(
        needed(value, "id", 200),
        needed(value, "email", 320),
        text(value, "name", 400),
        left_out,
        moment(value, "created_at"),
    )


def _app(value: dict[str, Any]) -> Record:
    secrets = value.get("secrets") or []
    if not isinstance(secrets, list) or not all(isinstance(each, dict) for each in secrets):
        raise BadLine("secrets are no list")
    return AppRecord(
        id=needed(value, "id", 200),
        client_id=needed(value, "id", 200),
        name=text(value, "name", 400),
        owner=text(value, "owner", 200),
        homepage=text(value, "homepage"),
        redirect_uris=texts(value, "redirect_uris"),
        scopes=texts(value, "scopes"),
        optional=texts(value, "optional_scopes"),
        confidential=flag(value, "confidential", default=True),
        pkce_required=flag(value, "pkce_required", default=True),
        left_out="it is suspended there" if flag(value, "suspended") else "",
        secrets=[(_digest(each), text(each, "last4", 4), moment(each, "expires_at")) for each in secrets],
        created_at=moment(value, "created_at"),
    )


def _authorization(value: dict[str, Any]) -> Record:
    return AuthorizationRecord(
        needed(value, "user", 200),
        needed(value, "app", 200),
        texts(value, "scopes"),
        moment(value, "created_at"),
        moment(value, "expires_at"),
        texts(value, "unasked_scopes"),
    )


def _token(value: dict[str, Any]) -> Record:
    kind = needed(value, "kind", 3)
    if kind not in (Kind.DEVELOPER, Kind.ACCESS, Kind.REFRESH):
        raise BadLine("its kind is none of dev, oat, ort")
    sign_in = text(value, "sign_in", 200)
    return TokenRecord(
        id=needed(value, "id", 200),
        kept=Kept(digest=_digest(value)),
        user=text(value, "user", 200),
        app="" if kind == Kind.DEVELOPER else needed(value, "app", 200),
        kind=kind,
        description=text(value, "description", 400),
        scopes=texts(value, "scopes"),
        resource=text(value, "resource"),
        addresses=text(value, "allowed_addresses"),
        last4=text(value, "last4", 4),
        created_at=moment(value, "created_at"),
        expires_at=moment(value, "expires_at"),
        ended=flag(value, "ended"),
        sign_in=SignIn(sign_in, moment(value, "sign_in_ends_at")) if sign_in else None,
    )


_READERS = {USER: _user, APP: _app, AUTHORIZATION: _authorization, TOKEN: _token}
