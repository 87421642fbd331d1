"""Letters about what somebody does themselves: none to an address that is not proved to be theirs, and not for ever."""

import pytest

from latchkey.notices import owners
from tests import factories, pages
from tests.factories import PASSWORD

NEW = "lantern-orchid-57-gravel"
AGENTS = "/authorized-apps"


@pytest.mark.standard("L-08", "P-06")
def test_whoever_signs_up_with_a_strangers_address_has_no_letters_sent_there(app, client, mailbox):
    claimed = factories.make_user("stranger@example.com", verified=False)
    pages.let_in(client, claimed)

    for path in ("pause", "resume"):
        assert pages.submit(client, f"{AGENTS}/{path}", form=AGENTS).status_code == 303
    assert pages.submit(client, "/settings/email", form="/settings", email="eve@example.com").status_code == 303
    fields = {"current": PASSWORD, "password": NEW}
    assert pages.submit(client, "/settings/password", form="/settings", **fields).status_code == 303
    for _ in range(2):
        answer = pages.submit(app.test_client(), "/login", email="stranger@example.com", password=NEW)
        assert answer.location == "/"
    assert pages.submit(client, "/hacked", since="none").status_code == 303
    assert "in your mailbox" not in client.get("/hacked", follow_redirects=True).text

    again = factories.make_user("another@example.com", verified=False)
    browser = pages.let_in(app.test_client(), again)
    fields = {"email": "another@example.com"}
    assert pages.submit(browser, "/settings/delete", form="/settings", **fields).status_code == 303

    # The one that proves the other address, which is counted.
    assert [letter.to for letter in mailbox.letters()] == ["eve@example.com"]


@pytest.mark.standard("P-06")
def test_a_thief_hides_no_letter_among_hundreds_about_resuming(signed_in, mailbox, monkeypatch):
    monkeypatch.setattr(owners, "MOST_TOLD", 2)

    for path in ("pause", "resume") * 4:
        pages.submit(signed_in, f"{AGENTS}/{path}", form=AGENTS)

    assert len(mailbox.letters()) == 2
