"""What whoever has the password, and was in the account before, can still do against its second factor."""

import pyotp
import pytest

from latchkey.accounts import limits, steps, users
from latchkey.safety import lockdown
from latchkey.store.session import db
from tests import pages
from tests.factories import PASSWORD
from tests.portal.auth.test_guessing import HOME, NEW, Somebody, botnet, reset
from tests.portal.auth.test_second_factor import AT, codes, half_in, is_in, now, set_up, shown

__all__ = ["codes"]


def sign_out(browser):
    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/settings"))})


@pytest.mark.standard("L-05", "L-11")
def test_browsers_that_the_password_let_in_are_strangers_once_there_is_a_second_factor(app, signed_in, alice, clock):
    """Each would have tries at the codes of its own, however many of them a thief had signed in before."""
    thieves = [pages.sign_in(app.test_client(), alice) for _ in range(6)]
    assert set_up(signed_in, clock).status_code == 200

    heard = []
    for thief in thieves * 2:
        clock.move(seconds=10)
        heard.append(pages.submit(half_in(thief, alice), AT, code="000000").status_code)

    assert heard[:10] == [422] * 10
    assert heard[10:] == [429, 429]


@pytest.mark.standard("L-13")
def test_a_browser_from_before_the_second_factor_is_told_of_as_new(app, signed_in, alice, clock, mailbox):
    before = pages.sign_in(app.test_client(), alice)
    page = signed_in.get("/settings/security/authenticator")
    key, sealed = shown(page)
    fields = {"csrf_token": pages.csrf(page), "shown": sealed}
    code = pyotp.TOTP(key).at(int(clock.now().timestamp()))
    signed_in.post("/settings/security/authenticator", data=fields | {"code": code})
    sign_out(signed_in)

    for browser, letters in ((signed_in, 0), (before, 1)):
        told = len(mailbox.letters(alice.email))
        clock.move(minutes=2)
        half_in(browser, alice)
        pages.submit(browser, AT, code=pyotp.TOTP(key).at(int(clock.now().timestamp())))
        assert is_in(browser)
        assert len(mailbox.letters(alice.email)) == told + letters


@pytest.mark.standard("L-05", "L-11")
@pytest.mark.slow("signs in more often than there may be steps")
@pytest.mark.parametrize("networks", [1, 120])
@pytest.mark.usefixtures("codes")
def test_whoever_has_the_password_cannot_push_the_owners_step_out(app, client, alice, clock, networks):
    half_in(client, alice)
    thief = app.test_client()
    fields = {"csrf_token": pages.csrf(thief.get("/login")), "email": alice.email, "password": PASSWORD}
    for number in range(steps.MOST + 20):
        thief.post("/login", data=fields, environ_overrides={"REMOTE_ADDR": f"203.0.113.{number % networks}"})
        clock.move(seconds=4)

    assert pages.submit(client, AT, code=now(clock)).status_code == 303


@pytest.mark.standard("M-02")
def test_a_copy_of_the_cookie_does_not_outlive_the_set_up(app, signed_in, alice, clock):
    """The session that goes on was opened by the password alone, and so was whoever copied it."""
    thief = app.test_client()
    thief.set_cookie("latchkey", signed_in.get_cookie("latchkey").value)

    set_up(signed_in, clock)

    assert (is_in(signed_in), is_in(thief)) == (True, False)


@pytest.mark.standard("M-01")
@pytest.mark.usefixtures("codes")
def test_signing_out_everywhere_ends_steps_too(client, alice):
    half_in(client, alice)
    lockdown.sign_out(users.lock(alice.id))
    db.commit()

    assert client.get(AT).location == "/login"


@pytest.mark.standard("L-05")
@pytest.mark.usefixtures("codes")
def test_a_whole_sign_in_begins_the_count_anew(app, alice, clock):
    for _ in range(12):
        clock.move(minutes=1)
        browser = half_in(app.test_client(), alice)
        assert pages.submit(browser, AT, code=now(clock)).status_code == 303


@pytest.mark.usefixtures("codes")
@pytest.mark.slow("guesses hundreds of times")
@pytest.mark.standard("L-05", "L-11")
def test_a_reset_lets_who_has_a_second_factor_in_as_far_as_that_while_strangers_guess(
    app, alice, clock, mailbox, monkeypatch
):
    counted, heard = limits.code, []

    def code(*args, device, **kwargs):
        heard.append(device)
        return counted(*args, device=device, **kwargs)

    monkeypatch.setattr(limits, "code", code)
    bots = botnet(app, 12)
    for bot in bots:
        bot.guess(alice.email, 9)
    Somebody(app, HOME).post("/forgot-password", email=alice.email)

    hers = reset(app, mailbox, alice.email)
    clock.move(minutes=1)
    for bot in bots:
        bot.guess(alice.email, 9)

    assert Somebody(app, "203.0.113.78").sign_in(alice.email, NEW).status_code == 429
    half = hers.sign_in(alice.email, NEW)
    assert (half.status_code, half.location) == (303, AT)
    # The mailbox alone gives nobody codes to guess beside those of the account: they count as from any browser.
    answer = pages.submit(hers.client, AT, code=now(clock))
    assert answer.status_code == 303
    assert hers.client.get("/settings").status_code == 200
    assert heard == [None]
