"""The tokens that a person has: the list, one of them, finding one by its string, and revoking."""

from datetime import timedelta
from math import ceil

from flask import Response, abort, flash, redirect, render_template, request, session, url_for
from flask_wtf import FlaskForm
from jinja2 import Environment, pass_environment
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField

from latchkey import clock, notices, scopes, tokens
from latchkey.journal import activity
from latchkey.journal.calls import use
from latchkey.safety import agents, leaks, least
from latchkey.store.session import db
from latchkey.tokens import Token, listing
from latchkey.tokens.listing import Listing, Wanted
from portal import sentences
from portal.blueprint import blueprint
from portal.guards import acting_user, asked_next, signed_in, this_user
from portal.tokens import pasted, wanted
from web import htmx

EVENTS = 5
LATELY = timedelta(days=7)


@pass_environment
def before_revoking(environment: Environment, token: Token) -> str:
    """What somebody should know who is about to revoke a token. A filter, because fifty rows tell it."""
    told, used_at = "It stops working at once and cannot be restored.", token.last_used_at
    if used_at is None:
        return f"{told} It was never used."
    place = f" from {token.last_used_address}" if token.last_used_address else ""
    ago = environment.filters["ago"](used_at)
    still = ", so something is probably still using it" if clock.now() - used_at < LATELY else ""
    return f"{told} It was last used {ago}{place}{still}."


blueprint.add_app_template_filter(before_revoking)


class FindForm(FlaskForm):
    """A box for a token that somebody found somewhere. What is pasted is kept nowhere and never shown again."""

    token = StringField("Paste a token to find it")


def _index(find: FindForm, status: int = 200) -> BaseResponse:
    asked = wanted.asked(request.args)
    found = listing.listing(this_user(), asked.wanted)
    last = max(1, ceil(found.matching(asked.wanted.status) / listing.PAGE))
    if asked.wanted.page > last:
        # What stood on this page is gone, by the reader's own doing or another's.
        return redirect(url_for("portal.list_tokens", **asked.wanted.query(page=last)), 303)
    everything = request.args.get("select") == "all" and asked.wanted.status == "active"
    page = htmx.render(
        "portal/tokens/index.html",
        "portal/tokens/_list.html",
        422 if asked.fault else status,
        find=find,
        found=found,
        wanted=asked.wanted,
        last=last,
        shown=asked.wanted.status,
        search=asked.search,
        here=url_for("portal.list_tokens", **asked.wanted.query(page=asked.wanted.page)),
        fault=asked.fault,
        picked=listing.matching(this_user(), asked.wanted) if everything else (),
        most=listing.MOST_CHOSEN,
        nothing=not found.every,
        names=list(scopes.catalogue()),
    )
    return htmx.announced(page, asked.fault or _counted(asked.wanted, found))


def _counted(asked: Wanted, found: Listing) -> str:
    """How many rows match, as a screen reader says it."""
    number = found.matching(asked.status)
    one = number == 1
    what = f"{'active' if asked.status == 'active' else 'expired or revoked'} token{'' if one else 's'}"
    matching = f" {'matches' if one else 'match'} “{asked.search}”" if asked.search else ""
    return f"{number or 'No'} {what}{matching}."


@blueprint.get("/tokens")
@signed_in
def list_tokens() -> BaseResponse:
    """A page of the list, in one query; a script gets the list alone."""
    form = FindForm()
    if session.pop("pasted_unknown", False):
        form.token.errors = [pasted.NOT_YOURS]
    return _index(form)


@blueprint.route("/tokens/find", methods=["GET", "POST"])
@signed_in
def find_token() -> BaseResponse:
    """Which of one's own tokens it is that was pasted. Its address alone opens the box to paste it into."""
    form = FindForm()
    if request.method != "POST":
        return _index(form)
    text, form.token.data = (form.token.data or "").strip(), ""
    place = pasted.place_of(text)
    if place is None:
        form.token.errors = [pasted.NOT_YOURS if text else "Paste a token here."]
        return _index(form, 422)
    return redirect(place, 303)


@blueprint.get("/tokens/<id:token_id>")
@signed_in
def show_token(token_id: str) -> str:
    """What is known of a token, never the token."""
    user = this_user()
    token = tokens.get_for(user, token_id) or abort(404)
    return render_template(
        "portal/tokens/show.html",
        token=token,
        made=tokens.children(token),
        apps=tokens.traces.made_or_changed(token),
        former=tokens.former(token),
        report=least.report(token, frozenset(request.args.getlist("without"))),
        places=use.places(token.id),
        held_back=sum(one.times for one in agents.held_back(user) if one.token_id == token.id),
        events=[
            (event, sentences.of(event))
            for event in activity.list_for(user, group="token", search=token.id, limit=EVENTS)
        ],
        device=notices.device,
        shown_before=session.pop("token_shown_before", None) == token.id,
    )


@blueprint.route("/tokens/<id:token_id>/revoke", methods=["GET", "POST"])
@signed_in
def revoke_token(token_id: str) -> BaseResponse:
    """Asks first, then ends the token and what it made."""
    user = this_user()
    token = tokens.get_for(user, token_id) or abort(404)
    if token.ended:
        return redirect(url_for("portal.show_token", token_id=token.id), 303)
    if request.method != "POST":
        page = render_template(
            "portal/tokens/revoke.html",
            token=token,
            made=tokens.children(token),
            apps=tokens.traces.made_or_changed(token),
            back=asked_next(),
        )
        return Response(page)
    flash(_revoke(token, leaked=bool(request.form.get("leaked"))))
    return redirect(asked_next() or url_for("portal.list_tokens"), 303)


@blueprint.route("/tokens/<id:token_id>/leaked", methods=["GET", "POST"])
@signed_in
def report_token(token_id: str) -> BaseResponse:
    """Asks first, then suspends what a token that has ended already made or changed while somebody else had it."""
    token = tokens.get_for(this_user(), token_id) or abort(404)
    if not token.ended:
        return redirect(url_for("portal.revoke_token", token_id=token.id), 303)
    if request.method != "POST":
        apps = tokens.traces.made_or_changed(token)
        return Response(render_template("portal/tokens/leaked.html", token=token, apps=apps))
    acting_user()
    stopped = leaks.end(token)
    db.commit()
    flash(f"Suspended: {sentences.named(stopped)}." if stopped else "No app had to be suspended.")
    return redirect(url_for("portal.show_token", token_id=token.id), 303)


def _revoke(token: Token, *, leaked: bool) -> str:
    """Ends it; what to say about it. A leak is followed to the apps that were made or changed with the token."""
    user = acting_user()
    touched = tokens.traces.made_or_changed(token)
    stopped = leaks.end(token) if leaked else []
    if leaked or tokens.revoke(token):
        notices.token_revoked(user, token, stopped)
    db.commit()
    said = f"Revoked “{token.description}”."
    if stopped:
        return f"{said} Suspended, because it made or changed them: {sentences.named(stopped)}."
    return f"{said} It made or changed {sentences.named(touched)}: look them over." if touched else said
