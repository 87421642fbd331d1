"""/canaries: tokens that open nothing and tell when somebody tries them."""

from flask import abort, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from latchkey import notices, texts
from latchkey.accounts.limits import QuotaReached
from latchkey.store.session import db
from latchkey.tokens import canaries
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, this_user, verified


class CanaryForm(FlaskForm):
    """Where it is to be put."""

    description = StringField("Where you put it", [InputRequired("Write where you are going to put it.")])


@blueprint.route("/canaries", methods=["GET", "POST"])
@verified
def list_canaries() -> ResponseReturnValue:
    """The canaries that there are, and the form that makes another, whose answer alone shows it."""
    form = CanaryForm()
    plaintext = _make(form) if form.validate_on_submit() else None
    page = render_template(
        "portal/security/canaries.html",
        form=CanaryForm(formdata=None) if plaintext else form,
        canaries=canaries.list_for(this_user()),
        most=canaries.MOST,
        plaintext=plaintext,
    )
    response = make_response(page, 422 if form.errors else 200)
    response.headers["Cache-Control"] = "no-store"
    return response


def _make(form: CanaryForm) -> str | None:
    user = acting_user()
    try:
        made, plaintext = canaries.make(user, form.description.data or "")
    except (texts.BadText, QuotaReached) as refused:
        db.rollback()
        form.description.errors = [str(refused)]
        return None
    notices.canary_made(user, made)
    db.commit()
    return plaintext


@blueprint.post("/canaries/<id:canary_id>/remove")
@verified
def remove_canary(canary_id: str) -> ResponseReturnValue:
    """Whoever tries it afterwards is answered as before, and nobody is told: so it takes fresh proof (L-09)."""
    if canaries.get_for(this_user(), canary_id) is None:
        abort(404)
    require_proof()
    user = acting_user()
    canary = canaries.get_for(user, canary_id)
    if canary is None:
        abort(404)
    notices.canary_removed(user, canary)
    canaries.remove(canary)
    db.commit()
    flash(f"Removed the canary “{canary.description}”.")
    return redirect(url_for("portal.list_canaries"), 303)
