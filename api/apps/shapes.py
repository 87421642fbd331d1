"""What /v1/apps takes and answers, as schemas with real examples."""

from api.kit import fields
from api.kit.bodies import Body
from api.kit.describe import Shape, flag, maybe, moment, nested, text, texts
from latchkey import clients, scopes
from latchkey.clients import redirects
from latchkey.clients.keys.record import LONGEST_URL

_SECRET = Shape(
    "AppSecret",
    {
        "id": text("Never changes."),
        "last4": text("Its last four characters."),
        "created_at": moment("When it was made."),
        "last_used_at": maybe(moment("When it was last used; null for never.")),
        "expires_at": maybe(moment("When it ends, because a newer one replaced it; null for the newest.")),
    },
    {
        "id": "sec_01a2139af1fb0003b1c2d3e4f506",
        "last4": "q3Zk",
        "created_at": "2026-11-23T14:41:07.402117Z",
        "last_used_at": None,
        "expires_at": None,
    },
)
_PROPERTIES = {
    "id": text("Never changes; it is the app's OAuth client_id."),
    "name": text("What people read on the consent screen."),
    "homepage": text("An https address, or empty."),
    "redirect_uris": texts("Where people may be led back to, compared exactly."),
    "scopes": texts("The most that the app may ask for."),
    "waiting_scopes": texts("What it asked for and an administrator has to approve first."),
    "optional_scopes": texts("Those of them that it can do without: people may untick them."),
    "confidential": flag("Whether it has a secret, as server apps do."),
    "token_endpoint_auth_method": text(
        "How it proves itself; a secret may come in a form as well (`client_secret_post`).",
        enum=["client_secret_basic", "private_key_jwt", "none"],
    ),
    "jwks": maybe({"type": "object", "description": "The public keys by which it proves itself; null for none."}),
    "jwks_uri": maybe(text("Where they stand; null where they were sent.")),
    "pkce_required": flag("Whether it must use PKCE; public apps always must."),
    "device_flow": flag("Whether it may sign in devices by a code that people type (RFC 8628)."),
    "trusted": flag("Whether an administrator trusts it, so that people are not asked."),
    "suspended_at": maybe(moment("Since when it is stopped; null when it is not.")),
    "secrets": {"type": "array", "items": nested(_SECRET), "description": "Its live secrets, the newest first."},
    "created_at": moment("When it was registered."),
    "updated_at": moment("When it was last changed."),
}
_EXAMPLE = {
    "id": "app_01a2139af1fb0002c5d1f07a9b3e",
    "name": "Fieldnotes",
    "homepage": "https://fieldnotes.example.com",
    "redirect_uris": ["https://fieldnotes.example.com/callback"],
    "scopes": ["account:read"],
    "waiting_scopes": [],
    "optional_scopes": [],
    "confidential": True,
    "token_endpoint_auth_method": "client_secret_basic",
    "jwks": None,
    "jwks_uri": None,
    "pkce_required": True,
    "device_flow": False,
    "trusted": False,
    "suspended_at": None,
    "secrets": [dict(_SECRET.example)],
    "created_at": "2026-11-23T14:41:07.401556Z",
    "updated_at": "2026-11-23T14:41:07.401556Z",
}
_PLAINTEXT = maybe(text("The secret itself, shown only here; null for a public app and one with keys."))

APP = Shape("App", _PROPERTIES, _EXAMPLE)
WITH_SECRET = Shape(
    "AppWithSecret", {"client_secret": _PLAINTEXT, **_PROPERTIES}, {"client_secret": "lk_sec_…", **_EXAMPLE}
)
NEW_APP = Body(
    "NewApp",
    name=fields.line(
        "What people read on the consent screen.", longest=clients.LONGEST_NAME, example="Fieldnotes", required=True
    ),
    homepage=fields.address(
        "An https address, or empty.",
        longest=clients.LONGEST_HOMEPAGE,
        pattern=clients.HOMEPAGE.pattern,
        example="https://fieldnotes.example.com",
    ),
    redirect_uris=fields.strings(
        "Where people may be led back to, compared exactly.",
        most=redirects.MOST,
        minLength=1,
        maxLength=redirects.LONGEST,
        pattern=redirects.PATTERN,
        example=["https://fieldnotes.example.com/callback"],
    ),
    scopes=fields.scope_names(
        "The most that the app may ask for. Those that make credentials are for apps that an administrator trusts.",
        example=["account:read"],
        without=scopes.CREDENTIAL,
    ),
    optional_scopes=fields.scope_names(
        "Those of them that it can do without: people may untick them. Others count for nothing.",
        example=[],
        without=scopes.CREDENTIAL,
        least=0,
    ),
    confidential=fields.flag("Whether it has a secret, as server apps do.", example=True),
    jwks=fields.key_set(
        "Public keys in place of a secret (`private_key_jwt`), as RFC 7517 writes a set; null takes them away."
    ),
    jwks_uri=fields.maybe_address("An https address of such a set, instead of it; it is read at once.", LONGEST_URL),
    pkce_required=fields.flag("Whether it must use PKCE; public apps always must.", example=True),
    device_flow=fields.flag("Whether it may sign in devices by a code that people type (RFC 8628).", example=False),
)
_BOTH = {"required": ["jwks", "jwks_uri"]}
# A public app cannot do without PKCE, and has no keys.
NEW_APP.never = {
    "anyOf": [
        _BOTH,
        *(
            {"properties": {"confidential": {"const": False}, name: wrong}, "required": ["confidential", name]}
            for name, wrong in (
                ("pkce_required", {"const": False}),
                ("jwks", {"type": "object"}),
                ("jwks_uri", {"type": "string"}),
            )
        ),
    ]
}
CHANGES = NEW_APP.optional("AppChanges", "confidential")
CHANGES.never = _BOTH
