"""The end of an app: for everybody who uses it, or for good."""

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import activity, clients, grants, notices
from latchkey.clients import Client
from latchkey.db import db
from portal.app_owner import own_app
from portal.blueprint import blueprint
from portal.guards import ConfirmPassword, confirmed, this_user, verified

PART = 50


def _asked(client: Client, form: ConfirmPassword, page: str) -> Response:
    people = grants.count_for(client)
    return Response(
        render_template(page, client=client, form=form, people=people),
        422 if form.errors else 200,
    )


def _cut_off(client: Client) -> int:
    """Ends what everybody let the app do, and tells them; how many they were.

    Commits each part with its letters: thousands of them take seconds, and nobody else may write meanwhile.
    """
    count = 0
    while ended := grants.withdraw_all(client, PART):
        with activity.elsewhere():
            for authorization in ended:
                notices.authorization_withdrawn(authorization.user, client, by_user=False)
        db.commit()
        count += len(ended)
    return count


@blueprint.route("/apps/<id:client_id>/cut-off", methods=["GET", "POST"])
@verified
def cut_off_app(client_id: str) -> BaseResponse:
    """Asks first; then nobody's token works any more. They can authorize the app again."""
    client, form = own_app(client_id), ConfirmPassword()
    if request.method != "POST" or not form.validate() or not confirmed(form):
        return _asked(client, form, "portal/apps/cut_off.html")
    count = _cut_off(client)
    notices.app_cut_off(this_user(), client, count)
    db.commit()
    flash(f"Cut off {count:,} {'person' if count == 1 else 'people'} from “{client.name}”.")
    return redirect(url_for("portal.show_app", client_id=client_id), 303)


@blueprint.route("/apps/<id:client_id>/delete", methods=["GET", "POST"])
@verified
def delete_app(client_id: str) -> BaseResponse:
    """Asks first; then the app is gone with its secrets and every authorization."""
    client, form = own_app(client_id), ConfirmPassword()
    if request.method != "POST" or not form.validate() or not confirmed(form):
        return _asked(client, form, "portal/apps/delete.html")
    name = client.name
    _cut_off(client)
    notices.app_deleted(this_user(), client)
    clients.remove(client)
    db.commit()
    flash(f"Deleted “{name}”.")
    return redirect(url_for("portal.list_apps"), 303)
