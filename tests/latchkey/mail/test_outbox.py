"""Letters: posted with what they tell of, delivered once, tried again, and never lost without a word."""

import dataclasses
import logging
import subprocess
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from latchkey import settings as settings_module
from latchkey import vault
from latchkey.mail import outbox, processes, transport
from latchkey.mail.outbox import Delivery, Letter
from tests import servers, smtp
from tests.crowd import at_once

LINK = "http://localhost/verify-email/one-time-secret"


@pytest.fixture
def post(app, db):
    """Post a letter and commit."""

    def post_one(to: str = "alice@example.com", name: str = "verify_email") -> Letter:
        with app.app_context():
            letter = outbox.post(to, name, link=LINK, email=to)
            db.commit()
            return letter

    return post_one


@pytest.fixture
def deliver(app):
    """Deliver as the worker does; from then on through this mail server, if one is given."""

    def deliver_now(port: int | None = None, **more: object) -> Delivery:
        if port is not None:
            ours = dataclasses.replace(settings_module.current(), mail_server="127.0.0.1", mail_port=port)
            settings_module.use(ours)
            outbox.configure(app)
        with app.app_context():
            return outbox.deliver(**more)

    return deliver_now


def row(db, letter: Letter) -> Letter:
    found = db.scalars(select(Letter).where(Letter.id == letter.id).execution_options(populate_existing=True)).one()
    db.rollback()
    return found


def kept(settings):
    return sorted(path.name for path in (settings.instance / "mail").glob("*"))


def test_a_letter_is_gone_with_the_transaction_that_posted_it(app, db, deliver, settings):
    with app.app_context():
        outbox.post("alice@example.com", "verify_email", link=LINK)
        db.rollback()

    assert deliver() == Delivery(0, 0)
    assert not (settings.instance / "mail").exists()


def test_a_letter_is_delivered_once(post, deliver, mailbox):
    post()

    assert deliver() == Delivery(sent=1, failed=0)
    assert deliver() == Delivery(sent=0, failed=0)
    [letter] = mailbox.letters()
    assert letter.to == "alice@example.com"
    assert letter.subject == "Confirm your e-mail address"
    assert letter.link() == "/verify-email/one-time-secret"
    assert LINK in letter.html


@pytest.mark.standard("E-02")
def test_a_dump_of_the_database_opens_no_link_and_a_sent_letter_keeps_no_body(db, post, deliver):
    letter = post()
    waiting = row(db, letter)

    assert "one-time-secret" not in waiting.sealed
    assert "one-time-secret" in vault.unseal(waiting.sealed)

    deliver()

    sent = row(db, letter)
    assert sent.sealed is None
    assert sent.sent_at is not None
    assert sent.next_attempt_at is None


def test_a_kept_letter_is_a_whole_file_for_its_owner_alone(post, deliver, settings):
    letter = post()

    deliver()

    assert kept(settings) == [f"{letter.id}.eml"]
    folder = settings.instance / "mail"
    assert (folder / f"{letter.id}.eml").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.settings(brand_name="Acme, Inc. Ünited", mail_sender="portal@acme.example")
def test_the_sender_is_the_brand_and_the_configured_address(post, deliver):
    with smtp.server() as server:
        letter = post()
        deliver(server.port)

    [received] = server.received
    [sender] = received.message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Acme, Inc. Ünited", "portal@acme.example")
    assert received.message["Message-ID"] == f"<{letter.id}@acme.example>"
    assert received.message["Auto-Submitted"] == "auto-generated"
    assert received.message.get_body(("plain",)) is not None
    assert received.message.get_body(("html",)) is not None


@pytest.mark.settings(mail_sender='"The Portal" <portal@acme.example>')
def test_a_sender_with_a_name_keeps_it(post, deliver):
    with smtp.server() as server:
        post()
        deliver(server.port)

    assert server.received[0].message["From"].addresses[0].display_name == "The Portal"


def test_no_line_is_longer_than_servers_take(app, db, deliver):
    with smtp.server() as server, app.app_context():
        outbox.post("alice@example.com", "authorized", app="ü" * 2000, scopes="s " * 2000, at=_now(), place="here")
        db.commit()
        deliver(server.port)

    assert max(len(line) for line in server.raw[0].splitlines()) <= 998
    assert "ü" * 2000 in server.received[0].text.replace("\n", "")


def _now():
    return outbox.clock.now()


