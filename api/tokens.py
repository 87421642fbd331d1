"""/v1/tokens: a user's developer tokens, never their texts but for the one answer that makes one."""

from datetime import timedelta
from typing import Any

from api.kit import answers, auth, challenges, paging, problems, repeats
from api.kit.auth import Writer
from api.kit.blueprint import blueprint
from api.kit.describe import CURSOR, LIMIT, REPEAT, Operation, Parameter, describe
from api.kit.repeats import Made
from api.token_shapes import CHANGES, NEW_TOKEN, TOKEN, TOKEN_ID, WITH_TEXT, own, shown
from latchkey import clock, notices, tokens
from latchkey.store.session import db
from latchkey.tokens import Token
from latchkey.tokens.access import Bearer
from web.calls import Call, Reply

STATUSES = ("active", "ended", "all")
# A token that is to end with its parent must not be late by the time that making it takes.
MARGIN = timedelta(seconds=30)

STATUS = Parameter(
    "status",
    "query",
    "Which tokens: those that work, those that expired or were revoked, or all.",
    {"type": "string", "enum": list(STATUSES), "default": "active"},
    "active",
)


@blueprint.get("/v1/tokens")
@auth.require_scope("tokens:read")
@describe(
    Operation(
        summary="List developer tokens",
        group="Tokens",
        answer="The user's developer tokens, the newest first.",
        shape=TOKEN,
        listed=True,
        parameters=(STATUS, LIMIT, CURSOR),
    )
)
def list_tokens(call: Call) -> Reply:
    """A page of them, in one query."""
    user, asked = auth.user_of(call.bearer), paging.asked("tok")
    status = paging.choice("status", STATUSES, "active")
    found = tokens.page(user, status=str(status), cursor=asked.after, limit=asked.limit, formers=True)
    return paging.answer([shown(token) for token in found.tokens], found.next_cursor)


@blueprint.post("/v1/tokens")
@auth.require_scope("tokens:write")
@describe(
    Operation(
        summary="Create a developer token",
        group="Tokens",
        about="The new token has no more scopes than the one that asks for it, lives no longer, works from no more "
        "addresses, and ends with it.",
        status=201,
        answer="The token. `token` is its text: keep it, it is shown only here.",
        shape=WITH_TEXT,
        body=NEW_TOKEN,
        parameters=(REPEAT,),
        also=(409,),
    )
)
def create_token(call: Call) -> Reply:
    """A new developer token under the one that asks (I-06)."""
    auth.user_of(call.bearer)
    wanted = NEW_TOKEN.read()
    return repeats.once(call.bearer, lambda by: _mint(by, call.bearer, wanted))


def _mint(by: Writer, caller: Bearer, wanted: dict[str, Any]) -> Made:
    user = by.user
    names: frozenset[str] = wanted["scopes"]
    if not names <= caller.scopes:
        raise challenges.too_wide(caller, names)
    try:
        token, plaintext = tokens.mint(
            user,
            description=wanted["description"],
            scopes=names,
            lifetime=_lifetime(caller, wanted),
            parent=by.lineage[-1],
            addresses=wanted.get("allowed_addresses"),
        )
    except tokens.UnverifiedEmail:
        raise challenges.unverified() from None
    except tokens.LifetimeTooLong as error:
        raise problems.wrong_fields({"expires_in_days": str(error)}) from None
    except tokens.RangeTooWide:
        message = "The token that asks works from fewer addresses. Name some of its own, or leave this out."
        raise problems.wrong_fields({"allowed_addresses": message}) from None
    except tokens.ChainTooLong:
        raise challenges.chain_too_long(tokens.DEEPEST + 1) from None
    except tokens.ScopeTooWide:
        # The parent was narrowed since the guard read it.
        raise challenges.too_wide(caller, names) from None
    notices.token_created(user, token)
    return Made(token.id, f"/v1/tokens/{token.id}", shown(token), {"token": plaintext})


def _lifetime(caller: Bearer, wanted: dict[str, Any]) -> timedelta | None:
    if "expires_in_days" in wanted:
        days = wanted["expires_in_days"]
        return None if days is None else timedelta(days=days)
    lives = [timedelta(days=tokens.lifetimes.preset())]
    if caller.expires_at is not None:
        lives.append(caller.expires_at - clock.now() - MARGIN)
    return min(lives)


@blueprint.get("/v1/tokens/<token_id>")
@auth.require_scope("tokens:read")
@describe(
    Operation(
        summary="Show a developer token",
        group="Tokens",
        answer="The token, never its text.",
        shape=TOKEN,
        parameters=(TOKEN_ID,),
    )
)
def show_own_token(call: Call, token_id: str) -> Reply:
    """One of the user's developer tokens, also one that has ended."""
    return answers.shown(shown(own(auth.user_of(call.bearer), token_id)))


@blueprint.patch("/v1/tokens/<token_id>")
@auth.require_scope("tokens:write")
@describe(
    Operation(
        summary="Change a developer token",
        group="Tokens",
        about="Only what is sent is changed. Scopes and addresses are only ever taken away here, and the end only "
        "moved to an earlier time; the portal can do the other.",
        answer="The token as it is now.",
        shape=TOKEN,
        body=CHANGES,
        parameters=(TOKEN_ID,),
        also=(409,),
    )
)
def change_token(call: Call, token_id: str) -> Reply:
    """Another description, fewer scopes or addresses, an earlier end."""
    own(auth.user_of(call.bearer), token_id)
    given = CHANGES.read()
    user = auth.writer(call.bearer).user
    token = own(user, token_id)
    before = token.scopes
    if changes := {name: value for name, value in given.items() if value != _now(token, name)}:
        _change(token, changes)
        notices.token_changed(user, token, before)
        db.commit()
    return answers.changed(shown(token))


def _now(token: Token, name: str) -> Any:
    return (token.allowed_addresses or "").split() if name == "allowed_addresses" else getattr(token, name)


def _change(token: Token, changes: dict[str, Any]) -> None:
    try:
        if "description" in changes:
            tokens.describe(token, changes["description"])
        if "scopes" in changes:
            tokens.narrow(token, changes["scopes"])
        if "allowed_addresses" in changes:
            tokens.bind(token, " ".join(changes["allowed_addresses"]) or None)
        if "expires_at" in changes:
            tokens.shorten(token, changes["expires_at"])
    except tokens.TokenEnded:
        raise problems.token_ended() from None
    except tokens.ScopeTooWide:
        message = "Scopes can only be taken away here. Add some on the token's page in the portal."
        raise problems.wrong_fields({"scopes": message}) from None
    except tokens.RangeTooWide:
        message = "Addresses can only be taken away here. Add some on the token's page in the portal."
        raise problems.wrong_fields({"allowed_addresses": message}) from None
    except tokens.LifetimeTooLong as error:
        raise problems.wrong_fields({"expires_at": str(error)}) from None


@blueprint.delete("/v1/tokens/<token_id>")
@auth.require_scope("tokens:write")
@describe(
    Operation(
        summary="Revoke a developer token",
        group="Tokens",
        about="It ends at once, and every token that was made with it. Safe to repeat.",
        status=204,
        answer="The token is revoked.",
        parameters=(TOKEN_ID,),
    )
)
def revoke_token(call: Call, token_id: str) -> Reply:
    """End a token and what it made."""
    own(auth.user_of(call.bearer), token_id)
    user = auth.writer(call.bearer).user
    token = own(user, token_id)
    if tokens.revoke(token):
        notices.token_revoked(user, token)
    db.commit()
    return answers.empty(204)
