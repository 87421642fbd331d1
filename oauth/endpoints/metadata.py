"""What programs may know about this server (RFC 8414) and its API (RFC 9728), read from what is registered."""

import json
from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9207 import AuthorizationServerMetadata as IssuerMetadata
from werkzeug.exceptions import NotFound

from latchkey import resources, scopes, settings
from latchkey.clients.keys import sets
from latchkey.resources import Resource
from oauth.blueprint import blueprint
from oauth.protocol import parties
from oauth.protocol.cross_origin import EVERYBODY
from oauth.token.flows import FLOWS, AuthorizationCodeFlow
from oauth.token.pkce import S256Challenge
from web.calls import Call, Reply

PUBLIC = [("Content-Type", "application/json"), EVERYBODY, ("Cache-Control", "public, max-age=300")]
ASKED = [EVERYBODY, ("Access-Control-Allow-Methods", "GET, HEAD"), ("Access-Control-Allow-Headers", "*")]


def authorization_server() -> dict[str, Any]:
    """RFC 8414 §2: all that works here, and nothing that does not (G-02)."""
    issuer = settings.current().base_url
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "scopes_supported": [*scopes.catalogue(), scopes.OFFLINE],
        "response_types_supported": sorted(AuthorizationCodeFlow.RESPONSE_TYPES),
        "response_modes_supported": ["query"],
        "grant_types_supported": [flow.GRANT_TYPE for flow in FLOWS],
        **_of_authentication("token", parties.METHODS),
        **_of_authentication("revocation", parties.METHODS),
        **_of_authentication("introspection", parties.PROVING_METHODS),
        "code_challenge_methods_supported": list(S256Challenge.SUPPORTED_CODE_CHALLENGE_METHOD),
        "authorization_response_iss_parameter_supported": True,
        "service_documentation": f"{issuer}/docs/oauth",
        **_of_settings(issuer),
    }


def _of_authentication(endpoint: str, methods: tuple[str, ...]) -> dict[str, list[str]]:
    return {
        f"{endpoint}_endpoint_auth_methods_supported": list(methods),
        f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(sets.ALGORITHMS),
    }


def _of_settings(issuer: str) -> dict[str, Any]:
    """What works only while a setting lets it."""
    ours = settings.current()
    found: dict[str, Any] = {}
    if ours.client_registration != "off":
        found["registration_endpoint"] = f"{issuer}/oauth/register"
    if ours.client_documents != "off":
        found["client_id_metadata_document_supported"] = True
    return found


def protected_resource(resource: Resource) -> dict[str, Any]:
    """RFC 9728 §2. Clients ask for every scope in it: the default ones."""
    body = {
        "resource": resource.identifier,
        "authorization_servers": [settings.current().base_url],
        "scopes_supported": resource.default.split(),
        "bearer_methods_supported": ["header"],
        "resource_name": resource.title,
    }
    return body | ({"resource_documentation": resource.documentation} if resource.documentation else {})


def validate(document: dict[str, Any]) -> None:
    """Raises `ValueError` where the document breaks RFC 8414 or RFC 9207."""
    AuthorizationServerMetadata(document).validate(metadata_classes=[IssuerMetadata])


def _public(document: dict[str, Any]) -> Reply:
    """G-03: it may be read by pages of any origin."""
    return Reply(200, json.dumps(document).encode(), PUBLIC, [])


@blueprint.get("/.well-known/oauth-authorization-server", provide_automatic_options=False)
def show_server_metadata(_call: Call) -> Reply:
    """RFC 8414 §3."""
    return _public(authorization_server())


@blueprint.get("/.well-known/oauth-protected-resource", provide_automatic_options=False)
def show_resource_metadata(_call: Call) -> Reply:
    """RFC 9728 §3."""
    return _public(protected_resource(resources.account()))


@blueprint.get("/.well-known/oauth-protected-resource/<name>", provide_automatic_options=False)
def show_named_resource_metadata(_call: Call, name: str) -> Reply:
    """The same of one API, for its own host to pass on at its own well-known address."""
    resource = resources.catalogue().get(name)
    if resource is None:
        raise NotFound
    return _public(protected_resource(resource))


@blueprint.route("/.well-known/oauth-authorization-server", methods=["OPTIONS"], endpoint="ask_server_metadata")
@blueprint.route("/.well-known/oauth-protected-resource", methods=["OPTIONS"], endpoint="ask_resource_metadata")
@blueprint.route(
    "/.well-known/oauth-protected-resource/<name>", methods=["OPTIONS"], endpoint="ask_named_resource_metadata"
)
def ask_metadata(_call: Call, name: str = "") -> Reply:  # noqa: ARG001 - the answer is the same for each
    """A browser asks beforehand when its page sends a header of its own."""
    return Reply(204, b"", ASKED, [])
