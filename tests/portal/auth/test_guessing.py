"""Attacks on the limits: guessing from many networks, and limits turned against the people whom they protect."""

import contextlib

import pytest
from sqlalchemy import func, select

from latchkey.accounts import limits, throttle, users
from latchkey.accounts.throttle import Attempt, Counter, TooMany
from latchkey.journal import activity
from latchkey.store.session import db
from tests import pages
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.slow("guesses hundreds of times")

NEW = "lantern-orchid-57-gravel"
HOME = "203.0.113.77"


class Somebody:
    """A browser at an address."""

    def __init__(self, app, address):
        self.client = app.test_client()
        self.client.environ_base["REMOTE_ADDR"] = address
        self.forms: dict[str, str] = {}

    def post(self, path, **fields):
        if path not in self.forms:
            self.forms[path] = pages.csrf(self.client.get(path))
        return self.client.post(path, data={"csrf_token": self.forms[path], **fields})

    def sign_in(self, email, password=PASSWORD):
        return self.post("/login", email=email, password=password)

    def guess(self, email, times):
        return [self.sign_in(email, f"guess number {number}").status_code for number in range(times)]


def botnet(app, size, network="198.51.100"):
    return [Somebody(app, f"{network}.{number + 1}") for number in range(size)]


def heard(email, network, times):
    """How many of so many tries are looked at, without what else a sign-in does."""
    count = 0
    for _ in range(times):
        with contextlib.suppress(TooMany):
            limits.sign_in(email, network=network, device=None)
            count += 1
    return count


def reset(app, mailbox, email, address=HOME):
    """Follow the newest letter to the end, in a browser that was never here."""
    somebody = Somebody(app, address)
    somebody.client.get(mailbox.last(email).link("/reset-password/"))
    answer = pages.submit(somebody.client, "/reset-password", password=NEW)
    assert answer.status_code == 303, answer.text
    return somebody


@pytest.mark.standard("L-05")
def test_a_stranger_locks_nobody_out_by_guessing_from_one_network(app, alice, clock):
    stranger = Somebody(app, "198.51.100.1")
    stranger.guess(alice.email, 62)
    for _ in range(7):
        clock.move(minutes=5)
        stranger.guess(alice.email, 12)

    assert stranger.guess(alice.email, 1) == [429]
    assert Somebody(app, HOME).sign_in(alice.email).status_code == 303


@pytest.mark.standard("L-05")
def test_one_network_has_sixty_guesses_at_an_account_in_twelve_hours(alice, clock):
    looked_at = 0
    for _ in range(11 * 6):
        looked_at += heard(alice.email, "198.51.100.1", 12)
        clock.move(minutes=10)

    assert looked_at == 60


@pytest.mark.standard("L-05")
def test_many_networks_have_a_hundred_guesses_at_an_account_an_hour(app, alice, clock):
    statuses = [status for bot in botnet(app, 15) for status in bot.guess(alice.email, 9)]

    assert statuses.count(422) == 100
    assert statuses.count(429) == 35


@pytest.mark.standard("L-05")
def test_one_site_of_version_six_is_no_host_of_networks(alice, clock):
    def networks(site):
        return (f"2001:db8:{site}:{number:x}::/64" for number in range(1, 200))

    at_one_account = sum(heard(alice.email, network, 1) for network in networks(1))
    clock.move(hours=1)
    at_many = sum(heard(f"user-{n}@example.com", network, 4) for n, network in enumerate(networks(2)))

    assert at_one_account == 100
    assert at_many == 600


@pytest.mark.standard("L-05")
def test_however_an_address_is_spelt_its_guesses_are_counted_together(app, clock):
    make_user("ada@b\u00fccher.example")
    spellings = [
        "ada@b\u00fccher.example",
        "ADA@BU\u0308CHER.example",
        " ada@bu\u0308cher.example ",
        "ada@xn--bcher-kva.example",
    ]
    stranger = Somebody(app, "198.51.100.1")

    statuses = [stranger.sign_in(spellings[number % 4], "wrong").status_code for number in range(12)]

    assert statuses == [422] * 10 + [429] * 2


