"""Changing a token: its description, its scopes, its end, from where it works."""

from datetime import datetime
from typing import NamedTuple

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clock, notices, origin, scopes, tokens
from latchkey.naming import listed
from latchkey.store.session import db
from latchkey.tokens import Token
from portal import drafts
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, signed_in, this_user
from portal.tokens import forms
from portal.tokens.forms import EditTokenForm


@blueprint.route("/tokens/<id:token_id>/edit", methods=["GET", "POST"])
@signed_in
def edit_token(token_id: str) -> BaseResponse:
    """The form of an existing token. Taking away is free; more scopes, addresses or time take fresh proof (L-09)."""
    token = tokens.get_for(this_user(), token_id) or abort(404)
    if token.ended:
        return _back(token, "This token has ended and cannot be changed.")
    linked = frozenset(request.args.get("add", "").split()) & _allowed(token) - token.scopes
    form = EditTokenForm(
        token, **drafts.filling(), data={"description": token.description, "scope": sorted(token.scopes | linked)}
    )
    if request.method != "POST":
        return _page(token, form, linked=linked)
    if form.wants_all(_allowed(token)):
        return _page(token, form)
    form.keep_untouched(token)
    if not form.validate():
        return _page(token, form, 422)
    added = frozenset(form.scope.data or ()) - token.scopes
    if not added <= _allowed(token):
        form.scope.errors = ["The token that made this one does not have all of these."]
        return _page(token, form, 422)
    more = Change(added, _prolongs(token, form), not tokens.ranges.within(form.bound(), token.allowed_addresses))
    if any(more):
        require_proof()
    return _change(token, form, more)


class Change(NamedTuple):
    """What somebody who saves a token gives it, each of which takes proof: scopes, a later end, more addresses."""

    added: frozenset[str]
    later: bool
    wider: bool


def _allowed(token: Token) -> frozenset[str]:
    """A token made by a token has no more scopes than that one (I-06)."""
    return token.parent.scopes if token.parent is not None else frozenset(scopes.catalogue())


def _prolongs(token: Token, form: EditTokenForm) -> bool:
    if form.expires.data == "same":
        return False
    length = form.lifetime()
    return tokens.lifetimes.is_later(None if length is None else clock.now() + length, token.expires_at)


def _change(token: Token, form: EditTokenForm, more: Change) -> BaseResponse:
    user, before = acting_user(), Before(token.scopes, token.expires_at, token.allowed_addresses, token.description)
    try:
        _save(token, form, more)
    except REFUSALS as fault:
        db.rollback()
        field, said = _refused(fault)
        if not field:
            return _back(token, said)
        form[field].errors = [said]
        return _page(token, form, 422)
    if more.added:
        notices.token_widened(user, token, before.scopes)
    if more.later or more.wider:
        notices.token_extended(user, token)
    if not any(more) and before != Before(token.scopes, token.expires_at, token.allowed_addresses, token.description):
        notices.token_changed(user, token, before.scopes)
    db.commit()
    return _back(token, f"Saved “{token.description}”.")


class Before(NamedTuple):
    """What a token was like."""

    scopes: frozenset[str]
    expires_at: datetime | None
    addresses: str | None
    description: str | None


REFUSALS = (
    tokens.DescriptionTaken,
    tokens.ScopeTooWide,
    tokens.RangeTooWide,
    tokens.LifetimeTooLong,
    tokens.LaterEnd,
    tokens.TokenEnded,
)


def _refused(fault: Exception) -> tuple[str, str]:
    """Beside which field it is said what was refused, and the words."""
    if isinstance(fault, tokens.DescriptionTaken):
        return "description", "You have a token with this description."
    if isinstance(fault, tokens.ScopeTooWide):
        return "scope", "The scopes were changed meanwhile. Look them over and save again."
    if isinstance(fault, tokens.RangeTooWide):
        return "allowed_addresses", "The token that made this one works from fewer addresses than these."
    if isinstance(fault, tokens.LifetimeTooLong):
        return "expires", str(fault)
    if isinstance(fault, tokens.LaterEnd):
        return "expires", "The end was changed meanwhile. Look it over and save again."
    return "", "This token has ended and cannot be changed."


def _save(token: Token, form: EditTokenForm, more: Change) -> None:
    wanted, bound = frozenset(form.scope.data or ()), form.bound()
    if token.description != form.description.data:
        tokens.describe(token, form.description.data or "", unique=True)
    if more.added:
        tokens.widen(token, wanted)
    elif wanted != token.scopes:
        tokens.narrow(token, wanted)
    if bound != token.allowed_addresses:
        tokens.bind(token, bound, wider=more.wider)
    if form.expires.data != "same":
        tokens.end_in(token, form.lifetime(), later=more.later)


def _page(
    token: Token,
    form: EditTokenForm,
    status: int = 200,
    *,
    linked: frozenset[str] = frozenset(),
) -> Response:
    page = render_template(
        "portal/tokens/edit.html",
        token=token,
        form=form,
        groups=listed.for_forms(),
        held=_allowed(token) if token.parent is not None else None,
        first_day=forms.day_in(1),
        last_day=forms.last_day(),
        max_days=tokens.lifetimes.bound(),
        here=origin.current.get().address,
        linked=[name for name in scopes.catalogue() if name in linked],
    )
    return Response(page, status)


def _back(token: Token, said: str) -> BaseResponse:
    flash(said)
    return redirect(url_for("portal.show_token", token_id=token.id), 303)
