"""The apps that act for a user, and taking that back."""

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import grants, notices, scopes, texts
from latchkey.grants import Authorization
from latchkey.journal.calls import use
from latchkey.safety import agents
from latchkey.scopes import Scope
from latchkey.store.session import db
from portal.blueprint import blueprint
from portal.guards import acting_user, require_proof, signed_in, this_user


def _allowed(authorization: Authorization) -> list[Scope]:
    return [scope for name, scope in scopes.catalogue().items() if name in authorization.scopes]


@blueprint.get("/authorized-apps")
@signed_in
def list_authorized_apps() -> str:
    """All of them with what they may do, in words, what they did in 30 days, and each sign-in; the latest first."""
    user = this_user()
    apps = [(one, _allowed(one)) for one in grants.list_for(user)]
    return render_template(
        "portal/authorized_apps/index.html",
        apps=apps,
        calls=use.by_app(user.id, [one.client_id for one, _ in apps]),
        sign_ins=agents.sign_ins(user),
        device=notices.device,
        paused_at=user.paused_at,
        held_back=agents.held_back(user),
    )


@blueprint.post("/authorized-apps/pause")
@signed_in
def pause_everything() -> BaseResponse:
    """Refuse every call of what acts for me. Needs no proof: it only makes safer."""
    if agents.pause(acting_user()):
        flash("Everything that acts for you is paused.")
    db.commit()
    return redirect(url_for("portal.list_authorized_apps"), 303)


@blueprint.post("/authorized-apps/resume")
@signed_in
def resume_everything() -> BaseResponse:
    """Let it all act again, for whom that gives power: not for a browser that was left alone."""
    if this_user().paused_at is not None:
        require_proof()
    if agents.resume(acting_user()):
        flash("Everything that acts for you works again.")
    db.commit()
    return redirect(url_for("portal.list_authorized_apps"), 303)


@blueprint.post("/authorized-apps/<id:authorization_id>/sign-ins/<id:grant_id>/end")
@signed_in
def end_app_sign_in(authorization_id: str, grant_id: str) -> BaseResponse:
    """End one sign-in of an app; sent twice, it is done once and shown alike."""
    user = acting_user()
    authorization = grants.get_for(user, authorization_id) or abort(404)
    if grants.end_one(authorization, grant_id):
        notices.sign_in_ended(user, authorization.client)
        flash(f"That sign-in of {texts.apart(authorization.client.name)} has ended.")
    db.commit()
    return redirect(url_for("portal.list_authorized_apps"), 303)


@blueprint.route("/authorized-apps/revoke-all", methods=["GET", "POST"])
@signed_in
def revoke_all_access() -> BaseResponse:
    """Asks first; then every app is signed out."""
    user = this_user() if request.method != "POST" else acting_user()
    apps = grants.list_for(user)
    if not apps:
        # Done already, here or in another tab: the list says that nothing acts for one.
        return redirect(url_for("portal.list_authorized_apps"), 303)
    if request.method != "POST":
        return Response(render_template("portal/authorized_apps/revoke_all.html", apps=apps, form=FlaskForm()))
    ended = 0
    for authorization in sorted(apps, key=lambda one: one.id):
        if grants.withdraw(authorization):
            notices.authorization_withdrawn(user, authorization.client, by_user=True)
            ended += 1
    db.commit()
    flash(f"{ended} apps can no longer act for you." if ended != 1 else "One app can no longer act for you.")
    return redirect(url_for("portal.list_authorized_apps"), 303)


@blueprint.route("/authorized-apps/<id:authorization_id>/revoke", methods=["GET", "POST"])
@signed_in
def revoke_access(authorization_id: str) -> BaseResponse:
    """Asks first; then every token of that app is dead at its next request. Needs no password: it only makes safer."""
    user = this_user() if request.method != "POST" else acting_user()
    # Sent twice, it is done once and shown alike.
    authorization = grants.get_for(user, authorization_id, withdrawn=request.method == "POST") or abort(404)
    if request.method != "POST":
        page = render_template("portal/authorized_apps/revoke.html", authorization=authorization, form=FlaskForm())
        return Response(page)
    if grants.withdraw(authorization):
        notices.authorization_withdrawn(user, authorization.client, by_user=True)
        db.commit()
        flash(f"{texts.apart(authorization.client.name)} can no longer act for you.")
    return redirect(url_for("portal.list_authorized_apps"), 303)
