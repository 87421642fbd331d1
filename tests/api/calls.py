"""Calls of the API for tests: a caller holds a token and speaks JSON."""

from datetime import timedelta

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from latchkey import clock, credentials, grants, scopes
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from latchkey.store.session import db
from tests import factories

# Refusals of what a signature or an origin decides: a challenge would promise that a token helps.
NO_TOKEN_HELPS = ("#problem-not-signed", "#problem-foreign-origin")


class Caller:
    """A program with a token."""

    def __init__(self, client: FlaskClient, plaintext: str | None, token_id: str = "") -> None:
        self.client, self.plaintext, self.token_id = client, plaintext, token_id

    def call(self, method: str, path: str, json: object = None, **headers: str) -> TestResponse:
        if self.plaintext is not None:
            headers.setdefault("Authorization", f"Bearer {self.plaintext}")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        more = {} if json is None else {"json": json}
        return self.client.open(path, method=method, headers=named, **more)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, json: object = None, **headers: str) -> TestResponse:
        return self.call("POST", path, json, **headers)

    def patch(self, path: str, json: object = None, **headers: str) -> TestResponse:
        return self.call("PATCH", path, json, **headers)

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self.call("DELETE", path, **headers)


def caller(client: FlaskClient, user: User, *names: str, **options: object) -> Caller:
    """A caller with a developer token that has these scopes; none named: all there are."""
    minted = factories.make_token(user, scopes=names or tuple(scopes.catalogue()), **options)
    return Caller(client, minted.plaintext, minted.token.id)


def problem(response: TestResponse, status: int, kind: str | None = None) -> dict:
    """The problem that a response is."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    said = response.get_json()
    assert said["status"] == status
    assert said["title"]
    assert said["detail"]
    assert said["request_id"] == response.headers["X-Request-Id"]
    assert kind is None or said["type"].endswith(f"#problem-{kind}"), said
    if status in (401, 403) and not said["type"].endswith(NO_TOKEN_HELPS):
        assert response.headers["WWW-Authenticate"].startswith("Bearer "), said
    return said


def app_caller(
    client: FlaskClient, registered: factories.Registered, user: User | None, *names: str, minutes: int = 60
) -> Caller:
    """An app with an access token that acts for a user, or as itself."""
    app = registered.client
    grant = factories.begin_own(app, names) if user is None else grants.allow(user, app, names)
    plaintext = credentials.generate(Kind.ACCESS)
    expires_at = clock.now() + timedelta(minutes=minutes)
    token = factories.record_token(plaintext, kind=Kind.ACCESS, grant=grant, scopes=names, expires_at=expires_at)
    db.commit()
    return Caller(client, plaintext, token.id)