@pytest.mark.standard("L-05")
def test_while_many_networks_guess_a_known_browser_gets_in(app, alice, clock):
    hers = Somebody(app, HOME)
    hers.sign_in(alice.email)
    hers.client.post("/logout", data={"csrf_token": pages.csrf(hers.client.get("/"))})
    for bot in botnet(app, 12):
        bot.guess(alice.email, 10)

    hers.forms.clear()
    refused = Somebody(app, HOME).sign_in(alice.email)
    assert refused.status_code == 429
    assert "a new password lets you in at once" in refused.text
    assert hers.sign_in(alice.email).status_code == 303


@pytest.mark.standard("L-05")
def test_what_many_networks_did_is_over_in_an_hour_and_refused_tries_do_not_prolong_it(app, alice, clock):
    looked_at = 0
    for _ in range(6):
        looked_at += sum(heard(alice.email, f"198.51.100.{number}", 9) for number in range(12))
        clock.move(minutes=10)

    assert looked_at == 100
    assert Somebody(app, HOME).sign_in(alice.email).status_code == 303


@pytest.mark.standard("L-05")
def test_a_reset_opens_the_account_under_attack_at_once_and_knows_the_browser(app, alice, clock, mailbox):
    bots = botnet(app, 12)
    for bot in bots:
        bot.guess(alice.email, 9)
    assert Somebody(app, HOME).post("/forgot-password", email=alice.email).status_code == 200

    hers = reset(app, mailbox, alice.email)
    clock.move(minutes=1)
    for bot in bots:
        bot.guess(alice.email, 9)

    assert Somebody(app, "203.0.113.78").sign_in(alice.email, NEW).status_code == 429
    assert hers.sign_in(alice.email, NEW).status_code == 303


@pytest.mark.standard("L-05")
def test_a_reset_forgets_the_guesses_of_whoever_sat_at_the_account(app, alice, clock, mailbox):
    thief = Somebody(app, "198.51.100.1")
    thief.sign_in(alice.email)
    for _ in range(20):
        pages.submit(thief.client, "/settings/password", form="/settings", current="guess", password=NEW)
    Somebody(app, HOME).post("/forgot-password", email=alice.email)

    hers = reset(app, mailbox, alice.email)

    hers.sign_in(alice.email, NEW)
    answer = pages.submit(hers.client, "/settings/password", form="/settings", current=NEW, password=PASSWORD)
    assert answer.status_code == 303


@pytest.mark.standard("L-05")
def test_browsers_that_were_known_by_a_former_password_have_no_guesses_of_their_own(app, alice, clock, mailbox):
    thieves = [Somebody(app, "198.51.100.1") for _ in range(4)]
    for thief in thieves:
        assert thief.sign_in(alice.email).status_code == 303
    Somebody(app, HOME).post("/forgot-password", email=alice.email)
    reset(app, mailbox, alice.email)
    clock.move(minutes=20)

    for thief in thieves:
        thief.forms.clear()
    statuses = [status for thief in thieves for status in thief.guess(alice.email, 5)]

    assert statuses == [422] * 10 + [429] * 10


@pytest.mark.standard("L-05")
def test_a_flood_from_everywhere_slows_the_flood_and_stops_nobody(app, alice, clock):
    for _ in range(limits.EVERYWHERE[0].most):
        throttle.hit(Counter("sign-in-anywhere", limits.EVERYWHERE))
    sprayer = Somebody(app, "198.51.100.1")

    sprayed = [sprayer.guess(f"user-{number}@example.com", 1)[0] for number in range(12)]

    assert sprayed == [422] * 5 + [429] * 7
    assert Somebody(app, HOME).sign_in(alice.email).status_code == 303


def test_what_a_flood_from_everywhere_refuses_is_counted_to_no_account(app, alice, clock):
    for _ in range(limits.EVERYWHERE[0].most):
        throttle.hit(Counter("sign-in-anywhere", limits.EVERYWHERE))
    stranger = Somebody(app, HOME)
    stranger.guess(alice.email, 10)
    clock.move(minutes=2)

    # Five were heard; of ten in a window that began anew all are free.
    assert stranger.guess(alice.email, 11) == [422] * 10 + [429]


def test_an_owner_reads_of_an_attack_but_not_of_every_try(app, alice, clock):
    for bot in botnet(app, 12):
        bot.guess(alice.email, 9)

    kinds = [event.kind for event in activity.list_for(alice, limit=500)]
    assert kinds.count("sign_in.failed") == 30
    assert kinds.count("sign_in.throttled") == 1


