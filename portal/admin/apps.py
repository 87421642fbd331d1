"""Every app, and what an administrator may do to one."""

from collections.abc import Callable

from flask import Response, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, grants, scopes
from latchkey.clients import BadClient, Client
from latchkey.journal import acts, refusals
from latchkey.oversight import apps, listing
from latchkey.safety import shutdown
from latchkey.store.session import commit_parts, db
from portal.admin import words
from portal.admin.guard import ActForm, Doing, agreed, ask, asked, begin
from portal.blueprint import blueprint
from portal.guards import this_user
from web import htmx

DOINGS = {
    "suspend": Doing(
        "Suspend “{name}”?",
        "It is refused from the next call on: sign-in, tokens, refresh. You can restore it later. Its owner and"
        " everybody who uses it are told why.",
        "Suspend",
        danger=True,
        reasoned=True,
    ),
    "restore": Doing(
        "Restore “{name}”?", "What has not expired or been revoked works again. Its owner is told.", "Restore"
    ),
    "trust": Doing(
        "Trust “{name}”?", "Nobody is asked any more what it may do. Only for apps of your own.", "Trust", danger=True
    ),
    "distrust": Doing("Stop trusting “{name}”?", "People are asked again what it may do.", "Stop trusting"),
    "mark": Doing(
        "Mark “{name}” as a resource server?", "It may introspect everybody’s tokens, without limit.", "Mark"
    ),
    "unmark": Doing("Unmark “{name}” as a resource server?", "It is no resource server any more.", "Unmark"),
    "pin": Doing(
        "Pin the copy of “{name}”?",
        "What its document said when it was read last holds, whatever its host says from now on.",
        "Pin the copy",
    ),
    "unpin": Doing(
        "Let “{name}” follow its document again?", "It is read when somebody comes next.", "Follow it again"
    ),
    "delete": Doing(
        "Delete “{name}”?",
        "The app is gone with its secrets and everybody’s authorizations. Cannot be undone.",
        "Delete the app",
        danger=True,
        reasoned=True,
    ),
}


@blueprint.get("/admin/apps")
def admin_apps() -> Response:
    """A page of the list."""
    here = asked(listing.APPS, "app")
    found = listing.apps(show=here.show, search=here.search, cursor=here.cursor)
    return htmx.render(
        "portal/admin/apps/index.html",
        "portal/admin/apps/_panel.html",
        found=found,
        people=grants.people(found.rows),
        here=here,
    )


@blueprint.get("/admin/apps/<id:client_id>")
def admin_app(client_id: str) -> str:
    """What is known of an app."""
    client = clients.find(client_id) or abort(404)
    return render_template(
        "portal/admin/apps/show.html",
        client=client,
        people=grants.count_for(client),
        causes=clients.causes(client),
        held=[scope for name, scope in scopes.catalogue().items() if name in client.scopes],
        refusals=refusals.list_for(client, 10),
        acts=[words.of(act, this_user().id) for act in acts.page(target_id=client.id, limit=5)],
    )


@blueprint.route(
    "/admin/apps/<id:client_id>/<any(suspend,restore,trust,distrust,mark,unmark,pin,unpin,delete):act>",
    methods=["GET", "POST"],
)
def change_app(client_id: str, act: str) -> BaseResponse:
    """Asks first, with the reason; then does it, and tells the owner."""
    client, doing, form = clients.find(client_id) or abort(404), DOINGS[act], ActForm()
    back = url_for("portal.admin_app", client_id=client_id)
    if not agreed(form, doing):
        return ask(form, doing, name=client.name, reader=_reader(client), back=back)
    begin(form.reason.data)
    try:
        flash(_VERBS[act](client, form.reason.data or None))
    except BadClient as bad:
        db.rollback()
        form.reason.errors = [str(bad)]
        return ask(form, doing, name=client.name, reader=_reader(client), back=back, status=409)
    db.commit()
    return redirect(url_for("portal.admin_apps") if act == "delete" else back, 303)


def _reader(client: Client) -> str:
    return client.owner.name if client.owner is not None else "Nobody owns it: everybody who uses it"


def _locked(client: Client) -> Client:
    return clients.lock(client.id) or abort(404)


def _suspend(client: Client, reason: str | None) -> str:
    new = apps.suspend(client, reason)
    db.commit()
    told = commit_parts(shutdown.tell_users(client)) if new else 0
    return f"Suspended “{client.name}”; {told:,} of its users are told."


def _restore(client: Client, _reason: str | None) -> str:
    apps.restore(client)
    db.refresh(client)
    return f"“{client.name}” {'stays suspended with its owner' if client.suspended_at else 'goes on'}."


def _trust(client: Client, _reason: str | None) -> str:
    apps.trust(_locked(client), on=True)
    return f"“{client.name}” is trusted."


def _distrust(client: Client, _reason: str | None) -> str:
    apps.trust(_locked(client), on=False)
    return f"“{client.name}” is not trusted."


def _mark(client: Client, _reason: str | None) -> str:
    apps.mark(_locked(client), on=True)
    return f"“{client.name}” is a resource server."


def _pin(client: Client, _reason: str | None) -> str:
    apps.pin(_locked(client), on=True)
    return f"The copy of “{client.name}” is pinned."


def _unpin(client: Client, _reason: str | None) -> str:
    apps.pin(_locked(client), on=False)
    return f"“{client.name}” follows its document again."


def _unmark(client: Client, _reason: str | None) -> str:
    apps.mark(_locked(client), on=False)
    return f"“{client.name}” is no resource server."


def _delete(client: Client, _reason: str | None) -> str:
    name = client.name
    told = commit_parts(apps.delete(client))
    return f"Deleted “{name}”; {told:,} of its users are told."


_VERBS: dict[str, Callable[[Client, str | None], str]] = {
    "suspend": _suspend,
    "restore": _restore,
    "trust": _trust,
    "distrust": _distrust,
    "mark": _mark,
    "pin": _pin,
    "unpin": _unpin,
    "unmark": _unmark,
    "delete": _delete,
}
