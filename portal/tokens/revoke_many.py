"""Revoking the tokens that were ticked in the list: one question, one letter."""

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import ids, notices, tokens
from latchkey.store.session import db
from latchkey.tokens import listing
from portal.blueprint import blueprint
from portal.guards import acting_user, asked_next, signed_in, this_user


@blueprint.post("/tokens/revoke")
@signed_in
def revoke_tokens() -> BaseResponse:
    """Asks first; answered, every one of them that still works ends, and what it made."""
    back = asked_next() or url_for("portal.list_tokens")
    ticked = request.form.getlist("token")
    if len(ticked) > listing.MOST_CHOSEN:
        flash(f"That are more than {listing.MOST_CHOSEN} tokens. Revoke some of them first.")
        return redirect(back, 303)
    known = [token_id for token_id in dict.fromkeys(ticked) if ids.is_id(token_id, "tok")]
    if request.form.get("do") == "revoke":
        return _revoked(known, back)
    found = listing.live(this_user(), known)
    if not found:
        flash("Tick at least one token that works.")
        return redirect(back, 303)
    return Response(render_template("portal/tokens/revoke_many.html", tokens=found, back=back))


def _revoked(token_ids: list[str], back: str) -> BaseResponse:
    user = acting_user()
    ended = tokens.revoke_many(user.id, token_ids)
    if ended:
        notices.tokens_revoked(user, ended)
    db.commit()
    flash(f"Revoked {len(ended):,} {'token' if len(ended) == 1 else 'tokens'}." if ended else "They had ended already.")
    return redirect(back, 303)
