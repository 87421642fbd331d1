"""/login/second-factor: the code, after the password was right (L-11)."""

from flask import Response, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from latchkey.accounts import limits, sessions, steps
from latchkey.accounts.steps import Step
from latchkey.safety import signin
from latchkey.store.session import db
from portal import devices
from portal.auth import arrival, waiting_app
from portal.blueprint import blueprint
from portal.guards import NO_CODE, asked_next


class CodeForm(FlaskForm):
    """A code of the app, or a recovery code."""

    code = StringField("Code", [InputRequired("Type a code.")])


@blueprint.route("/login/second-factor", methods=["GET", "POST"])
def second_factor() -> ResponseReturnValue:
    """The form for the code; only in the browser that gave the password, for ten minutes."""
    plaintext, next_path = str(session.get(arrival.STEP, "")), asked_next()
    step = steps.find(plaintext)
    if step is None:
        return _over(next_path)
    form = CodeForm()
    if form.validate_on_submit():
        try:
            finished = signin.finish(plaintext, form.code.data or "", devices.known(step.user.email))
        except sessions.NotOpened:
            db.commit()
            return _over(next_path)
        if finished is not None:
            opened, tries = finished
            response = arrival.go_on(opened, next_path, step.kept)
            limits.was_right(tries)
            return response
        db.commit()
        form.code.errors = [NO_CODE]
    return _page(form, step, next_path, 422 if form.is_submitted() else 200)


def _page(form: CodeForm, step: Step, next_path: str | None, status: int) -> Response:
    app = waiting_app.find(next_path)
    page = render_template(
        "portal/signin/second_factor.html",
        form=form,
        email=step.user.email,
        next_path=next_path,
        recovery=request.args.get("with") == "recovery-code",
    )
    response = make_response(page, status)
    waiting_app.let_lead_on(response, app)
    return response


def _over(next_path: str | None) -> ResponseReturnValue:
    session.pop(arrival.STEP, None)
    flash("That took too long, or too many tries. Sign in once more.")
    return redirect(url_for("portal.sign_in", next=next_path), 303)


@blueprint.post("/login/start-over")
def start_over() -> ResponseReturnValue:
    """Sign in as somebody else, or with the password once more."""
    steps.over(str(session.pop(arrival.STEP, "")))
    db.commit()
    return redirect(url_for("portal.sign_in", next=asked_next()), 303)
