"""What is another of an app since its user last agreed is told on the consent screen, before they do again."""

import html
import re

import pytest
from sqlalchemy import update

from latchkey import clients
from latchkey.clients import Client, Said
from latchkey.clients.keys import record as keys
from latchkey.journal.activity import Event, EventKind
from latchkey.store.session import db
from tests import factories
from tests.factories import CALLBACK, Registered
from tests.oauth import dance

ELSEWHERE = "https://elsewhere.example.net/callback"
SCOPE = "account:read activity:read"


@pytest.fixture
def described():
    """An app that describes itself, of two places that it leads back to."""
    made = clients.add(Said("Field Agent", "", [CALLBACK, ELSEWHERE], SCOPE))
    db.commit()
    return Registered(made, None)


def change(app: Registered, **values: object) -> None:
    db.execute(update(Client).where(Client.id == app.client.id).values(**values))
    db.commit()


def notes(page) -> str:
    """What the notes on a page say."""
    found = re.findall(r'<div class="note[^"]*">(.*?)</div>', page.text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", html.unescape(" ".join(found))).split())


@pytest.mark.standard("K-01")
def test_another_name_is_told_with_the_one_that_it_had(signed_in, described):
    dance.code(signed_in, described)
    change(described, name="Latchkey Support")

    said = notes(dance.authorize(signed_in, described))

    assert "The name of this app changed since you last agreed, just now." in said
    assert "It was called “Field Agent” then." in said


@pytest.mark.standard("K-01")
def test_another_place_to_lead_back_to_is_told(signed_in, described):
    dance.code(signed_in, described)

    said = notes(dance.authorize(signed_in, described, redirect_uri=ELSEWHERE))
    same = notes(dance.authorize(signed_in, described))

    assert "The address of this app changed since you last agreed" in said
    assert "It never led you back to elsewhere.example.net before." in said
    assert "changed since" not in same


def test_a_place_that_was_agreed_to_before_is_nothing_new(signed_in, described):
    dance.code(signed_in, described, redirect_uri=ELSEWHERE)
    dance.code(signed_in, described)

    assert "changed since" not in notes(dance.authorize(signed_in, described, redirect_uri=ELSEWHERE))


@pytest.mark.standard("K-01")
def test_other_keys_are_told_beside_what_else_changed(signed_in, bob, clock):
    app = factories.make_client(bob, redirect_uris=[CALLBACK, ELSEWHERE], scopes=SCOPE.split())
    dance.code(signed_in, app)
    clock.move(minutes=5)
    db.add(keys.ClientKeys(client_id=app.client.id, keys=[], changed_at=clock.now()))
    change(app, keyed=True, name="Another")

    said = notes(dance.authorize(signed_in, app, scope=SCOPE, redirect_uri=ELSEWHERE))

    assert "The name, address and keys of this app changed since you last agreed, 5 minutes ago." in said


def test_whoever_agrees_again_is_told_no_more(signed_in, described):
    dance.code(signed_in, described)
    change(described, name="Field Agent 2")
    dance.code(signed_in, described)

    assert "changed since" not in notes(dance.authorize(signed_in, described))


def test_what_a_stranger_agreed_to_tells_nothing(signed_in, bobs_browser, described):
    dance.code(bobs_browser, described)
    change(described, name="Field Agent 2")

    assert "changed since" not in notes(dance.authorize(signed_in, described))


def test_what_is_not_kept_any_more_is_not_told(signed_in, described):
    dance.code(signed_in, described)
    db.query(Event).filter_by(kind=EventKind.AUTHORIZED).delete()
    change(described, name="Field Agent 2")

    page = dance.authorize(signed_in, described)

    assert page.status_code == 200
    assert "changed since" not in notes(page)


@pytest.mark.standard("K-02")
@pytest.mark.parametrize("confidential", [True, False])
def test_more_than_before_is_told_in_a_sentence(signed_in, bob, confidential):
    app = factories.make_client(bob, scopes=[*SCOPE.split(), "tokens:read"], confidential=confidential)
    assert "asks for more" not in notes(dance.authorize(signed_in, app))
    dance.code(signed_in, app)

    one = notes(dance.authorize(signed_in, app, scope=SCOPE))
    two = notes(dance.authorize(signed_in, app, scope=f"{SCOPE} tokens:read"))
    none = notes(dance.authorize(signed_in, app, prompt="consent"))

    assert "It asks for more than you agreed to just now. 1 permission is new." in one
    assert "2 permissions are new." in two
    assert "asks for more" not in none
