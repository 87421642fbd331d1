"""Fresh proof: in answer to what takes it, the person shows once more that it is them, and comes back (L-09)."""

import re
from datetime import datetime

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField
from wtforms.validators import InputRequired

from latchkey import notices
from latchkey.accounts import limits, passwords, second_factors, sessions
from latchkey.accounts.challenges import Purpose
from latchkey.accounts.limits import UNCOUNTED
from latchkey.accounts.upstream import identities
from latchkey.safety import second_factor
from latchkey.store.session import db
from portal import devices, drafts, fields
from portal.auth.late import page_of
from portal.blueprint import blueprint
from portal.fields import SecondFactorForm
from portal.guards import (
    ProofAsked,
    acting_user,
    asked_next,
    enter,
    password_is_right,
    signed_in,
    this_session,
    this_user,
)

# What somebody is about to do, by the page where they do it; the first that fits.
ABOUT = {
    "/tokens/new": "create a token",
    "/tokens/[^/]+/regenerate": "regenerate a token",
    "/tokens/[^/]+": "change a token",
    "/apps/new": "register an app",
    "/apps/[^/]+": "change an app",
    "/authorized-apps": "let everything that acts for you go on",
    "/canaries": "remove a canary",
    "/hacked": "end everything",
    "/settings/security": "change how you sign in",
    "/settings": "change your account",
    "/admin": "act as an administrator",
}


class PasswordProof(FlaskForm):
    """The password, where there is no second factor."""

    at: datetime | None = None
    password = PasswordField("Password", [InputRequired("Type your password.")])

    def is_right(self) -> bool:
        """Whether it is. Commits. 429 after too many."""
        if not password_is_right(self.password.data or ""):
            self.password.errors = ["This is not your password."]
            return False
        return True


class FactorProof(SecondFactorForm):
    """A passkey or a code, where there is a second factor: the password alone shows nothing then."""

    # When the passkey was used, if it was one.
    at: datetime | None = None

    def is_right(self) -> bool:
        """Whether it is, used up by it. Commits. 429 after too many."""
        here, shown = this_session(), self.shown(Purpose.PROOF, this_session().id)
        tries = None
        if shown is not None:
            tries = second_factor.show_again(here, shown, devices.known(this_user()))
            limits.was_right(tries or UNCOUNTED)
            db.commit()
        if shown is None or tries is None:
            self.refuse()
            return False
        self.at = second_factor.used_at(shown)
        return True


def _form() -> PasswordProof | FactorProof:
    return FactorProof() if second_factors.protects(this_user()) else PasswordProof()


@blueprint.app_errorhandler(ProofAsked)
def ask_for_proof(_asked: ProofAsked) -> ResponseReturnValue:
    """Nothing was done. What was typed is kept, inside the form that answers it."""
    db.rollback()
    if request.method != "POST":
        back = request.full_path.rstrip("?")
        if "HX-Request" in request.headers:
            return Response(status=403, headers={"HX-Redirect": url_for("portal.show_proof", next=back)})
        return _page(back), 403
    if "HX-Request" in request.headers:
        # The script sends the form once more as a browser does by itself: its answer is a whole page.
        return Response(status=403, headers={"HX-Reswap": "none", "HX-Trigger": "send-as-page"})
    sealed = drafts.seal(this_user().id)
    return _page(page_of(sealed), sealed), 403


def _page(back: str, sealed: str | None = None, form: FlaskForm | None = None) -> str:
    here = this_session()
    by_link = here.authenticated_at == sessions.NEVER and here.identity_id is None
    return render_template(
        "portal/signin/fresh.html",
        form=form or type(_form())(formdata=None),
        back=back,
        sealed=sealed,
        about=next((words for page, words in ABOUT.items() if re.match(rf"{page}(?:[/?#]|$)", back)), None),
        by_link=by_link,
        by_app=second_factors.find(this_user()) is not None,
        upstream=bool(identities.usable(this_user())) and not second_factors.protects(this_user()),
        typed=second_factors.protects(this_user()) or passwords.usable(this_user().password_hash),
        question=fields.ask(Purpose.PROOF, this_session().id, this_user()),
        pictures=any(file.filename for file in request.files.values()),
    )


@blueprint.get("/login/again")
@signed_in
def show_proof() -> str:
    """The page by its own address, which a form that was sent back leaves in the browser."""
    return _page(asked_next() or url_for("portal.welcome"))


@blueprint.post("/login/again")
@signed_in
def prove() -> BaseResponse | ResponseReturnValue:
    """Take the proof, and lead back to what it was for, with the form filled in. A new id for the session (M-02)."""
    form, back = _form(), asked_next() or url_for("portal.welcome")
    kept = drafts.unseal(request.form.get("kept"))
    sealed = request.form["kept"] if kept is not None and kept.account == this_user().id else None
    if not form.validate() or not form.is_right():
        return _page(back, sealed, form), 422
    here = this_session()
    acting_user()
    sessions.reauthenticate(here, form.at)
    notices.proved_again(here.user)
    if sealed is not None:
        sessions.keep(here, sealed)
    db.commit()
    enter(here)
    if sealed is not None:
        flash("Thank you. Look it over, and send it once more.")
    return redirect(back, 303)
