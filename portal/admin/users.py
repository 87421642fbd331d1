"""Everybody who has an account, and what an administrator may do to one."""

from collections.abc import Callable

from flask import Response, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, domains, origin, texts
from latchkey.accounts import sessions, users
from latchkey.accounts.users import User
from latchkey.journal import acts
from latchkey.oversight import listing, people
from latchkey.safety import shutdown
from latchkey.safety.lockdown import LastAdministrator
from latchkey.store.session import commit_parts, db
from portal import sentences
from portal.admin import words
from portal.admin.guard import CHANGED, Doing, Facts, Question, asked, begin
from portal.blueprint import blueprint
from portal.guards import this_user
from web import htmx

SORTS = ("joined", "address")
TABS = ("tokens", "apps", "authorizations", "sessions", "activity")
LAST = "There must be one administrator. Make another one first."

DOINGS = {
    "suspend": Doing(
        "Suspend {name}?",
        "From the next call on nothing of theirs works: sign-in, tokens, apps. You can restore the account and its apps"
        " later; tokens and authorizations stay ended.",
        "Suspend",
        danger=True,
        reasoned=True,
    ),
    "restore": Doing("Restore {name}?", "They may sign in again, and their apps go on.", "Restore"),
    "sign-out": Doing("Sign {name} out everywhere?", "Ends every session. Tokens and apps go on.", "End sessions"),
    "reset-second-factor": Doing(
        "Reset the two-factor sign-in of {name}?",
        "For somebody who has lost every second factor. You must know that it is them who asks.",
        "Reset",
        danger=True,
        vouches=True,
    ),
    "appoint": Doing(
        "Make {name} an administrator?",
        "They see and change everything in this place.",
        "Make an administrator",
        vouches=True,
    ),
    "dismiss": Doing(
        "Take the role away from {name}?",
        "They are no administrator any more. Their account goes on.",
        "Take the role away",
    ),
    "delete": Doing(
        "Delete {name}?",
        "Removes the account and all that it made. Cannot be undone.",
        "Delete the account",
        danger=True,
        reasoned=True,
    ),
}


@blueprint.get("/admin/users")
def admin_users() -> Response:
    """A page of the list."""
    here = asked(listing.USERS, "usr", SORTS)
    found = listing.users(**here._asdict())
    return htmx.render(
        "portal/admin/users/index.html",
        "portal/admin/users/_panel.html",
        found=found,
        facts=listing.facts(found.rows),
        here=here,
        form=FlaskForm(),
    )


@blueprint.get("/admin/users/<id:user_id>")
def admin_user(user_id: str) -> str:
    """What is known of a person, and what belongs to them."""
    user, tab = users.find(user_id) or abort(404), request.args.get("tab", TABS[0])
    if tab not in TABS:
        abort(404)
    cursor = asked(("",), {"tokens": "tok", "apps": "app", "authorizations": "ath"}.get(tab, "evt")).cursor
    return render_template(
        "portal/admin/users/show.html",
        person=user,
        facts=listing.facts([user])[user.id],
        tab=tab,
        found=_belongings(user, tab, cursor),
        acts=[words.of(act, this_user().id) for act in acts.page(target_id=user.id, limit=5)],
        doings=DOINGS,
        sentence=sentences.of,
    )


def _belongings(user: User, tab: str, cursor: str | None) -> listing.Page:
    if tab == "sessions":
        return listing.Page(list(sessions.list_live(user)), None)
    if tab == "activity":
        return listing.events(user=user, cursor=cursor)
    if tab == "authorizations":
        return listing.authorizations(user=user, cursor=cursor)
    return listing.apps(owner=user, cursor=cursor) if tab == "apps" else listing.tokens(user=user, cursor=cursor)


@blueprint.route(
    "/admin/users/<id:user_id>/<any(suspend,restore,'sign-out','reset-second-factor',appoint,dismiss,delete):act>",
    methods=["GET", "POST"],
)
def change_user(user_id: str, act: str) -> BaseResponse:
    """Asks first, with the reason; then does it, and tells the person."""
    user, back = users.find(user_id) or abort(404), url_for("portal.admin_user", user_id=user_id)
    doing = DOINGS[act]
    question = Question(doing, name=user.name, reader=user.name, back=back, facts=_facts(user))
    if not question.agreed():
        return question.page()
    begin(question.reason, over=user_id)
    user = users.lock(user_id) or abort(404)
    if doing.vouches and not question.still(user.name, _facts(user)):
        return question.refused(CHANGED)
    try:
        flash(_VERBS[act](user))
    except LastAdministrator:
        return question.refused(LAST)
    db.commit()
    return redirect(url_for("portal.admin_users") if act == "delete" else back, 303)


def _facts(user: User) -> Facts:
    """Whose account it is: names are what people call themselves, and two may have the same."""
    proved = "verified" if user.verified else "not verified"
    return (("E-mail", [f"{domains.shown_address(user.email)}, {proved}"]),)


def _suspend(user: User) -> str:
    stopped = [client.id for client in people.suspend(user)]
    db.commit()
    # Why the owner is suspended is not for the users of the apps.
    origin.act(origin.current.get().actor._replace(reason=""))
    for client_id in stopped:
        if (client := clients.find(client_id)) is not None:
            commit_parts(shutdown.tell_users(client))
    return f"Suspended {texts.apart(user.name)}."


def _restore(user: User) -> str:
    people.restore(user)
    return f"Restored {texts.apart(user.name)}."


def _sign_out(user: User) -> str:
    ended = people.sign_out(user)
    return f"Ended {ended} {'session' if ended == 1 else 'sessions'} of {texts.apart(user.name)}."


def _reset(user: User) -> str:
    was_on = people.reset_second_factor(user)
    return (
        f"Two-factor sign-in of {texts.apart(user.name)} is off."
        if was_on
        else f"{texts.apart(user.name)} had no second factor."
    )


def _appoint(user: User) -> str:
    people.appoint(user, on=True)
    return f"{texts.apart(user.name)} is an administrator."


def _dismiss(user: User) -> str:
    people.appoint(user, on=False)
    return f"{texts.apart(user.name)} is no administrator."


def _delete(user: User) -> str:
    name = user.name
    commit_parts(people.delete(user))
    return f"Deleted {texts.apart(name)}."


_VERBS: dict[str, Callable[[User], str]] = {
    "suspend": _suspend,
    "restore": _restore,
    "sign-out": _sign_out,
    "reset-second-factor": _reset,
    "appoint": _appoint,
    "dismiss": _dismiss,
    "delete": _delete,
}