@pytest.mark.parametrize(
    "behaviour",
    [
        {"rcpt": "450 4.2.1 mailbox is busy"},
        {"rcpt": "550 5.1.1 nobody here has this name"},
        {"data": "451 4.3.0 try again later"},
        {"data": "554 5.7.1 we do not like this"},
    ],
    ids=lambda behaviour: next(iter(behaviour.values()))[:3],
)
def test_a_refused_letter_waits_and_says_why(db, clock, post, deliver, behaviour):
    letter = post("refused@example.com")

    with smtp.server(**behaviour) as server:
        assert deliver(server.port) == Delivery(sent=0, failed=1)
        assert deliver(server.port) == Delivery(sent=0, failed=0), "it is tried again only after a pause"

    waiting = row(db, letter)
    assert waiting.last_error == next(iter(behaviour.values()))
    assert waiting.next_attempt_at == clock.now() + timedelta(minutes=1)
    assert waiting.sealed is not None

    clock.move(minutes=1)
    with smtp.server() as server:
        assert deliver(server.port) == Delivery(sent=1, failed=0)
    assert row(db, letter).last_error is None


def test_a_refused_letter_does_not_hold_up_the_others(post, deliver):
    for to in ("refused@example.com", "bob@example.com", "carol@example.com"):
        post(to)

    with smtp.server(rcpt="550 5.1.1 unknown") as server:
        assert deliver(server.port) == Delivery(sent=2, failed=1)

    assert {letter.to for letter in server.received} == {"bob@example.com", "carol@example.com"}


@pytest.mark.standard("L-06", "P-06")
def test_somebody_with_very_many_letters_holds_up_nobody_else(post, deliver):
    """Dozens a second of one account are more than servers take, and a link is good for half an hour."""
    for _ in range(5):
        post("mallory@example.com", "address_taken")
    post("alice@example.com", "address_taken")
    post("alice@example.com", "address_taken")
    post("bob@example.com", "reset_password")

    with smtp.server() as server:
        for _ in range(4):
            deliver(server.port, limit=1)

    assert [letter.to.partition("@")[0] for letter in server.received] == ["bob", "mallory", "alice", "mallory"]


@pytest.mark.standard("L-06", "P-06")
def test_letters_that_strangers_ask_for_hold_up_no_warning(post, deliver):
    """From many networks they sign up with more addresses than go out, so that somebody hears nothing meanwhile."""
    for number in range(30):
        post(f"{number}@example.net", "verify_email")
    post("alice@example.com", "address_taken")

    with smtp.server() as server:
        deliver(server.port, limit=10)

    assert [letter.to for letter in server.received if letter.to.endswith(".com")] == ["alice@example.com"]
    assert len(server.received) == 10


def test_an_address_that_no_server_understands_does_not_hold_up_the_others(post, deliver):
    post("jörg@example.com")
    post("bob@example.com")

    with smtp.server() as server:
        delivery = deliver(server.port)

    assert delivery == Delivery(sent=1, failed=1)
    assert [letter.to for letter in server.received] == ["bob@example.com"]


def test_a_dead_server_is_asked_once_and_not_for_each_letter(db, post, deliver):
    first, second = post(), post()

    assert deliver(servers.free_port()) == Delivery(sent=0, failed=1)

    assert row(db, first).last_error == "Connection refused"
    assert row(db, second).attempts == 0


def test_a_silent_server_holds_nobody_longer_than_the_limit(monkeypatch, db, post, deliver):
    monkeypatch.setattr(transport, "SMTP_SECONDS", 0.3)
    letter = post()
    began = time.monotonic()

    with smtp.silent() as port:
        assert deliver(port) == Delivery(sent=0, failed=1)

    # It would be thirty.
    assert time.monotonic() - began < 20
    assert row(db, letter).last_error.endswith("timed out")


def test_a_server_that_hangs_up_instead_of_saying_goodbye_has_still_accepted(post, deliver):
    post()

    with smtp.server(rude=True) as server:
        assert deliver(server.port) == Delivery(sent=1, failed=0)

    assert len(server.received) == 1


def test_pauses_grow_and_the_end_is_told(db, clock, post, deliver, caplog):
    letter, port, pauses = post(), servers.free_port(), []

    while (waiting := row(db, letter)).next_attempt_at is not None:
        clock.moment = waiting.next_attempt_at
        deliver(port)
        after = row(db, letter).next_attempt_at
        pauses.append(after - clock.now() if after else None)

    minutes = [pause / timedelta(minutes=1) for pause in pauses if pause]
    assert minutes[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360]
    assert set(minutes[10:]) == {360}
    assert sum(minutes) * 60 >= timedelta(days=3).total_seconds()
    given_up = row(db, letter)
    assert given_up.sent_at is None
    assert given_up.sealed is None
    assert given_up.last_error
    assert outbox.standing().given_up == 1
    assert [record for record in caplog.records if record.levelno == logging.ERROR and "given up" in record.message]


