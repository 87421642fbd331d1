"""Cutting everybody off from an app, and deleting it."""

import pytest

from latchkey import clients, grants
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from tests import factories, pages
from tests.bearers import works
from tests.factories import make_client, make_user
from tests.portal.apps.app_pages import LONG_AGO


@pytest.fixture
def mine(alice):
    return make_client(alice, name="Fieldnotes").client


def issued(user, client):
    return factories.make_access_token(grants.allow(user, client, {"account:read"}))


def end(browser, client, how, **more):
    return pages.submit(browser, f"/apps/{client.id}/{how}", **more)


def test_cutting_off_ends_everybodys_access_at_once_and_tells_them(signed_in, alice, bob, mine, mailbox):
    carol = make_user("carol@example.com")
    live = [issued(user, mine) for user in (bob, carol)]

    answer = end(signed_in, mine, "cut-off")

    assert answer.status_code == 303
    assert not any(works(token) for token in live)
    assert grants.list_for(bob) == []
    for user in (bob, carol):
        assert "Fieldnotes" in mailbox.last(user.email).text
    assert "Cut off 2 people from “Fieldnotes”" in signed_in.get(f"/apps/{mine.id}").text
    event = activity.list_for(alice)[0]
    assert (event.kind, event.detail["count"]) == (EventKind.APP_CUT_OFF, 2)


def test_users_never_learn_from_where_the_owner_cut_them_off(signed_in, bob, mine, mailbox):
    issued(bob, mine)

    end(signed_in, mine, "cut-off")

    [event] = activity.list_for(bob)
    assert event.kind == EventKind.AUTHORIZATION_WITHDRAWN
    assert (event.address, event.agent) == ("", "")
    assert "127.0.0.1" not in mailbox.last(bob.email).text


def test_asking_for_the_page_ends_nothing(signed_in, bob, mine):
    token = issued(bob, mine)

    for how in ("cut-off", "delete"):
        page = signed_in.get(f"/apps/{mine.id}/{how}")
        assert page.status_code == 200
        assert "1 person" in page.text
    assert works(token)


def test_people_may_authorize_the_app_again(signed_in, bob, mine):
    issued(bob, mine)
    end(signed_in, mine, "cut-off")

    assert works(issued(bob, mine))


@pytest.mark.standard("J-05")
def test_deleting_an_app_ends_its_tokens_and_tells_its_users(signed_in, alice, bob, mine, mailbox):
    token = issued(bob, mine)

    answer = end(signed_in, mine, "delete")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/apps"
    assert not works(token)
    assert clients.list_for(alice) == []
    assert signed_in.get(f"/apps/{mine.id}").status_code == 404
    assert "Deleted “Fieldnotes”" in signed_in.get("/apps").text
    assert "Fieldnotes" in mailbox.last(bob.email).text
    assert activity.list_for(alice)[0].kind == EventKind.APP_DELETED


@pytest.mark.parametrize("how", ["cut-off", "delete"])
def test_the_end_takes_the_password(signed_in, bob, mine, clock, how):
    token = issued(bob, mine)
    clock.move(**LONG_AGO)

    path = f"/apps/{mine.id}/{how}"
    asked = signed_in.get(path)
    sent = signed_in.post(path, data={"csrf_token": pages.csrf(asked)})

    back = pages.prove(signed_in, sent)

    assert pages.asks_for_proof(asked) and pages.asks_for_proof(sent)
    assert works(token)
    assert back.location.endswith(f"/{how}")
    assert pages.submit(signed_in, path).status_code == 303
    assert not works(token)


@pytest.mark.parametrize("how", ["cut-off", "delete"])
def test_the_end_takes_a_csrf_token(signed_in, mine, how):
    assert signed_in.post(f"/apps/{mine.id}/{how}").status_code == 400
    assert clients.find(mine.id)
