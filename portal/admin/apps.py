"""Every app, and what an administrator may do to one."""

from collections.abc import Callable

from flask import Response, abort, flash, redirect, render_template, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, grants, scopes, texts
from latchkey.clients import BadClient, Client
from latchkey.journal import acts, refusals
from latchkey.oversight import apps, listing
from latchkey.safety import shutdown
from latchkey.store.session import commit_parts, db
from portal.admin import words
from portal.admin.guard import CHANGED, Doing, Facts, Question, asked, begin
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
        "Trust “{name}”?",
        "Nobody is asked any more what it may do. Only for apps of your own.",
        "Trust",
        danger=True,
        vouches=True,
    ),
    "distrust": Doing("Stop trusting “{name}”?", "People are asked again what it may do.", "Stop trusting"),
    "mark": Doing(
        "Mark “{name}” as a resource server?",
        "It may introspect everybody’s tokens, without limit.",
        "Mark",
        vouches=True,
    ),
    "unmark": Doing("Unmark “{name}” as a resource server?", "It is no resource server any more.", "Unmark"),
    "pin": Doing(
        "Pin the copy of “{name}”?",
        "What its document said when it was read last holds, whatever its host says from now on.",
        "Pin the copy",
        vouches=True,
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
    client, back = clients.find(client_id) or abort(404), url_for("portal.admin_app", client_id=client_id)
    doing = DOINGS[act]
    question = Question(doing, name=client.name, reader=_reader(client), back=back, facts=_facts(client, doing))
    if not question.agreed():
        return question.page()
    begin(question.reason)
    client = clients.lock(client_id) or abort(404)
    if doing.vouches and not question.still(client.name, _facts(client, doing)):
        return question.refused(CHANGED)
    try:
        flash(_VERBS[act](client, question.reason or None))
    except BadClient as bad:
        return question.refused(str(bad))
    db.commit()
    return redirect(url_for("portal.admin_apps") if act == "delete" else back, 303)


def _facts(client: Client, doing: Doing) -> Facts:
    """What an app is, for whoever vouches for it: its owner can change it at any moment before."""
    if not doing.vouches:
        return ()
    owner = client.owner
    return (
        (
            "Owner",
            [f"{texts.apart(owner.name)}, {owner.email}"] if owner is not None else [client.document_url or "Nobody"],
        ),
        ("Homepage", [client.homepage or "None"]),
        ("Leads back to", list(client.redirect_uris)),
        ("May ask for", [name for name in scopes.catalogue() if name in client.scopes]),
        ("Proves itself by", ["Keys of its own" if client.keyed else "A secret" if client.confidential else "Nothing"]),
        ("Requires PKCE", ["Yes" if client.pkce_required else "No"]),
        ("Signs in devices", ["Yes" if client.device_flow else "No"]),
    )


def _reader(client: Client) -> str:
    return client.owner.name if client.owner is not None else "Nobody owns it: everybody who uses it"


def _suspend(client: Client, reason: str | None) -> str:
    new = apps.suspend(client, reason)
    db.commit()
    told = commit_parts(shutdown.tell_users(client)) if new else 0
    return f"Suspended “{texts.apart(client.name)}”; {told:,} of its users are told."


def _restore(client: Client, _reason: str | None) -> str:
    apps.restore(client)
    db.refresh(client)
    return f"“{texts.apart(client.name)}” {'stays suspended with its owner' if client.suspended_at else 'goes on'}."


def _delete(client: Client, _reason: str | None) -> str:
    name = client.name
    told = commit_parts(apps.delete(client))
    return f"Deleted “{texts.apart(name)}”; {told:,} of its users are told."


def _switch(verb: Callable[..., bool], said: str, *, on: bool) -> Callable[[Client, str | None], str]:
    """What turns something of an app on or off; the act keeps the reason."""

    def turn(client: Client, _reason: str | None) -> str:
        verb(client, on=on)
        return said.format(name=client.name)

    return turn


_VERBS: dict[str, Callable[[Client, str | None], str]] = {
    "suspend": _suspend,
    "restore": _restore,
    "trust": _switch(apps.trust, "“{name}” is trusted.", on=True),
    "distrust": _switch(apps.trust, "“{name}” is not trusted.", on=False),
    "mark": _switch(apps.mark, "“{name}” is a resource server.", on=True),
    "unmark": _switch(apps.mark, "“{name}” is no resource server.", on=False),
    "pin": _switch(apps.pin, "The copy of “{name}” is pinned.", on=True),
    "unpin": _switch(apps.pin, "“{name}” follows its document again.", on=False),
    "delete": _delete,
}
