"""The first page: what this is for those who are signed out, where to begin for those who are signed in."""

from datetime import timedelta

from flask import render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from latchkey import clock, notices, settings
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import Event
from latchkey.journal.calls import counts
from latchkey.safety import agents, signin
from latchkey.tokens import listing
from latchkey.tokens.listing import glance
from portal import sentences
from portal.blueprint import blueprint
from portal.guards import signed_in, this_session, this_user
from portal.sentences import Sentence

LATELY = timedelta(days=7)


@blueprint.get("/")
def welcome() -> ResponseReturnValue:
    """Landing or Welcome."""
    if current_user.is_authenticated:
        return _begin()
    ours = settings.current()
    open_to_all = ours.signup != "invite" and ours.passwords == "on"
    return render_template("portal/welcome/landing.html", open_to_all=open_to_all)


@signed_in
def _begin() -> str:
    """Where to begin; for whoever has a token, what to look at first."""
    user, now = this_user(), clock.now()
    tokens = glance.glance(user, now - timedelta(days=counts.DAYS))
    if not tokens.any:
        return render_template("portal/welcome/welcome.html")
    last = signin.other_than(this_session())
    # Nothing does while all of it is paused.
    acting = [] if user.paused_at else agents.acting(user, tokens.used, glance.MOST)
    refused = agents.refused(user, now - LATELY, glance.MOST)
    parts = sum(map(bool, (tokens.ending, tokens.disused, acting, refused)))
    return render_template(
        "portal/welcome/back.html",
        tokens=tokens,
        last=last,
        by=notices.signed_in_with(last.how) if last else "",
        acting=acting,
        refused=refused,
        quiet=not parts,
        # They stand in pairs: what happened last fills a place that is left over.
        events=_happened(user) if parts in (0, 1, 3) else [],
        latest=listing.newest(user, glance.MOST) if not parts and tokens.works else [],
    )


def _happened(user: User) -> list[tuple[Event, Sentence]]:
    return [(event, sentences.of(event)) for event in activity.list_for(user, limit=glance.MOST)]


# The same address by another name, for those who mean it signed out.
blueprint.add_url_rule("/", "landing", build_only=True)
