"""Another string for a token, and the end of the one before."""

from flask import Response, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import credentials, notices, tokens
from latchkey.accounts.limits import QuotaReached
from latchkey.store.session import db
from latchkey.tokens import Token
from portal import drafts
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, signed_in, this_user, verified
from portal.tokens import forms, summary
from portal.tokens.forms import RegenerateForm


@blueprint.route("/tokens/<id:token_id>/regenerate", methods=["GET", "POST"])
@verified
def regenerate_token(token_id: str) -> BaseResponse:
    """Asks for the new end and for how long the old string goes on; then a new one, shown once like a new token's.

    Also for a token that has expired.
    """
    token = tokens.get_for(this_user(), token_id) or abort(404)
    if token.status == "revoked":
        return _back(token, "This token was revoked and cannot be regenerated.")
    require_proof()
    form = RegenerateForm(tokens.length(token), **drafts.filling(), data={"form_id": credentials.opaque()})
    if not form.is_submitted():
        return _page(token, form)
    return _regenerate(token, form) if form.validate() else _page(token, form, 422)


def _regenerate(token: Token, form: RegenerateForm) -> BaseResponse:
    user = acting_user()
    try:
        plaintext = tokens.regenerate(token, form.chosen(), form_id=form.form_id.data)
    except tokens.AlreadyMinted as again:
        return summary.shown_before(again.token)
    except tokens.TokenEnded:
        db.rollback()
        return _back(token, "This token was revoked and cannot be regenerated.")
    except tokens.ParentEnded:
        db.rollback()
        return _back(token, "The token that made this one has ended, so this one cannot be regenerated.")
    except tokens.LifetimeTooLong as error:
        db.rollback()
        form.expires.errors = [str(error)]
        return _page(token, form, 422)
    except QuotaReached as full:
        db.rollback()
        form.form_id.errors = [str(full)]
        return _page(token, form, 409)
    notices.token_regenerated(user, token)
    db.commit()
    return summary.shown_once(token, plaintext, again=True)


def _page(token: Token, form: RegenerateForm, status: int = 200) -> Response:
    page = render_template(
        "portal/tokens/regenerate.html",
        token=token,
        form=form,
        keep=forms.KEEP,
        first_day=forms.day_in(1),
        last_day=forms.last_day(),
        max_days=tokens.lifetimes.bound(),
        made=tokens.children(token),
    )
    return Response(page, status)


@blueprint.post("/tokens/<id:token_id>/former/end")
@signed_in
def end_former_token(token_id: str) -> BaseResponse:
    """The string from before a token was regenerated ends now, and what it made."""
    token = tokens.get_for(this_user(), token_id) or abort(404)
    user = acting_user()
    ended = tokens.end_former(token)
    if ended is not None:
        notices.token_revoked(user, ended)
    db.commit()
    return _back(token, "The former token has ended.")


def _back(token: Token, said: str) -> BaseResponse:
    flash(said)
    return redirect(url_for("portal.show_token", token_id=token.id), 303)
