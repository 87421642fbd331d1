"""What /v1/tokens takes and answers, as schemas with real examples; and whose token it is."""

from typing import Any

from api.kit import answers, fields, paging, problems
from api.kit.bodies import Body
from api.kit.describe import Shape, identifier, maybe, moment, text, texts
from latchkey import scopes, tokens
from latchkey.accounts.users import User
from latchkey.tokens import Token

_PROPERTIES = {
    "id": text("Never changes, not even when the token is regenerated."),
    "description": text("What its user calls it."),
    "scopes": texts("What it may do at most."),
    "status": text("Whether it works.", enum=["active", "waiting", "paused", "expired", "revoked"]),
    "last4": text("Its last four characters."),
    "parent_id": maybe(text("The token that made it, and with which it ends.")),
    "replaces": maybe(
        text("The former string, kept working beside this one for a while: a token with an id of its own.")
    ),
    "allowed_addresses": texts("The address ranges that it works from; empty for anywhere."),
    "created_at": moment("When it was made."),
    "created_address": text("From which address it was made."),
    "created_agent": text("What the program or browser that made it calls itself."),
    "expires_at": maybe(moment("When it ends; null for never.")),
    "revoked_at": maybe(moment("When it was revoked.")),
    "last_used_at": maybe(moment("When it was last used, to the minute; null for never.")),
    "last_used_address": maybe(text("From which address it was last used.")),
    "last_used_agent": maybe(text("What the program that last used it calls itself.")),
}
_EXAMPLE = {
    "id": "tok_01a2139af1fb000183aacc53ef39",
    "description": "Deploy script",
    "scopes": ["account:read", "tokens:read"],
    "status": "active",
    "last4": "7Hd2",
    "parent_id": "tok_01a2139af1f90000b2c64d0e9a17",
    "replaces": None,
    "allowed_addresses": ["203.0.113.0/24", "2001:db8::/48"],
    "created_at": "2026-11-23T14:41:07.323933Z",
    "created_address": "203.0.113.7",
    "created_agent": "curl/8.11.0",
    "expires_at": "2027-02-21T14:41:07.321343Z",
    "revoked_at": None,
    "last_used_at": "2026-11-25T09:12:44.018264Z",
    "last_used_address": "203.0.113.7",
    "last_used_agent": "curl/8.11.0",
}
_UNUSED = {"last_used_at": None, "last_used_address": None, "last_used_agent": None}

TOKEN = Shape("Token", _PROPERTIES, _EXAMPLE)
WITH_TEXT = Shape(
    "TokenWithText",
    {"token": text("The token itself. It is shown only here."), **_PROPERTIES},
    {"token": "lk_dev_…", **_EXAMPLE, **_UNUSED},
)
NEW_TOKEN = Body(
    "NewToken",
    description=fields.line(
        "What to call it.", longest=tokens.LONGEST_DESCRIPTION, example="Deploy script", required=True
    ),
    scopes=fields.scope_names(
        "What it may do: no more than the token that asks.", example=["account:read", "tokens:read"]
    ),
    expires_in_days=fields.days(
        "In how many days it ends; null for never, if the token that asks never ends. "
        "Left out: 90 days, or what is left of that token.",
        example=30,
    ),
    allowed_addresses=fields.ranges(
        "From where it works: addresses and ranges (CIDR). Empty: from anywhere. Left out: from where the "
        "token that asks does.",
        example=["203.0.113.0/24", "2001:db8::/48"],
    ),
)
CHANGES = Body(
    "TokenChanges",
    **{name: field for name, field in NEW_TOKEN.optional("TokenChanges").fields.items() if name != "expires_in_days"},
    expires_at=fields.moment("An earlier end.", example="2027-01-21T14:41:07Z"),
)
RENEWAL = Body(
    "TokenRenewal",
    expires_in_days=fields.days(
        "In how many days the new string ends: no more than its owner last chose in the portal, and no later than the "
        "token that made it; null for never. Left out: as long as before.",
        example=30,
    ),
    keep_old_seconds=fields.number(
        "For how many seconds the old string goes on working.", least=0, most=tokens.LONGEST_KEEP, example=3600
    ),
)
TOKEN_ID = identifier("token_id", "one of the user's developer tokens", str(TOKEN.example["id"]))


def own(user: User, token_id: str) -> Token:
    """One of the user's developer tokens. Raises `problems.Problem`."""
    token = tokens.get_for(user, token_id, formers=True) if paging.is_id(token_id) else None
    if token is None:
        raise problems.not_found()
    return token


def shown(token: Token) -> dict[str, Any]:
    """A developer token as it is answered."""
    return {
        "id": token.id,
        "description": token.description,
        "scopes": scopes.serialize(token.scopes).split(),
        "status": token.condition,
        "last4": token.last4,
        "parent_id": token.parent_id,
        "replaces": token.replaces.id if token.replaces is not None else None,
        "allowed_addresses": (token.allowed_addresses or "").split(),
        "created_at": answers.moment(token.created_at),
        "created_address": token.created_address,
        "created_agent": token.created_agent,
        "expires_at": answers.moment(token.expires_at),
        "revoked_at": answers.moment(token.revoked_at),
        "last_used_at": answers.moment(token.last_used_at),
        "last_used_address": token.last_used_address,
        "last_used_agent": token.last_used_agent,
    }
