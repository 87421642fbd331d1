"""The secrets of an app: rotated without an outage, ended early."""

import pytest

from latchkey import clients
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from tests import factories, pages
from tests.factories import make_client
from tests.portal.apps.app_pages import LONG_AGO, hidden, secret_of


@pytest.fixture
def mine(alice):
    return make_client(alice, name="Fieldnotes")


def live(client):
    """The app's secrets as they are now, the newest first."""
    return clients.live_secrets(clients.find(client.id))


def works(client, secret):
    return factories.find_secret(clients.find(client.id), secret) is not None


def rotate(browser, client, **more):
    page = browser.get(f"/apps/{client.id}/secret/rotate")
    fields = {"csrf_token": pages.csrf(page), "newest": hidden(page, "newest")} | more
    return browser.post(f"/apps/{client.id}/secret/rotate", data=fields)


@pytest.mark.standard("J-03")
def test_rotating_shows_a_new_secret_once_beside_which_the_old_one_works_on(signed_in, alice, mine, mailbox):
    client, old = mine
    answer = rotate(signed_in, client)

    new = secret_of(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert old not in answer.text
    assert works(client, old)
    assert works(client, new)
    assert new not in signed_in.get(f"/apps/{client.id}").text
    letter = mailbox.last(alice.email)
    assert "Fieldnotes" in letter.text
    assert new not in letter.message.as_string()
    assert activity.list_for(alice)[0].kind == EventKind.APP_SECRET_ROTATED


def test_the_page_tells_the_two_secrets_apart(signed_in, mine):
    client, old = mine
    new = secret_of(rotate(signed_in, client))

    page = signed_in.get(f"/apps/{client.id}").text

    assert f"lk_sec_…{new[-4:]}" in page
    assert f"lk_sec_…{old[-4:]}" in page
    assert "Old client secret" in page
    assert "Works until" in page
    assert page.count(", never used.") == 2


def test_asking_for_the_form_rotates_nothing(signed_in, mine):
    page = signed_in.get(f"/apps/{mine.client.id}/secret/rotate")

    assert "24 hours" in page.text
    assert len(live(mine.client)) == 1


def test_a_rotation_that_is_sent_twice_happens_once(signed_in, mine):
    client, _ = mine
    page = signed_in.get(f"/apps/{client.id}/secret/rotate")
    fields = {"csrf_token": pages.csrf(page), "newest": hidden(page, "newest")}
    first = signed_in.post(f"/apps/{client.id}/secret/rotate", data=fields)

    again = signed_in.post(f"/apps/{client.id}/secret/rotate", data=fields)

    assert again.status_code == 303
    assert works(client, mine.secret)
    assert works(client, secret_of(first))


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("newest", ["", "sec_" + "0" * 28, "x"])
def test_a_rotation_that_names_no_secret_rotates_nothing(signed_in, mine, newest):
    assert rotate(signed_in, mine.client, newest=newest).status_code == 303
    assert len(live(mine.client)) == 1


def test_rotating_again_says_which_secret_ends_at_once(signed_in, mine):
    client, first = mine
    rotate(signed_in, client)

    page = signed_in.get(f"/apps/{client.id}/secret/rotate").text
    assert f"ends in {first[-4:]}, stops working at once" in page
    rotate(signed_in, client)

    assert not works(client, first)
    assert len(live(client)) == 2


def test_an_old_secret_is_ended_early_and_its_owner_gets_a_mail(signed_in, alice, mine, mailbox):
    client, first = mine
    rotate(signed_in, client)
    newest, old = live(client)

    page = signed_in.get(f"/apps/{client.id}/secret/{old.id}/end")
    answer = signed_in.post(f"/apps/{client.id}/secret/{old.id}/end", data={"csrf_token": pages.csrf(page)})

    assert "never used" in page.text
    assert answer.status_code == 303
    assert not works(client, first)
    assert [secret.id for secret in live(client)] == [newest.id]
    assert len(mailbox.letters(alice.email)) == 2
    assert activity.list_for(alice)[0].kind == EventKind.APP_SECRET_REMOVED


def test_the_newest_secret_cannot_be_ended_nor_somebody_elses(signed_in, mine, example_client):
    [newest] = live(mine.client)
    [theirs] = live(example_client.client)
    token = pages.csrf(signed_in.get("/apps"))

    for client, secret in [(mine.client, newest), (mine.client, theirs), (example_client.client, theirs)]:
        path = f"/apps/{client.id}/secret/{secret.id}/end"
        assert signed_in.get(path).status_code == 404
        assert signed_in.post(path, data={"csrf_token": token}).status_code == 404

    assert works(mine.client, mine.secret)
    assert works(example_client.client, example_client.secret)


@pytest.mark.standard("L-09")
def test_secrets_take_the_password(signed_in, mine, clock):
    client, _ = mine
    secret_of(rotate(signed_in, client))
    old = live(client)[1]
    clock.move(**LONG_AGO)

    for path in (f"/apps/{client.id}/secret/rotate", f"/apps/{client.id}/secret/{old.id}/end"):
        asked = signed_in.get(path)
        sent = signed_in.post(path, data={"csrf_token": pages.csrf(asked), "newest": live(client)[0].id})
        assert pages.asks_for_proof(asked) and pages.asks_for_proof(sent)
    assert len(live(client)) == 2
    assert "<dialog" not in signed_in.get(f"/apps/{client.id}").text
    pages.prove(signed_in, sent)
    assert secret_of(rotate(signed_in, client))


def test_secrets_take_a_csrf_token(signed_in, mine):
    assert rotate(signed_in, mine.client, csrf_token="x").status_code == 400
    assert len(live(mine.client)) == 1
