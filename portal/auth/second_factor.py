"""/login/second-factor: a code or a passkey, after the password was right (L-11)."""

from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from latchkey.accounts import second_factors, sessions, steps
from latchkey.accounts.challenges import Purpose
from latchkey.accounts.steps import Step
from latchkey.safety import second_factor
from latchkey.store.session import db
from portal import devices, fields
from portal.auth import arrival, waiting_app
from portal.blueprint import blueprint
from portal.fields import SecondFactorForm
from portal.guards import asked_next


@blueprint.route("/login/second-factor", methods=["GET", "POST"])
def ask_second_factor() -> ResponseReturnValue:
    """The form for a code or a passkey; only in the browser that gave the password, for ten minutes."""
    plaintext, next_path = str(session.get(arrival.STEP, "")), asked_next()
    step = steps.find(plaintext)
    if step is None:
        return _over(next_path)
    form = SecondFactorForm()
    if form.validate_on_submit() and (shown := form.shown(Purpose.SECOND_FACTOR, step.id)) is not None:
        try:
            finished = second_factor.finish(plaintext, shown, devices.known(step.user))
        except sessions.NotOpened:
            db.commit()
            return _over(next_path)
        if finished is not None:
            opened, tries = finished
            return arrival.go_on(opened, next_path, step.kept, tries)
        db.commit()
        left = second_factor.tries_left(step)
        if not left:
            steps.over(plaintext)
            db.commit()
            return _over(next_path, "Those were five tries. Sign in again.")
        form.refuse(left)
    elif form.is_submitted():
        form.refuse()
    return _page(form, step, next_path, 422 if form.is_submitted() else 200)


@blueprint.get("/login/second-factor/recovery")
def ask_recovery_code() -> ResponseReturnValue:
    """The same form for a recovery code, by an address of its own."""
    wanted: dict[str, Any] = {"with": "recovery-code", "next": asked_next()}
    return redirect(url_for("portal.ask_second_factor", **wanted), 303)


def _page(form: SecondFactorForm, step: Step, next_path: str | None, status: int) -> Response:
    app = waiting_app.find(next_path)
    page = render_template(
        "portal/signin/second_factor.html",
        form=form,
        email=step.user.email,
        next_path=next_path,
        recovery=request.args.get("with") == "recovery-code",
        by_app=second_factors.find(step.user) is not None,
        question=fields.ask(Purpose.SECOND_FACTOR, step.id, step.user),
    )
    response = make_response(page, status)
    waiting_app.let_lead_on(response, app)
    return response


def _over(
    next_path: str | None, said: str = "That took too long, or too many tries. Sign in once more."
) -> ResponseReturnValue:
    session.pop(arrival.STEP, None)
    flash(said)
    return redirect(url_for("portal.sign_in", next=next_path), 303)


@blueprint.post("/login/start-over")
def start_over() -> ResponseReturnValue:
    """Sign in as somebody else, or with the password once more."""
    steps.over(str(session.pop(arrival.STEP, "")))
    db.commit()
    return redirect(url_for("portal.sign_in", next=asked_next()), 303)
