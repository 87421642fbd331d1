"""New tokens: the form, and the one answer that ever shows a token."""

from flask import Response, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import credentials, notices, resources, scopes, tokens
from latchkey.accounts.limits import QuotaReached
from latchkey.store.session import db
from latchkey.tokens import Token, access
from latchkey.tokens.access import Bearer
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, this_user, verified
from portal.tokens import forms, prefill
from portal.tokens.forms import NewTokenForm, OneTimeForm
from web import htmx


def _page(form: NewTokenForm, status: int = 200, *, by_link: bool = False, left_out: bool = False) -> Response:
    return htmx.render(
        "portal/tokens/new.html",
        "portal/tokens/_new.html",
        status,
        form=form,
        groups=scopes.groups(),
        lives=forms.lives(),
        first_day=forms.day_in(1),
        last_day=forms.last_day(),
        max_days=tokens.lifetimes.bound(),
        by_link=by_link,
        left_out=left_out,
    )


@blueprint.route("/tokens/new", methods=["GET", "POST"])
@verified
def new_token() -> BaseResponse:
    """The form; sent, the token itself. The form's one-time id keeps a second sending from making a second token."""
    if request.method != "POST":
        if meant := prefill.meant(request.args):
            return redirect(url_for("portal.edit_token", token_id=meant, add=request.args.get("scopes")), 303)
        filled = prefill.fill(request.args)
        return _page(filled.form, by_link=filled.by_link, left_out=filled.left_out)
    form = NewTokenForm()
    if form.wants_all(scopes.catalogue()):
        return _page(form)
    if not form.validate():
        return _page(form, 422)
    require_proof()
    return _mint(form)


def _mint(form: NewTokenForm) -> BaseResponse:
    user = acting_user()
    try:
        token, plaintext = tokens.mint(
            user,
            description=form.description.data or "",
            scopes=form.scope.data or (),
            lifetime=form.lifetime(),
            form_id=form.form_id.data,
            unique=True,
        )
    except tokens.AlreadyMinted as again:
        return _shown_before(again.token)
    except tokens.DescriptionTaken:
        db.rollback()
        form.description.errors = ["You have a token with this description."]
        return _page(form, 422)
    except QuotaReached as full:
        db.rollback()
        form.form_id.errors = [str(full)]
        return _page(form, 409)
    notices.token_created(user, token)
    db.commit()
    return _shown_once(token, plaintext)


def _shown_once(token: Token, plaintext: str, *, again: bool = False) -> Response:
    """The token, in the only answer that ever holds it (I-03)."""
    bearer = access.find(plaintext, bound=False)
    held = bearer.scopes
    response = htmx.render(
        "portal/tokens/created.html",
        "portal/tokens/_created.html",
        token=token,
        plaintext=plaintext,
        again=again,
        swapped=htmx.wants_partial(),
        detected=[scope for name, scope in scopes.catalogue().items() if name in held],
        call=_try(bearer),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _try(bearer: Bearer) -> str:
    """A call that works with it, also if it is for other APIs alone; those know their own paths."""
    if not bearer.is_for(resources.account()):
        return "/oauth/check"
    return "/v1/me" if "account:read" in bearer.scopes else "/v1/token"


def _shown_before(token: Token) -> BaseResponse:
    """A form that was sent before leads to what it made, without the string."""
    db.rollback()
    session["token_shown_before"] = token.id
    address = url_for("portal.show_token", token_id=token.id)
    if htmx.wants_partial():
        # A script follows a redirect by itself and would put that page into this one.
        return Response(status=409, headers={"HX-Redirect": address})
    return redirect(address, 303)


@blueprint.route("/tokens/<id:token_id>/regenerate", methods=["GET", "POST"])
@verified
def regenerate_token(token_id: str) -> BaseResponse:
    """Asks first; then a new string for the same settings, shown once like a new token's."""
    token = tokens.get_for(this_user(), token_id) or abort(404)
    if token.ended:
        return _ended(token)
    require_proof()
    form = OneTimeForm(data={"form_id": credentials.opaque()})
    if request.method == "POST" and form.validate():
        return _regenerate(token, str(form.form_id.data))
    page = render_template("portal/tokens/regenerate.html", token=token, form=form, made=tokens.children(token))
    return Response(page, 422 if form.errors else 200)


def _regenerate(token: Token, form_id: str) -> BaseResponse:
    user = acting_user()
    try:
        plaintext = tokens.regenerate(token, form_id=form_id)
    except tokens.AlreadyMinted as again:
        return _shown_before(again.token)
    except tokens.TokenEnded:
        db.rollback()
        return _ended(token)
    notices.token_regenerated(user, token)
    db.commit()
    return _shown_once(token, plaintext, again=True)


def _ended(token: Token) -> BaseResponse:
    flash("This token has ended and cannot be changed.")
    return redirect(url_for("portal.show_token", token_id=token.id), 303)
