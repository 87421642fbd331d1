"""What somebody takes away is held whole until it is sent: it is bounded, and one of a person is made at a time."""

import json

import pytest

from latchkey.journal import activity as journal
from latchkey.journal.activity import EventKind
from latchkey.store.session import db as session
from latchkey.turns import few as turns
from portal.activity import index
from tests import pages

pytestmark = pytest.mark.standard("A-07")


@pytest.mark.parametrize("path", ["/activity.csv", "/activity.json", "/settings/data"])
def test_somebody_with_very_much_to_take_away_has_one_file_made_at_a_time(app, signed_in, alice, bob, path):
    """Twelve at once of one account took two gigabytes."""
    his = pages.sign_in(app.test_client(), bob)

    def ask(browser):
        return pages.submit(browser, path, form="/settings") if path == "/settings/data" else browser.get(path)

    with turns.of(f"file {alice.id}", 1):
        refused, others = ask(signed_in), ask(his)

    assert (refused.status_code, others.status_code) == (429, 200)
    assert int(refused.headers["Retry-After"]) > 0
    assert ask(signed_in).status_code == 200


def test_a_file_of_the_activity_has_the_latest_and_the_next_one_goes_on(signed_in, alice, monkeypatch):
    monkeypatch.setattr(index, "MOST_ROWS", 4)
    monkeypatch.setattr(index, "CHUNK", 2)
    for number in range(6):
        journal.record(alice, EventKind.TOKEN_CREATED, description=f"number {number}")
    session.commit()
    fourth = journal.list_for(alice, group="token")[3].id

    first = json.loads(signed_in.get("/activity.json?kind=tokens").text)["data"]
    following = json.loads(signed_in.get(f"/activity.json?kind=tokens&before={fourth}").text)["data"]

    names = [event["detail"]["description"] for event in (*first, *following)]
    assert names == [f"number {number}" for number in (5, 4, 3, 2, 1, 0)]
    assert len(signed_in.get("/activity.csv?kind=tokens").text.splitlines()) == 1 + 4
