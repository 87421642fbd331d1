"""New tokens: the form, and what it makes."""

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import notices, origin, scopes, tokens
from latchkey.accounts.limits import QuotaReached
from latchkey.naming import listed, presets
from latchkey.store.session import db
from latchkey.tokens import listing
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, this_user, verified
from portal.tokens import forms, prefill, summary
from portal.tokens.forms import NewTokenForm
from web import htmx


def _page(form: NewTokenForm, status: int = 200, *, by_link: bool = False, left_out: bool = False) -> Response:
    return htmx.render(
        "portal/tokens/new.html",
        "portal/tokens/_new.html",
        status,
        form=form,
        groups=listed.for_forms(),
        presets=presets.named(),
        others=listing.latest(this_user()),
        first_day=forms.day_in(1),
        last_day=forms.last_day(),
        max_days=tokens.lifetimes.bound(),
        by_link=by_link,
        left_out=left_out,
        here=origin.current.get().address,
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
    if form.wants_all(scopes.catalogue()) or prefill.started(form, request.form):
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
            addresses=(form.allowed_addresses.data or "").split(),
            unique=True,
        )
    except tokens.AlreadyMinted as again:
        return summary.shown_before(again.token)
    except tokens.DescriptionTaken:
        db.rollback()
        form.description.errors = ["You have a token with this description."]
        return _page(form, 422)
    except tokens.LifetimeTooLong as error:
        # Less is allowed than when the form was looked at.
        db.rollback()
        form.expires.errors = [str(error)]
        return _page(form, 422)
    except QuotaReached as full:
        db.rollback()
        form.form_id.errors = [str(full)]
        return _page(form, 409)
    notices.token_created(user, token)
    db.commit()
    return summary.shown_once(token, plaintext)
