"""How many answers of authenticators are looked at: a limit for made-up ones stops nobody's passkey."""

import pytest

from latchkey.accounts import passkeys
from latchkey.accounts.limits import GUESSES, NETWORK
from tests import pages
from tests.authenticator import Authenticator
from tests.portal.auth.test_passkeys import (
    AGAIN,
    ALONE,
    NEW,
    STEP,
    add,
    alone,
    answered,
    half_in,
    is_in,
    question,
    show,
)

MOST_AT_ONCE = NETWORK[0].most


@pytest.fixture
def device(app):
    here = passkeys.party()
    return Authenticator(here.origin, here.id)


@pytest.fixture
def key(signed_in, device):
    assert add(signed_in, device).status_code == 200
    return device


@pytest.fixture
def stranger(app, key):
    """Sends as many answers of no passkey from the same network as are looked at in a minute."""

    def send():
        browser, here = app.test_client(), passkeys.party()
        page, unknown = browser.get("/login"), Authenticator(here.origin, here.id)
        unknown.handle = key.handle
        fields = answered(page, unknown.use(question(page)))
        return {browser.post(ALONE, data=fields).status_code for _ in range(MOST_AT_ONCE + 1)}

    return send


def leave(browser):
    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/settings"))})
    assert not is_in(browser)


@pytest.mark.standard("L-05")
@pytest.mark.unnoted("others run the same lines")
def test_everybody_at_one_address_signs_in_by_a_passkey_however_many_they_are(app, key):
    for _ in range(MOST_AT_ONCE + 5):
        assert alone(app.test_client(), key).status_code == 303


@pytest.mark.standard("L-05")
@pytest.mark.unnoted("others run the same lines")
def test_a_stranger_at_the_same_address_stops_no_passkey_in_a_browser_that_is_known(signed_in, key, stranger, alice):
    leave(signed_in)

    assert stranger() == {422, 429}

    assert alone(signed_in, key).status_code == 303
    leave(signed_in)
    half_in(signed_in, alice)
    assert show(signed_in, key, STEP).status_code == 303


@pytest.mark.standard("L-05", "L-09")
@pytest.mark.unnoted("others run the same lines")
def test_nor_does_one_who_is_signed_in_already_miss_fresh_proof(signed_in, key, stranger, clock):
    clock.move(minutes=16)
    assert 429 in stranger()

    asked = signed_in.get(NEW)
    assert pages.asks_for_proof(asked)
    assert signed_in.post(AGAIN, data=answered(asked, key.use(question(asked)))).status_code == 303


@pytest.mark.standard("L-05")
def test_a_known_browser_has_few_wrong_answers_of_its_own(signed_in, key):
    leave(signed_in)
    page = signed_in.get("/login")
    wrong = answered(page, key.use(question(page)).replace('"signature": "', '"signature": "AA'))

    statuses = [signed_in.post(ALONE, data=wrong).status_code for _ in range(GUESSES[0].most + 2)]

    assert statuses == [422] * GUESSES[0].most + [429] * 2
