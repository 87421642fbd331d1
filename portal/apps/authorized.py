"""The apps that act for a user, and taking that back."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import grants, notices, scopes
from latchkey.grants import Authorization
from latchkey.scopes import Scope
from latchkey.store.session import db
from portal.blueprint import blueprint
from portal.guards import signed_in, this_user


def _allowed(authorization: Authorization) -> list[Scope]:
    return [scope for name, scope in scopes.catalogue().items() if name in authorization.scopes]


@blueprint.get("/authorized-apps")
@signed_in
def list_authorized_apps() -> str:
    """All of them with what they may do, in words, the latest first."""
    apps = [(one, _allowed(one)) for one in grants.list_for(this_user())]
    return render_template("portal/authorized_apps/index.html", apps=apps)


@blueprint.route("/authorized-apps/<id:authorization_id>/revoke", methods=["GET", "POST"])
@signed_in
def revoke_access(authorization_id: str) -> BaseResponse:
    """Asks first; then every token of that app is dead at its next request. Needs no password: it only makes safer."""
    user = this_user()
    # Sent twice, it is done once and shown alike.
    authorization = grants.get_for(user, authorization_id, withdrawn=request.method == "POST") or abort(404)
    if request.method != "POST":
        page = render_template("portal/authorized_apps/revoke.html", authorization=authorization, form=FlaskForm())
        return Response(page)
    if grants.withdraw(authorization):
        notices.authorization_withdrawn(user, authorization.client, by_user=True)
        db.commit()
        flash(f"{authorization.client.name} can no longer act for you.")
    return redirect(url_for("portal.list_authorized_apps"), 303)
