"""What people do with their sign-in by the upstream: show by it who they are, link it, take it off."""

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm

from latchkey import settings
from latchkey.accounts import sessions
from latchkey.accounts.upstream import identities
from latchkey.store.session import db
from latchkey.upstream import endings
from portal import drafts
from portal.auth.upstream import asking
from portal.auth.upstream.asking import Purpose
from portal.blueprint import blueprint
from portal.guards import acting_user, asked_next, require_proof, signed_in, this_session, this_user, verified

LAST_WAY = "This is the only way into your account. Add a passkey first, or choose a password."


@blueprint.post("/login/oidc/again")
@signed_in
def prove_upstream() -> ResponseReturnValue:
    """Fresh proof by a new sign-in there (L-09); the session keeps the form that waits for it."""
    if not identities.usable(this_user()):
        abort(404)
    kept = drafts.unseal(request.form.get("kept"))
    if kept is not None and kept.account == this_user().id:
        sessions.keep(this_session(), request.form["kept"])
        db.commit()
    return asking.leave(Purpose.PROOF, asked_next(), bound=this_session().id, anew=True)


@blueprint.post("/settings/security/sign-ins")
@verified
def link_upstream() -> ResponseReturnValue:
    """Off to the upstream, to come back linked."""
    if settings.current().upstream is None:
        abort(404)
    require_proof()
    return asking.leave(Purpose.LINK, bound=this_session().id)


@blueprint.route("/settings/security/sign-ins/<id:identity_id>/remove", methods=["GET", "POST"])
@verified
def unlink_upstream(identity_id: str) -> ResponseReturnValue:
    """Asks first; then the account cannot be entered by it any more. Never the last way in."""
    identity = identities.get_for(this_user(), identity_id)
    if identity is None:
        abort(404)
    require_proof()
    form, refusal = FlaskForm(), ""
    if request.method == "POST" and form.validate():
        user = acting_user()
        try:
            endings.unlink(user, identity, this_session())
        except identities.LastWayIn:
            db.rollback()
            refusal = LAST_WAY
        else:
            db.commit()
            flash("That sign-in is unlinked.")
            return redirect(url_for("portal.security"), 303)
    page = render_template("portal/upstream/unlink.html", form=form, identity=identity, refusal=refusal)
    return page, 422 if form.is_submitted() else 200
