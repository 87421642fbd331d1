"""What happened in an account: by day, by kind, by words, and to take away."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from flask import Response, request, url_for

from latchkey import clock, ids
from latchkey.journal import activity
from latchkey.journal.activity import SUSPICIOUS, Event, EventKind
from portal import files, sentences
from portal.blueprint import blueprint
from portal.guards import signed_in, this_user
from portal.sentences import Sentence
from web import htmx, spreadsheets

PAGE = 50
CHUNK = 500
# What a file has at most, the latest: it is held as one piece. From the last one on `before` goes further.
MOST_ROWS = 20_000
LONGEST_SEARCH = 80
COLUMNS = ("time", "event", "what", "address", "agent", "request_id", "suspicious")


def _kinds(*groups: str) -> frozenset[EventKind]:
    return frozenset(kind for kind in EventKind if kind.partition(".")[0] in groups)


PILLS: dict[str, tuple[str, frozenset[EventKind] | None]] = {
    "": ("Everything", None),
    "sign-ins": ("Sign-ins", _kinds("sign_in")),
    "tokens": ("Tokens", _kinds("token")),
    "apps": ("Apps", _kinds("app", "authorization")),
    "security": ("Security", _kinds("security", "account") | SUSPICIOUS),
}


class Asked(NamedTuple):
    """Which events the address of the page asks for."""

    kind: str
    search: str
    before: str | None

    def events(self, limit: int, before: str | None = None) -> list[Event]:
        """Those events, newest first."""
        return activity.list_for(
            this_user(), kinds=PILLS[self.kind][1], search=self.search, before=before or self.before, limit=limit
        )

    def address(self, endpoint: str = "portal.list_activity", *, kind: str | None = None, **more: Any) -> str:
        """Another page of these events, or the same of another kind."""
        chosen = self.kind if kind is None else kind
        return url_for(endpoint, kind=chosen or None, q=self.search or None, **more)


def _asked() -> Asked:
    """What the address says; what makes no sense there asks for everything."""
    kind, before = request.args.get("kind", ""), request.args.get("before", "")
    search = "".join(sign for sign in request.args.get("q", "") if sign.isprintable()).strip()
    return Asked(kind if kind in PILLS else "", search[:LONGEST_SEARCH], before if ids.is_id(before, "evt") else None)


def _day(day: date) -> str:
    today = clock.now().date()
    if day >= today - timedelta(days=1):
        return "Today" if day >= today else "Yesterday"
    return f"{day:%A} {day.day} {day:%B}"


def _days(events: list[Event]) -> list[tuple[str, list[tuple[Event, Sentence]]]]:
    return [
        (_day(day), [(event, sentences.of(event)) for event in those])
        for day, those in groupby(events, lambda event: event.at.date())
    ]


def _is_partial_of_more() -> bool:
    return htmx.wants_partial() and "before" in request.args


@blueprint.get("/activity")
@signed_in
def list_activity() -> Response:
    """A page of it; a script gets the list alone, or what comes after the list that it has."""
    asked = _asked()
    events = asked.events(PAGE + 1)
    shown, more = events[:PAGE], len(events) > PAGE
    page = htmx.render(
        "portal/activity/index.html",
        "portal/activity/_days.html" if _is_partial_of_more() else "portal/activity/_log.html",
        asked=asked,
        days=_days(shown),
        continues=request.args.get("on") == (f"{shown[0].at:%Y-%m-%d}" if shown else None),
        older=asked.address(before=shown[-1].id, on=f"{shown[-1].at:%Y-%m-%d}") if more else "",
        appended=_is_partial_of_more(),
        pills=PILLS,
    )
    # What comes after the list takes the focus, and so is read anyway.
    return page if _is_partial_of_more() else htmx.announced(page, _counted(asked, len(shown), more=more))


def _counted(asked: Asked, number: int, *, more: bool) -> str:
    """How many events came, as a screen reader says it."""
    matching = f" with “{asked.search}”" if asked.search else ""
    return f"{number or 'No'} event{'' if number == 1 else 's'}{matching}{', and there are more' if more else ''}."


def _all(asked: Asked) -> Iterator[Event]:
    """The events that are asked for, as many as a file has, read in parts."""
    before: str | None = None
    for _ in range(MOST_ROWS // CHUNK):
        chunk = asked.events(CHUNK, before)
        yield from chunk
        if len(chunk) < CHUNK:
            return
        before = chunk[-1].id


def _facts(event: Event) -> dict[str, Any]:
    values = (
        clock.rfc3339(event.at),
        event.kind,
        sentences.of(event).text,
        event.address,
        event.agent,
        event.request_id,
        event.suspicious,
    )
    return dict(zip(COLUMNS, values, strict=True))


@blueprint.get("/activity.csv")
@signed_in
def download_activity_csv() -> Response:
    """The events for a spreadsheet, in which nothing that a stranger sent becomes a formula."""
    rows = (_facts(event).values() for event in _all(_asked()))
    return spreadsheets.download("activity", files.made(spreadsheets.lines(COLUMNS, rows)))


@blueprint.get("/activity.json")
@signed_in
def download_activity_json() -> Response:
    """The events for a program, with all that was kept of each."""
    response = Response(files.made(_document(_all(_asked()))), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="activity-{clock.now():%Y-%m-%d}.json"'
    return response


def _document(events: Iterator[Event]) -> Iterator[str]:
    """An object with these events, each on a line of its own."""
    yield '{"data": ['
    for number, event in enumerate(events):
        facts = _facts(event) | {"detail": event.detail}
        yield (",\n" if number else "\n") + json.dumps(facts, ensure_ascii=False)
    yield "]}\n"