def test_an_impatient_delivery_tries_what_waits_for_another_attempt(post, deliver):
    post()
    deliver(servers.free_port())

    with smtp.server() as server:
        assert deliver(server.port) == Delivery(0, 0)
        assert deliver(server.port, impatient=True) == Delivery(sent=1, failed=0)


def test_what_a_process_claimed_is_left_alone_until_it_must_have_died(db, clock, post, deliver):
    letter = post()
    db.execute(update(Letter).where(Letter.id == letter.id).values(claimed_until=clock.now() + outbox.CLAIM))
    db.commit()

    assert deliver() == Delivery(0, 0)
    assert deliver(impatient=True) == Delivery(0, 0)

    clock.move(seconds=outbox.CLAIM.total_seconds())
    assert deliver() == Delivery(sent=1, failed=0)


def named(number: int) -> str:
    return f"{processes.name().rpartition(':')[0]}:{number}"


def claim_for(db, letter: Letter, claimant: str) -> None:
    until = outbox.clock.now() + outbox.CLAIM
    db.execute(update(Letter).where(Letter.id == letter.id).values(claimed_until=until, claimed_by=claimant))
    db.commit()


def test_what_a_process_died_with_is_given_back_at_once(app, db, post, deliver):
    gone = subprocess.Popen(["true"])
    gone.wait()
    claim_for(db, post(), named(gone.pid))

    with app.app_context():
        outbox.recover()

    assert deliver() == Delivery(sent=1, failed=0)


def test_a_process_that_was_killed_and_not_yet_asked_about_is_gone_too(app, db, post, deliver):
    gone = subprocess.Popen(["sleep", "60"])
    gone.kill()
    servers.wait_until(lambda: processes.died(named(gone.pid)), "its end")
    claim_for(db, post(), named(gone.pid))

    with app.app_context():
        outbox.recover()

    assert deliver() == Delivery(sent=1, failed=0)
    gone.wait()


def test_a_fresh_process_takes_over_from_one_that_had_its_number(app, db, post, deliver):
    claim_for(db, post(), processes.name())

    with app.app_context():
        outbox.recover()
        assert deliver() == Delivery(0, 0)
        outbox.recover(fresh=True)

    assert deliver() == Delivery(sent=1, failed=0)


@pytest.mark.parametrize("claimant", [named(1), "another-host:999999"])
def test_what_another_process_may_be_sending_is_left_alone(app, db, post, deliver, claimant):
    claim_for(db, post(), claimant)

    with app.app_context():
        outbox.recover(fresh=True)

    assert deliver() == Delivery(0, 0)


def test_a_letter_that_was_sealed_under_another_key_is_no_disaster(db, post, deliver):
    lost = post()
    db.execute(update(Letter).where(Letter.id == lost.id).values(sealed="gAAAAA-not-ours"))
    db.commit()
    post()

    assert deliver() == Delivery(sent=1, failed=1)
    assert row(db, lost).last_error == "InvalidToken"


@pytest.mark.slow("many threads meet")
def test_many_threads_send_each_letter_once(post, deliver):
    for number in range(20):
        post(f"reader{number}@example.com")

    with smtp.server() as server:
        deliver(server.port, limit=0)

        at_once(*[deliver] * 8)

    assert sorted(letter.to for letter in server.received) == sorted(f"reader{n}@example.com" for n in range(20))


@pytest.mark.slow("starts processes")
def test_many_processes_send_each_letter_once(post, settings):
    for number in range(20):
        post(f"reader{number}@example.com")

    with smtp.server(slow=0.02) as server:
        environment = {
            "LATCHKEY_INSTANCE": str(settings.instance),
            "LATCHKEY_DATABASE_URL": settings.database_url,
            "LATCHKEY_MAIL_SERVER": "127.0.0.1",
            "LATCHKEY_MAIL_PORT": str(server.port),
        }
        command = [servers.LATCHKEY, "mail", "send"]
        processes = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(3)]
        assert [process.wait(240) for process in processes] == [0, 0, 0]

    assert sorted(letter.to for letter in server.received) == sorted(f"reader{n}@example.com" for n in range(20))


def test_old_letters_are_cleared_away_and_waiting_ones_stay(db, clock, post, deliver):
    post()
    deliver()
    clock.move(days=31)
    waiting = post()

    outbox.purge()
    db.commit()

    assert [letter.id for letter in db.scalars(select(Letter))] == [waiting.id]
