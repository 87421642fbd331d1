"""POST /v1/tokens/<id>/regenerate: a token renews itself, or one that it made, within what its owner allowed."""

from datetime import timedelta
from typing import Any

from api.kit import auth, challenges, problems, repeats
from api.kit.auth import Writer
from api.kit.blueprint import blueprint
from api.kit.describe import REPEAT, Operation, describe
from api.kit.repeats import Made
from api.token_shapes import RENEWAL, TOKEN_ID, WITH_TEXT, own, shown
from latchkey import notices, tokens
from latchkey.tokens import Renewal
from web.calls import Call, Reply


@blueprint.post("/v1/tokens/<token_id>/regenerate")
@auth.require_scope("tokens:write")
@describe(
    Operation(
        summary="Regenerate a developer token",
        group="Tokens",
        about="A new string for the same token, which keeps its id: the one that asks, or one that it made. The old "
        "string ends, and what it made, or goes on for as long as is asked. The owner gets an e-mail each time.",
        answer="The token. `token` is its new text: keep it, it is shown only here.",
        shape=WITH_TEXT,
        body=RENEWAL,
        parameters=(TOKEN_ID, REPEAT),
        also=(409,),
    )
)
def regenerate_token(call: Call, token_id: str) -> Reply:
    """A new string for a token that works."""
    own(auth.user_of(call.bearer), token_id)
    wanted = RENEWAL.read() if call.body else {}
    return repeats.once(call.bearer, lambda by: _renew(by, token_id, wanted))


def _renew(by: Writer, token_id: str, wanted: dict[str, Any]) -> Made:
    token = own(by.user, token_id)
    try:
        plaintext = tokens.by_token(token, by.lineage[-1], _chosen(wanted))
    except tokens.NotItsOwn:
        raise challenges.not_its_own() from None
    except tokens.TokenEnded:
        raise problems.token_ended() from None
    except tokens.LifetimeTooLong as error:
        raise problems.wrong_fields({"expires_in_days": str(error)}) from None
    notices.token_regenerated(by.user, token)
    return Made(token.id, f"/v1/tokens/{token.id}", shown(token), {"token": plaintext}, 200)


def _chosen(wanted: dict[str, Any]) -> Renewal:
    keep = timedelta(seconds=wanted.get("keep_old_seconds", 0))
    if "expires_in_days" not in wanted:
        return Renewal(keep=keep)
    days = wanted["expires_in_days"]
    return Renewal(None if days is None else timedelta(days=days), as_before=False, keep=keep)
