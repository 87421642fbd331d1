"""What happened in everybody's account, and what operators did."""

from flask import Response

from latchkey.journal import acts, chain
from latchkey.journal.chain import Verdict
from latchkey.oversight import listing
from latchkey.oversight.listing import PAGE, Page
from portal import sentences
from portal.admin import words
from portal.admin.guard import asked
from portal.blueprint import blueprint
from portal.guards import this_user
from web import htmx

GROUPS = ("everything", "sign_in", "security", "token", "app", "authorization", "account")


@blueprint.get("/admin/activity")
def admin_activity() -> Response:
    """A page of everybody's events."""
    return _page()


@blueprint.post("/admin/activity/check")
def check_chain() -> Response:
    """The same page, and whether every entry is as it was written."""
    return _page(chain.check())


def _page(verdict: Verdict | None = None) -> Response:
    here = asked(GROUPS, "evt")
    group = None if here.show == GROUPS[0] else here.show
    found = listing.events(group=group, search=here.search, cursor=here.cursor)
    return htmx.render(
        "portal/admin/activity/index.html",
        "portal/admin/activity/_panel.html",
        found=found,
        owners=listing.owners(found.rows),
        sentence=sentences.of,
        here=here,
        verdict=verdict,
    )


@blueprint.get("/admin/activity/administrators")
def admin_acts() -> Response:
    """A page of what operators did."""
    here = asked(("administrators",), "act")
    rows = acts.page(before=here.cursor, limit=PAGE + 1)
    found = Page(rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None)
    return htmx.render(
        "portal/admin/activity/index.html",
        "portal/admin/activity/_panel.html",
        found=found,
        acts=[words.of(act, this_user().id) for act in found.rows],
        here=here,
    )
