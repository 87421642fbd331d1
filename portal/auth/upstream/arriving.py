"""/login/oidc: to the upstream, and back from it."""

import logging
from typing import cast

from flask import Response, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from latchkey import origin, settings
from latchkey.accounts import sessions, users
from latchkey.accounts.upstream.identities import UpstreamFirst
from latchkey.oversight import invitations
from latchkey.store.session import db
from latchkey.upstream import arrivals, client, counting, provider, tokens
from latchkey.upstream.client import Person
from portal.auth import arrival, waiting_app
from portal.auth.upstream import asking, letters
from portal.auth.upstream.asking import Asked, Purpose
from portal.blueprint import blueprint
from portal.guards import asked_next, enter, this_session

log = logging.getLogger("latchkey.upstream")
RETRY_AFTER = "10"
LONGEST = {"state": 100, "code": 4_000, "iss": 1_000}
LOST = "That took too long, or it began in another browser."
ELSEWHERE = "You were signed out meanwhile, or as somebody else."


@blueprint.route("/login/oidc", methods=["GET", "POST"])
def sign_in_upstream() -> ResponseReturnValue:
    """Off to the upstream. Changes nothing here: what it begins, this browser alone keeps."""
    if settings.current().upstream is None:
        abort(404)
    next_path = asked_next()
    again = waiting_app.asks_again(next_path)
    if current_user.is_authenticated and not again:
        return redirect(next_path or url_for("portal.welcome"), 303)
    return asking.leave(Purpose.SIGN_IN, next_path, anew=again, kept=request.form.get("kept"))


@blueprint.app_errorhandler(provider.Away)
def upstream_is_away(away: provider.Away) -> ResponseReturnValue:
    """The upstream does not answer, or not so that it can be used. Nothing was done, and nothing is lost."""
    next_path = asked_next()
    return _away(away, url_for("portal.sign_in_upstream", next=next_path), next_path)


def _away(away: provider.Away, again: str, next_path: str | None) -> ResponseReturnValue:
    db.rollback()
    log.warning("the upstream gives no answer: %s", away)
    page = render_template("portal/upstream/away.html", again=again, next_path=next_path)
    return page, 503, {"Retry-After": RETRY_AFTER}


@blueprint.app_errorhandler(UpstreamFirst)
def ask_upstream_first(_first: UpstreamFirst) -> ResponseReturnValue:
    """What was shown here opens nothing before the upstream says that this person is still theirs."""
    db.rollback()
    flash(f"{settings.current().upstream} has to confirm first that it is still you. Continue there.")
    return redirect(url_for("portal.sign_in", next=asked_next()), 303)


@blueprint.get(client.CALLBACK)
def come_back() -> ResponseReturnValue:
    """Back from the upstream, with a code that names somebody: once, in the browser that left."""
    if settings.current().upstream is None:
        abort(404)
    if request.method == "HEAD":
        return Response()
    sent = {name: _sent(name) for name in LONGEST}
    asked = asking.find(sent["state"] or "")
    if asked is None:
        return refused(LOST, 400)
    if sent["code"] is None:
        flash(f"{settings.current().upstream} did not sign you in.")
        return asking.over(redirect(_start(asked), 303))
    try:
        person = _redeemed(asked, sent["code"], sent["iss"])
    except tokens.Refused as error:
        log.warning("what the upstream sent is refused: %s", error)
        return refused("What came back does not belong to this sign-in.", 403)
    except provider.Away as away:
        return _away(away, request.full_path, asked.next_path)
    return _settle(asked, person)


def _redeemed(asked: Asked, code: str, sender: str | None) -> Person:
    # A request that met somebody else's change is looked at again; the code counts once.
    if "upstream" not in g:
        with counting.counted(origin.current.get().network):
            g.upstream = client.redeem(asked.begun, code, sender, since=asked.since)
    return cast("Person", g.upstream)


def _sent(name: str) -> str | None:
    values = request.args.getlist(name)
    return values[0] if len(values) == 1 and 0 < len(values[0]) <= LONGEST[name] else None


def _start(asked: Asked) -> str:
    """Where somebody goes on who was not signed in."""
    if asked.purpose == Purpose.INVITATION:
        return url_for("portal.accept_invitation", token=asked.bound)
    if asked.purpose == Purpose.LINK:
        return url_for("portal.security")
    endpoint = "portal.show_proof" if asked.purpose == Purpose.PROOF else "portal.sign_in"
    return url_for(endpoint, next=asked.next_path)


def refused(why: str, status: int) -> ResponseReturnValue:
    """The page that says why nobody was signed in."""
    db.rollback()
    return render_template("portal/upstream/refused.html", why=why), status


def _settle(asked: Asked, person: Person) -> ResponseReturnValue:
    settle = {
        Purpose.SIGN_IN: _sign_in,
        Purpose.PROOF: _prove,
        Purpose.LINK: _link,
        Purpose.INVITATION: _accept,
    }[Purpose(asked.purpose)]
    try:
        arrivals.once(asked.begun.state)
        response = settle(asked, person)
    except arrivals.NotLetIn as why:
        return refused(str(why), 403)
    except arrivals.AddressToProve:
        db.rollback()
        response = letters.ask(asked, person)
    except sessions.NotOpened:
        return refused(arrivals.SUSPENDED, 403)
    except sessions.SessionEnded:
        return refused(ELSEWHERE, 403)
    except invitations.InvitationOver:
        return refused("This invitation was used, taken back or has expired.", 410)
    except users.EmailTaken:
        return refused("There is an account for this address already. Sign in instead.", 409)
    return response


def _sign_in(asked: Asked, person: Person) -> ResponseReturnValue:
    return asking.over(arrival.go_on(arrivals.arrive(person), asked.next_path, asking.kept()))


def _accept(asked: Asked, person: Person) -> ResponseReturnValue:
    invitation = invitations.find(asked.bound)
    if invitation is None:
        raise invitations.InvitationOver
    return asking.over(arrival.go_on(arrivals.accept(invitation, person)))


def _prove(asked: Asked, person: Person) -> ResponseReturnValue:
    _same_session(asked)
    here = this_session()
    arrivals.prove(here, person)
    db.commit()
    enter(here)
    if here.kept is not None:
        flash("Thank you. Look it over, and send it once more.")
    return asking.over(redirect(asked.next_path or url_for("portal.welcome"), 303))


def _link(asked: Asked, person: Person) -> ResponseReturnValue:
    _same_session(asked)
    if not sessions.recently_authenticated(this_session()):
        raise sessions.SessionEnded
    new = arrivals.link(this_session(), person)
    db.commit()
    upstream = settings.current().upstream
    flash(f"You can sign in with {upstream} now." if new else f"You could sign in with {upstream} already.")
    return asking.over(redirect(url_for("portal.security"), 303))


def _same_session(asked: Asked) -> None:
    if not current_user.is_authenticated or this_session().id != asked.bound:
        raise sessions.SessionEnded
