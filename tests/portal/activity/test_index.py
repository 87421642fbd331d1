"""What happened in an account, as its owner reads it and takes it away."""

import csv
import html
import io
import json
import re

import pytest

from latchkey import notices, origin
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.origin import Origin
from latchkey.settings import ROOT
from latchkey.store.session import db as session
from portal import sentences
from tests import pages
from tests.factories import make_client, make_token

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# What notices keep of each kind of thing.
DETAIL = {
    "account": {"old": "a@example.com", "new": "b@example.com"},
    "sign_in": {"session_id": "ses_" + "0" * 28, "of": "198.51.100.7"},
    "token": {
        "token_id": "tok_" + "0" * 28,
        "description": "Nightly backup",
        "last4": "7Hd2",
        "added": ["account:write"],
        "removed": ["account:read"],
    },
    "app": {"client_id": "app_" + "0" * 28, "app": "Fieldnotes", "changes": ["name", "redirect_uris"], "count": 2},
    "authorization": {
        "client_id": "app_" + "0" * 28,
        "app": "Fieldnotes",
        "scopes": ["account:read", "tokens:read"],
        "by": "user",
    },
}


@pytest.fixture
def from_firefox():
    mark = origin.current.set(Origin("203.0.113.9", FIREFOX, "abc123"))
    yield
    origin.current.reset(mark)


def record(user, kind, **detail):
    event = activity.record(user, kind, **(DETAIL.get(kind.partition(".")[0], {}) | detail))
    session.commit()
    return event


