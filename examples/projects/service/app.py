"""The projects API as a service of its own, which asks Latchkey about each token (RFC 7662)."""

import os
from collections import defaultdict
from typing import Any

import requests
from authlib.integrations.flask_oauth2 import ResourceProtector, current_token
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import ForbiddenError
from authlib.oauth2.rfc6750 import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from flask import Flask, Response, abort, request

REALM = "projects"
PORTAL = os.environ["PORTAL"]
CREDENTIALS = (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])


class ScopeMissing(InsufficientScopeError):
    """A 403 that names every scope that the call needs (RFC 6750 section 3)."""

    def __init__(self, scopes: str) -> None:
        super().__init__()
        self.scopes = scopes

    def get_headers(self) -> list[tuple[str, str]]:
        challenge = f'Bearer realm="{REALM}", error="{self.error}", scope="{self.scopes}"'
        return [*super().get_headers(), ("WWW-Authenticate", challenge)]


class Introspection(IntrospectTokenValidator):
    """Asks at every call, so a token that was revoked is refused at the very next one."""

    def introspect_token(self, token_string: str) -> dict[str, Any]:
        try:
            # A token may be bound to address ranges. Behind a proxy that you trust, ProxyFix makes this the caller's.
            asked = {"token": token_string, "client_address": request.remote_addr or ""}
            answer = requests.post(f"{PORTAL}/oauth/introspect", asked, auth=CREDENTIALS, timeout=5)
            answer.raise_for_status()
        except requests.RequestException:
            # Nobody is let in while nobody can be asked.
            abort(503)
        return dict(answer.json())

    def validate_token(self, token: dict[str, Any], scopes: list[str], request: Any) -> None:
        if not token["active"]:
            raise InvalidTokenError(realm=self.realm)
        if self.scope_insufficient(token["scope"], scopes):
            raise ScopeMissing(" ".join(scopes))


class Protector(ResourceProtector):
    """Authlib's guard, made right where it differs from what one expects."""

    def all_of(self, *scopes: str) -> Any:
        """Let a call pass whose token has all of these: to Authlib a list means any of them."""
        return self(" ".join(scopes))

    def raise_error_response(self, error: OAuth2Error) -> None:
        # RFC 6750 section 3.1: who sent no token gets a challenge without an error.
        if isinstance(error, ForbiddenError):
            abort(Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{REALM}"'}))
        super().raise_error_response(error)


guard = Protector()
guard.register_token_validator(Introspection(REALM))
app = Flask(__name__)

# By the user's id. In memory, to keep the example short: yours are in your database.
projects: dict[str, list[dict[str, Any]]] = defaultdict(list)


@app.get("/projects/")
@guard.all_of("projects:read")
def list_projects() -> dict[str, Any]:
    """The caller's projects."""
    return {"data": projects[current_token["sub"]]}


@app.post("/projects/")
@guard.all_of("projects:read", "projects:write")
def create_project() -> tuple[dict[str, Any], int]:
    """A new project. The answer shows it, so this takes the scope to read as well."""
    mine = projects[current_token["sub"]]
    project = {"id": len(mine) + 1, "name": str(request.get_json()["name"])}
    mine.append(project)
    return project, 201


@app.after_request
def keep_nowhere(response: Response) -> Response:
    """An answer to one token is not for another."""
    response.headers["Cache-Control"] = "no-store"
    return response