@pytest.mark.standard("A-07", "L-05")
def test_addresses_that_nobody_has_fill_no_table_once_their_network_is_slowed(app, clock):
    stranger = Somebody(app, HOME)
    for _ in range(limits.NETWORK[0].most):
        throttle.hit(*limits.of_network("sign-in-from", HOME, limits.NETWORK))
    assert [stranger.sign_in(f"made-up-{number}@example.com").status_code for number in range(3)] == [429] * 3
    kept = db.scalar(select(func.count()).select_from(Attempt))

    stranger.guess("made-up-9@example.com", 3)
    assert stranger.sign_in("made-up-10@example.com").status_code == 429

    assert db.scalar(select(func.count()).select_from(Attempt)) == kept


@pytest.mark.standard("L-05", "L-06")
def test_whatever_strangers_ask_for_the_owner_holds_a_reset_link_that_works_or_can_have_one(app, alice, clock, mailbox):
    bots = botnet(app, 20)
    for _ in range(18):
        for number, bot in enumerate(bots):
            bot.post("/forgot-password", email=alice.email if number % 2 else f"alice+{number}@example.com")
        letters = len(mailbox.letters(alice.email))
        owner = Somebody(app, f"203.0.113.{clock.moment.minute + 1}")

        asked = owner.post("/forgot-password", email=alice.email)

        assert (asked.status_code == 200) == (len(mailbox.letters(alice.email)) > letters)
        owner.client.get(mailbox.last(alice.email).link("/reset-password/"))
        assert owner.client.get("/reset-password").status_code == 200
        clock.move(minutes=10)

    # Three hours: five an hour, and one in thirty minutes in any case.
    assert len(mailbox.letters()) <= 3 * (5 + 2)


@pytest.mark.standard("L-05")
def test_a_known_browser_can_have_a_reset_link_whatever_strangers_ask_for(app, alice, clock, mailbox):
    hers = Somebody(app, HOME)
    hers.sign_in(alice.email)
    hers.client.post("/logout", data={"csrf_token": pages.csrf(hers.client.get("/"))})
    for bot in botnet(app, 20):
        bot.post("/forgot-password", email=alice.email)

    statuses = [hers.post("/forgot-password", email=alice.email).status_code for _ in range(6)]

    assert statuses == [200] * 5 + [429]


@pytest.mark.standard("L-05")
def test_whoever_goes_on_asking_for_letters_has_longer_pauses(app, alice, clock, mailbox):
    somebody, heard = Somebody(app, HOME), []
    for _ in range(24):
        statuses = [somebody.post("/forgot-password", email="nobody@example.com").status_code for _ in range(8)]
        heard.append(statuses.count(200))
        clock.move(hours=1)

    assert heard[:2] == [5, 5]
    assert sum(heard) == 20


@pytest.mark.standard("L-05")
def test_many_accounts_of_one_mailbox_bring_no_more_letters(app, clock, mailbox):
    addresses = [f"victim+{number}@example.com" for number in range(30)]
    for address in addresses:
        make_user(address, verified=False)

    for bot, address in zip(botnet(app, 30), addresses, strict=True):
        for path in ("/forgot-password", "/verify-email"):
            assert bot.post(path, email=address).status_code == 200

    assert len(mailbox.letters()) == 5


@pytest.mark.standard("L-05")
@pytest.mark.settings(mode="production", mail_server="mail.example.com")
def test_signing_up_with_tags_and_dots_brings_five_letters_an_hour_to_a_mailbox(app, clock, db):
    spellings = [f"vic.tim+{number}@example.com" for number in range(30)]

    statuses = [
        bot.post("/signup", name="Mallory", email=address, password=PASSWORD).status_code
        for bot, address in zip(botnet(app, 30), spellings, strict=True)
    ]
    plain = Somebody(app, HOME).post("/signup", name="Vic", email="victim@example.com", password=PASSWORD)

    assert statuses == [200] * 5 + [429] * 25
    # Whoever the mailbox belongs to can still sign up.
    assert plain.status_code == 200
    assert users.find_by_email("victim@example.com")
