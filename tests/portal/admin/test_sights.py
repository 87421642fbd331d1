"""What the administrators' place says of the installation: the chain, doctor's findings, the APIs."""

import csv
import io

import pytest
from sqlalchemy import event, update

from benchmarks import many
from latchkey import clock, grants, resources, scopes
from latchkey.endings import Ending, guards
from latchkey.journal import activity, refusals
from latchkey.journal.activity import Event, EventKind
from latchkey.oversight import gauges
from latchkey.store.session import engines
from latchkey.worker import loop
from tests import factories, pages

pytestmark = pytest.mark.settings(require_second_factor="nobody")
SCOPES = """
["projects:read"]
title = "See projects"
description = "See projects."
group = "Projects"
default = true
"""
APIS = """
[projects]
identifier = "https://api.example.com"
title = "Projects API"
scopes = ["projects:read"]
"""


def check(admin):
    return pages.submit(admin, "/admin/activity/check", form="/admin/activity").text


@pytest.mark.standard("P-03")
def test_an_administrator_has_the_chain_checked_and_reads_the_verdict(db, admin, alice):
    made = [activity.record(alice, EventKind.SIGNED_IN).id for _ in range(3)]
    db.commit()
    loop.close_chain()
    db.rollback()

    assert "The chain is whole." in check(admin)

    with engines().write.begin() as connection:
        connection.execute(update(Event).where(Event.id.in_(made[1:])).values(address="198.51.100.1"))
    broken = check(admin)

    assert "The chain is whole." not in broken
    assert f'The chain is broken at <span class="break">{made[1]}</span>' in broken
    assert "What stands after it may have been changed." in broken


def test_the_overview_names_what_doctor_finds(db, admin, settings):
    assert "latchkey doctor" not in admin.get("/admin").text
    second = factories.make_user("someone@example.com")
    second.email = "somebody@xn--bcher-kva.example"
    db.commit()
    (settings.instance / "secret_key").chmod(0o644)

    page = admin.get("/admin").text

    assert "latchkey doctor: accounts" in page
    assert second.id in page
    assert "latchkey doctor: instance" in page
    assert f"others can read {settings.instance / 'secret_key'}" in page


def test_the_apis_of_the_operator_come_first_with_their_scopes(admin, instance, settings):
    for path, text in ((instance / "scopes.toml", SCOPES), (instance / "resources.toml", APIS)):
        path.write_text(text)
    scopes.load(instance / "scopes.toml")
    resources.load(instance / "resources.toml")
    try:
        page = admin.get("/admin/resources").text
    finally:
        resources.load(instance / "none.toml")
        scopes.load(instance / "none.toml")

    first, builtin = page.index("Projects API"), page.index("Built in")
    assert first < page.index("https://api.example.com") < page.index("projects:read") < builtin
    assert "/.well-known/oauth-protected-resource/projects" in page
    assert "account:read" in page[builtin:]
    assert "Group(" not in page


def test_the_meter_says_how_long_the_last_end_took_and_who_has_not_heard(db, admin, bob, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    assert "None follows now" in admin.get("/admin/resources").text
    service = factories.make_client(bob, name="Billing <b>").client
    now = clock.now()
    seq = int(now.timestamp() * 1000) + 60_000
    facts = {"client_id": service.id, "seen_at": now}
    db.add(Ending(seq=seq, kind="user", target_id="usr_x"))
    db.add(guards.Guard(name="web-1", seq=seq, took_ms=340, **facts))
    db.commit()

    page = admin.get("/admin/resources").text
    assert "All of what ended has reached the one guard" in page
    assert "at most 0.3 s" in page
    assert "Billing &lt;b&gt;" in page

    db.add(guards.Guard(name="web-2", seq=1, took_ms=None, **facts))
    db.execute(update(Ending).values(seq=seq - 65_000))
    db.commit()
    page = admin.get("/admin/resources").text
    assert "1 of 2 has not heard of all that ended" in page
    assert "Behind for" in page
    told = {gauge.name: gauge.value for gauge in gauges.read() if "guard" in gauge.name}
    assert told == {"latchkey_guards": 2, "latchkey_guards_behind": 1, "latchkey_guard_reach_seconds": 0.34}


@pytest.mark.standard("P-05")
def test_everybody_s_activity_is_taken_away_as_csv_as_it_is_filtered(db, admin, alice, bob):
    with_formula = activity.record(alice, EventKind.SIGN_IN_FAILED)
    with_formula.agent, with_formula.address = "=HYPERLINK(0)", "198.51.100.7"
    spaced = activity.record(alice, EventKind.SIGN_IN_FAILED)
    spaced.agent = " \n@SUM(1)"
    activity.record(bob, EventKind.TOKEN_CREATED, name="+1 nightly")
    db.commit()

    answer = admin.get("/admin/activity.csv?show=sign_in")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    mine = [row for row in rows if row["user_id"] == alice.id]

    assert (answer.content_type, answer.headers["Cache-Control"]) == ("text/csv; charset=utf-8", "no-store")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert [row["agent"] for row in mine] == ["' \n@SUM(1)", "'=HYPERLINK(0)"]
    assert {row["event"].partition(".")[0] for row in rows} == {"sign_in"}
    assert "/admin/activity.csv?show=sign_in&amp;q=x" in admin.get("/admin/activity?show=sign_in&q=x").text
    everything = list(csv.DictReader(io.StringIO(admin.get("/admin/activity.csv").text)))
    assert {alice.id, bob.id} <= {row["user_id"] for row in everything}


def test_a_file_of_activity_ends_where_a_spreadsheet_does(app, db, admin, monkeypatch):
    many.people(130)
    many.belongings(130, 1)
    asked = []
    for engine in (engines().read, engines().write):
        event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    monkeypatch.setattr("portal.admin.activity.MOST_ROWS", 100)

    rows = list(csv.DictReader(io.StringIO(admin.get("/admin/activity.csv").text)))

    assert len(rows) == 100
    assert len([statement for statement in asked if "FROM event" in statement]) == 2


def test_what_operators_did_is_taken_away_as_csv(db, admin, alice):
    pages.submit(admin, f"/admin/users/{alice.id}/suspend", reason="=cmd()")

    [row] = csv.DictReader(io.StringIO(admin.get("/admin/activity/administrators.csv").text))

    assert (row["act"], row["target"], row["reason"]) == ("user.suspended", alice.email, "'=cmd()")


def test_what_belongs_to_a_person_reads_for_an_administrator_as_it_does_for_them(app, db, admin, alice, example_client):
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    theirs = app.test_client()
    theirs.environ_base["HTTP_USER_AGENT"] = firefox
    pages.let_in(theirs, alice)
    grants.allow(alice, example_client.client, {"account:read"})
    refusals.record(example_client.client.id, "token", "invalid_scope", "a scope is not in the catalogue")
    db.commit()

    sessions = admin.get(f"/admin/users/{alice.id}?tab=sessions").text
    access = admin.get(f"/admin/users/{alice.id}?tab=authorizations").text
    app_page = admin.get(f"/admin/apps/{example_client.client.id}").text

    assert ">Firefox on Linux<" in sessions
    assert ">Revoke access<" in access
    assert "A scope is not in the catalogue" in app_page