def words(page):
    """The page as it is read: without markup, spaces evened out."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page.text).split()))


def read_csv(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_of_event_is_a_sentence(app, alice, kind):
    event = record(alice, kind)

    with app.test_request_context():
        said = sentences.of(event)

    assert "{" not in said.text
    assert len(said.text.split()) > 1
    assert said.text[0].isupper()
    assert bool(said.advice) is event.suspicious


@pytest.mark.standard("P-02")
@pytest.mark.unnoted("others run the same lines")
def test_every_kind_of_event_is_recorded_somewhere():
    product = [path for door in ("latchkey", "portal", "oauth", "api", "cli") for path in (ROOT / door).rglob("*.py")]
    told = "".join(path.read_text() for path in product if path.name not in ("activity.py", "sentences.py"))

    assert [kind.name for kind in EventKind if not re.search(rf"\b{kind.name}\b", told)] == []


def test_an_event_of_a_newer_version_is_told_too(signed_in, alice):
    session.add(
        activity.Event(user_id=alice.id, kind="device.lost_again", address="", agent="", request_id="", detail={})
    )
    session.commit()

    assert "device: lost again" in signed_in.get("/activity").text
    assert "device: lost again" in signed_in.get("/activity.csv").text


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "kind, detail, sentence",
    [
        (EventKind.TOKEN_CREATED, {}, "You created the token Nightly backup"),
        (
            EventKind.TOKEN_WIDENED,
            {},
            "You gave the token Nightly backup more scopes: added account:write and removed account:read",
        ),
        (EventKind.TOKEN_REVOKED, {"count": 3}, "You revoked all your tokens: 3"),
        (EventKind.TOKEN_REVOKED, {"count": 0}, "You revoked all your tokens: there were none"),
        (EventKind.APP_CHANGED, {}, "You changed the name and redirect URIs of the app Fieldnotes"),
        (EventKind.APP_CUT_OFF, {"count": 1284}, "You cut off 1,284 people from Fieldnotes"),
        (EventKind.APP_CUT_OFF, {"count": 1}, "You cut off 1 person from Fieldnotes"),
        (EventKind.AUTHORIZED, {}, "You authorized Fieldnotes to use 2 scopes"),
        (EventKind.AUTHORIZED, {"scopes": ["account:read"]}, "You authorized Fieldnotes to use 1 scope"),
        (EventKind.AUTHORIZATION_WITHDRAWN, {}, "You revoked the access of Fieldnotes"),
        (EventKind.AUTHORIZATION_WITHDRAWN, {"by": "app"}, "The people who run it ended the access of Fieldnotes"),
        (EventKind.EMAIL_CHANGED, {}, "Your e-mail address changed from a@example.com to b@example.com"),
        (EventKind.TOKEN_CREATED, {"description": "{old} %s"}, "You created the token {old} %s"),
    ],
)
def test_a_sentence_says_what_happened(app, alice, kind, detail, sentence):
    with app.test_request_context():
        assert sentences.of(record(alice, kind, **detail)).text == sentence


def test_what_notices_keep_is_what_sentences_read(app, alice, from_firefox):
    client, token = make_client(alice, name="Fieldnotes").client, make_token(alice).token
    with app.test_request_context():
        notices.app_registered(alice, client)
        notices.app_changed(alice, client, ["scope", "pkce_required", "logo"])
        notices.token_created(alice, token)
        notices.authorized(alice, client, {"account:read"}, first=True)
        session.commit()
        said = [sentences.of(event) for event in activity.list_for(alice)][::-1]

    assert [one.text for one in said] == [
        "You registered the app Fieldnotes",
        "You changed the scopes, PKCE and logo of the app Fieldnotes",
        "You created the token Deploy script",
        "You authorized Fieldnotes to use 1 scope",
    ]
    assert [one.url for one in said] == [f"/apps/{client.id}", f"/apps/{client.id}", f"/tokens/{token.id}", ""]
    assert {one.place for one in said} == {"203.0.113.9, Firefox on Linux"}


@pytest.mark.standard("P-04")
def test_the_page_tells_by_day_what_happened_newest_first(client, alice, clock):
    day = clock.now().date()
    record(alice, EventKind.EMAIL_VERIFIED)
    clock.move(days=4)
    record(alice, EventKind.APP_REGISTERED)
    clock.move(days=1)
    record(alice, EventKind.TOKEN_CREATED)

    page = words(pages.sign_in(client, alice).get("/activity"))

    told = ["Today", "You created the token", "Yesterday", "You registered the app", f"{day:%A} {day.day} {day:%B}"]
    places = [page.index(words) for words in [*told, "You verified your e-mail address"]]
    assert places == sorted(places)


def test_nobody_reads_somebody_elses_activity(signed_in, bob):
    record(bob, EventKind.TOKEN_CREATED, description="Bobs secret plan")

    for path in ("/activity", "/activity.csv", "/activity.json", "/activity?q=plan"):
        assert "Bobs secret plan" not in signed_in.get(path).text


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["/activity", "/activity.csv", "/activity.json"])
def test_signed_out_people_are_sent_to_sign_in(client, path):
    assert client.get(path).headers["Location"].startswith("/login?next=")


@pytest.mark.parametrize(
    "kind, shown, hidden",
    [
        ("tokens", "You created the token", "You registered the app"),
        ("apps", "You registered the app", "You created the token"),
        ("apps", "You authorized", "You created the token"),
        ("sign-ins", "You signed in", "You registered the app"),
        ("security", "wrong password", "You created the token"),
        ("security", "You changed your password", "You signed in 127"),
        ("nonsense", "You created the token", "!"),
    ],
)
def test_pills_show_one_kind_of_event(signed_in, alice, kind, shown, hidden):
    for event in (
        EventKind.TOKEN_CREATED,
        EventKind.APP_REGISTERED,
        EventKind.AUTHORIZED,
        EventKind.SIGN_IN_FAILED,
        EventKind.PASSWORD_CHANGED,
    ):
        record(alice, event)

    page = words(signed_in.get(f"/activity?kind={kind}"))

    assert shown in page
    assert hidden not in page.partition("Everything")[2]


def test_what_deserves_a_second_look_stands_out_and_says_what_to_do(signed_in, alice):
    record(alice, EventKind.SIGN_IN_FAILED)
    record(alice, EventKind.CODE_REPLAYED)

    page = signed_in.get("/activity")

    assert page.text.count("Look twice") == 2
    assert "Change your password" in page.text
    assert 'href="/authorized-apps">Review authorized apps' in page.text
    assert page.text.count("log__icon--warn") == 2


def test_a_search_finds_names_and_keeps_the_kind(signed_in, alice):
    record(alice, EventKind.TOKEN_CREATED)
    record(alice, EventKind.TOKEN_CREATED, description="Grafana")

    page = signed_in.get("/activity?kind=tokens&q=grafana")

    assert "Grafana" in page.text
    assert "Nightly backup" not in page.text
    assert 'value="grafana"' in page.text
    assert "/activity.csv?kind=tokens&amp;q=grafana" in page.text


@pytest.mark.parametrize(
    "query", ["q=%00", "q=" + "x" * 500, "before=nonsense", "q=%F0%9F", "kind[]=x", "before=evt_1"]
)
def test_nonsense_in_the_address_is_no_fault(signed_in, query):
    assert signed_in.get(f"/activity?{query}").status_code == 200


def test_older_events_follow_by_a_link_or_in_place(signed_in, alice):
    for number in range(70):
        record(alice, EventKind.TOKEN_CREATED, description=f"number {number}")

    page = signed_in.get("/activity?kind=tokens")
    older = html.unescape(re.search(r'rel="next" href="([^"]*)"', page.text)[1])
    whole, part = signed_in.get(older), signed_in.get(older, headers=HTMX)

    assert page.text.count("You created the token") == 50
    assert whole.text.count("You created the token") == part.text.count("You created the token") == 20
    assert "number 19<" in whole.text
    assert "number 20<" not in whole.text
    assert "Back to the newest" in whole.text
    assert "<html" not in part.text
    assert 'class="pills"' not in part.text
    assert "data-autofocus" in part.text
    assert "Today, earlier" in part.text
    assert "HX-Request" in part.headers["Vary"]


def test_a_script_that_filters_gets_the_log_with_its_pills(signed_in, alice):
    record(alice, EventKind.TOKEN_CREATED)

    answer = signed_in.get("/activity?kind=tokens", headers=HTMX)

    assert "<html" not in answer.text
    assert 'id="log"' in answer.text
    assert 'class="pills"' in answer.text


def test_nothing_found_says_so(signed_in):
    assert "Nothing like this happened" in signed_in.get("/activity?q=zeppelin").text


def test_names_are_shown_as_text(signed_in, alice):
    record(alice, EventKind.TOKEN_CREATED, description="<img src=x onerror=alert(1)>")

    assert "<img src=x" not in signed_in.get("/activity").text


def test_everything_can_be_taken_away_as_csv(signed_in, alice, from_firefox):
    for number in range(120):
        record(alice, EventKind.TOKEN_CREATED, description=f"number {number}")

    answer = signed_in.get("/activity.csv?kind=tokens")

    assert answer.content_type == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="activity-\d{4}-\d\d-\d\d\.csv"', answer.headers["Content-Disposition"])
    rows = read_csv(answer)
    assert len(rows) == 120
    assert rows[0]["what"] == "You created the token number 119"
    assert rows[0]["address"] == "203.0.113.9"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["time"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", '=HYPERLINK("https://evil.example")'])
def test_nothing_that_a_stranger_sent_becomes_a_formula(signed_in, alice, start):
    mark = origin.current.set(Origin("203.0.113.9", f"{start}cmd|'/C calc'!A0", "abc"))
    record(alice, EventKind.SIGN_IN_FAILED)
    origin.current.reset(mark)

    [row] = [row for row in read_csv(signed_in.get("/activity.csv")) if row["event"] == "sign_in.failed"]

    assert row["agent"].startswith("'" + start[0])
    assert row["suspicious"] == "True"


@pytest.mark.standard("P-05")
def test_everything_can_be_taken_away_as_json(signed_in, alice, from_firefox):
    record(alice, EventKind.TOKEN_CREATED, description="Café")

    answer = signed_in.get("/activity.json?kind=tokens")

    [event] = json.loads(answer.text)["data"]
    assert answer.content_type == "application/json"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert event["what"] == "You created the token Café"
    assert event["detail"]["last4"] == "7Hd2"
    assert event["suspicious"] is False
