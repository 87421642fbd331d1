"""Ending every token at once, and the access of apps with them if that is wanted."""

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from wtforms import BooleanField

from latchkey.safety import lockdown
from latchkey.store.session import db
from portal import sentences
from portal.blueprint import blueprint
from portal.guards import acting_user, signed_in


class RevokeAllForm(FlaskForm):
    """How far it goes."""

    apps = BooleanField("Also revoke the access of apps")


@blueprint.route("/tokens/revoke-all", methods=["GET", "POST"])
@signed_in
def revoke_all_tokens() -> ResponseReturnValue:
    """Asks first; then no token works any more. Needs no password: it only makes safer."""
    form = RevokeAllForm()
    if request.method != "POST":
        return render_template("portal/tokens/revoke_all.html", form=form)
    user = acting_user()
    count, suspended = lockdown.revoke_everything(user, access=bool(form.apps.data))
    db.commit()
    ended = f"Revoked {count:,} {'token' if count == 1 else 'tokens'}"
    flash(f"{ended} and the access of every app." if form.apps.data else f"{ended}.")
    if suspended:
        flash(f"Suspended, because your tokens made or changed them: {sentences.named(suspended)}.")
    return redirect(url_for("portal.list_tokens"), 303)
