"""What happened in everybody's account, and what operators did."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import Response

from latchkey import clock
from latchkey.journal import acts, chain
from latchkey.journal.activity import Event
from latchkey.journal.chain import Verdict
from latchkey.oversight import listing
from latchkey.oversight.listing import PAGE, Page
from portal import files, sentences
from portal.admin import words
from portal.admin.guard import asked
from portal.blueprint import blueprint
from portal.guards import this_user
from web import htmx, spreadsheets

# What a file has at most: a spreadsheet of more than a million rows opens nowhere, and an answer is held as one piece.
MOST_ROWS = 50_000
COLUMNS = ("time", "user_id", "event", "what", "address", "agent", "request_id", "suspicious")
ACT_COLUMNS = (
    *("time", "act", "doer", "actor_id", "actor", "target_id", "target", "reason"),
    *("address", "agent", "request_id"),
)
# What a page can wait for; `latchkey doctor` looks at all.
MOST_CHECKED = 20_000
GROUPS = ("everything", "sign_in", "security", "token", "app", "authorization", "account")


@blueprint.get("/admin/activity")
def admin_activity() -> Response:
    """A page of everybody's events."""
    return _page()


@blueprint.post("/admin/activity/check")
def check_chain() -> Response:
    """The same page, and whether the latest entries are as they were written."""
    return _page(chain.check(MOST_CHECKED))


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


@blueprint.get("/admin/activity.csv")
def download_admin_activity() -> Response:
    """The same events for a spreadsheet, as many as it takes at once."""
    here = asked(GROUPS, "evt")
    group = None if here.show == GROUPS[0] else here.show

    def page(cursor: str | None) -> Page:
        return listing.events(group=group, search=here.search, cursor=cursor)

    rows = (_cells(event) for event in _every(page))
    return spreadsheets.download("activity-of-everybody", files.made(spreadsheets.lines(COLUMNS, rows)))


@blueprint.get("/admin/activity/administrators.csv")
def download_admin_acts() -> Response:
    """What operators did, for a spreadsheet."""

    def page(cursor: str | None) -> Page:
        rows = acts.page(before=cursor, limit=PAGE + 1)
        return Page(rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None)

    rows = (
        (clock.rfc3339(act.at), act.kind, act.doer, act.actor_id, act.actor_name, act.target_id, act.target, act.reason,
         act.address, act.agent, act.request_id)
        for act in _every(page)
    )  # fmt: skip
    return spreadsheets.download("administrators", files.made(spreadsheets.lines(ACT_COLUMNS, rows)))


def _every(page: Callable[[str | None], Page]) -> Iterator[Any]:
    """The rows of a list, page by page, as far as a spreadsheet goes."""
    cursor: str | None = None
    for _ in range(MOST_ROWS // PAGE):
        found = page(cursor)
        yield from found.rows
        cursor = found.next_cursor
        if cursor is None:
            return


def _cells(event: Event) -> tuple[object, ...]:
    told = sentences.of(event)
    return (
        clock.rfc3339(event.at), event.user_id, event.kind, told.text, event.address, event.agent, event.request_id,
        event.suspicious,
    )  # fmt: skip


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
