"""What the administrators' place says of the installation: the chain, doctor's findings, the APIs."""

import pytest
from sqlalchemy import update

from latchkey import resources, scopes
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
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


@pytest.fixture
def admin(app, db):
    return pages.sign_in(app.test_client(), factories.make_user("ada@example.com", name="Ada", admin=True))


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
