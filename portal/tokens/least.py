"""Scopes that a token did not use: taken away in one click, and given back within a week."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import tokens
from latchkey.safety import least
from latchkey.store.session import db
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, signed_in, this_user, verified
from web import htmx


@blueprint.post("/tokens/<id:token_id>/scopes/unused")
@signed_in
def drop_unused_scopes(token_id: str) -> BaseResponse:
    """Take away what was shown as not used and still is not. It only makes safer, so it asks for no password."""
    user = acting_user()
    token = tokens.get_for(user, token_id) or abort(404)
    try:
        least.drop(user, token, frozenset(request.form.getlist("scope")))
    except (tokens.TokenEnded, tokens.ScopeTooWide):
        db.rollback()
    db.commit()
    if not htmx.wants_partial():
        return redirect(url_for("portal.show_token", token_id=token.id, _anchor="scopes"), 303)
    return Response(render_template("portal/tokens/_scopes.html", token=token, report=least.report(token), told=True))


@blueprint.route("/tokens/<id:token_id>/scopes/undo", methods=["GET", "POST"])
@verified
def give_back_scopes(token_id: str) -> BaseResponse:
    """Asks for fresh proof, as adding any scope does; then what was removed is there again, and nothing else."""
    token = tokens.get_for(this_user(), token_id) or abort(404)
    form = FlaskForm()
    names = sorted(least.droppable(token))
    if token.ended or not names:
        return _back(token.id, "There is nothing to give back.")
    require_proof()
    if request.method != "POST" or not form.validate():
        back = url_for("portal.show_token", token_id=token.id)
        page = render_template("portal/give_back.html", form=form, names=names, name=token.description, back=back)
        return Response(page, 422 if form.errors else 200)
    user = acting_user()
    try:
        given = least.give_back(user, tokens.get_for(user, token_id) or abort(404))
    except (tokens.TokenEnded, tokens.ScopeTooWide):
        db.rollback()
        return _back(token.id, "The token was changed meanwhile. Nothing was given back.")
    db.commit()
    return _back(token.id, f"Given back: {', '.join(sorted(given))}." if given else "There was nothing to give back.")


def _back(token_id: str, said: str) -> BaseResponse:
    flash(said)
    return redirect(url_for("portal.show_token", token_id=token_id, _anchor="scopes"), 303)
