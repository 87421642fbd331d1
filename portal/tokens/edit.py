"""Changing a token: its description, its scopes."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import notices, scopes, tokens
from latchkey.store.session import db
from latchkey.tokens import Token
from portal import drafts
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, signed_in, this_user
from portal.tokens.forms import TokenForm


@blueprint.route("/tokens/<id:token_id>/edit", methods=["GET", "POST"])
@signed_in
def edit_token(token_id: str) -> BaseResponse:
    """The form of an existing token. Taking scopes away is free; adding some takes fresh proof (L-09)."""
    token = tokens.get_for(this_user(), token_id) or abort(404)
    if token.ended:
        return _back(token, "This token has ended and cannot be changed.")
    linked = frozenset(request.args.get("add", "").split()) & _allowed(token) - token.scopes
    form = TokenForm(
        **drafts.filling(), data={"description": token.description, "scope": sorted(token.scopes | linked)}
    )
    if request.method != "POST":
        return _page(token, form, linked=linked)
    if form.wants_all(_allowed(token)):
        return _page(token, form)
    if not form.validate():
        return _page(token, form, 422)
    added = frozenset(form.scope.data or ()) - token.scopes
    if not added <= _allowed(token):
        form.scope.errors = ["The token that made this one does not have all of these."]
        return _page(token, form, 422)
    if added:
        require_proof()
    return _change(token, form, added)


def _allowed(token: Token) -> frozenset[str]:
    """A token made by a token has no more scopes than that one (I-06)."""
    return token.parent.scopes if token.parent is not None else frozenset(scopes.catalogue())


def _change(token: Token, form: TokenForm, added: frozenset[str]) -> BaseResponse:
    user, before, wanted = acting_user(), token.scopes, frozenset(form.scope.data or ())
    described = token.description != form.description.data
    try:
        if described:
            tokens.describe(token, form.description.data or "", unique=True)
        if added:
            tokens.widen(token, wanted)
        elif wanted != before:
            tokens.narrow(token, wanted)
    except tokens.DescriptionTaken:
        db.rollback()
        form.description.errors = ["You have a token with this description."]
        return _page(token, form, 422)
    except tokens.ScopeTooWide:
        db.rollback()
        form.scope.errors = ["The scopes were changed meanwhile. Look them over and save again."]
        return _page(token, form, 422)
    except tokens.TokenEnded:
        db.rollback()
        return _back(token, "This token has ended and cannot be changed.")
    if added:
        notices.token_widened(user, token, before)
    elif described or wanted != before:
        notices.token_changed(user, token, before)
    db.commit()
    return _back(token, f"Saved “{token.description}”.")


def _page(
    token: Token,
    form: TokenForm,
    status: int = 200,
    *,
    linked: frozenset[str] = frozenset(),
) -> Response:
    page = render_template(
        "portal/tokens/edit.html",
        token=token,
        form=form,
        groups=scopes.groups(),
        held=_allowed(token) if token.parent is not None else None,
        linked=[name for name in scopes.catalogue() if name in linked],
    )
    return Response(page, status)


def _back(token: Token, said: str) -> BaseResponse:
    flash(said)
    return redirect(url_for("portal.show_token", token_id=token.id), 303)
