"""The threads of a server process: letters go out at once, uses are written, and an end finishes what is under way."""

import dataclasses
import threading
import time

import pytest
from sqlalchemy import select

from latchkey import settings as settings_module
from latchkey.journal.calls.counts import CallCount
from latchkey.mail import outbox
from latchkey.mail.outbox import Letter
from latchkey.settings import ROOT
from latchkey.tokens import Token, access, usage
from latchkey.turns import heap
from latchkey.worker import housekeeping, loop
from tests import factories, servers, smtp


@pytest.fixture
def through(app):
    """Let mail go to a server."""

    def use(port: int) -> None:
        settings_module.use(dataclasses.replace(settings_module.current(), mail_server="127.0.0.1", mail_port=port))
        outbox.configure(app)

    return use


@pytest.fixture
def running(app, db):
    """A worker on this test's application."""
    started = []

    def start() -> loop.Worker:
        started.append(loop.Worker(app))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_memory_that_requests_no_longer_need_is_given_back_meanwhile(running, monkeypatch):
    given_back = threading.Event()
    monkeypatch.setattr(heap, "trim", given_back.set)

    running()

    assert given_back.wait(60)


def post(app, db) -> Letter:
    with app.app_context():
        letter = outbox.post("alice@example.com", "address_taken")
        db.commit()
        return letter


def test_a_letter_goes_out_as_soon_as_its_transaction_has_ended(app, db, through, running, monkeypatch):
    monkeypatch.setattr(loop, "LOOK_SECONDS", 600.0)
    with smtp.server() as server:
        through(server.port)
        running()
        time.sleep(0.2)

        post(app, db)

        servers.wait_until(lambda: server.received, "the letter")


def test_a_restart_tries_at_once_what_waits_for_another_attempt(app, db, through, running):
    through(servers.free_port())
    post(app, db)
    with app.app_context():
        assert outbox.deliver().failed == 1

    with smtp.server() as server:
        through(server.port)
        running()

        servers.wait_until(lambda: server.received, "the letter", outbox.FIRST_PAUSE.total_seconds() / 2)


def test_stopping_finishes_the_letter_that_is_under_way(app, db, through, running):
    with smtp.server(slow=0.5) as server:
        through(server.port)
        started = running()
        letter = post(app, db)
        servers.wait_until(lambda: db.scalar(select(Letter.claimed_until).where(Letter.id == letter.id)), "the claim")

        started.stop()

        assert len(server.received) == 1
        assert db.scalar(select(Letter.sent_at).where(Letter.id == letter.id)) is not None


def test_stopping_writes_the_last_uses_and_counts(app, db, alice, running):
    minted = factories.make_token(alice)
    started = running()
    access.admit(minted.plaintext)

    started.stop()

    assert usage.flush() == 0
    assert db.scalar(select(Token.last_used_at).where(Token.id == minted.token.id)) is not None
    assert db.scalar(select(CallCount.calls).where(CallCount.source_id == minted.token.id)) == 1


@pytest.mark.standard("E-14")
def test_clearing_away_keeps_what_is_in_use(app, db, alice):
    minted = factories.make_token(alice)
    letter = post(app, db)

    with app.app_context():
        housekeeping.clear()

    assert access.admit(minted.plaintext).user_id == alice.id
    assert db.scalar(select(Letter.id)) == letter.id


@pytest.mark.standard("P-05")
def test_records_of_the_doors_are_cleared_away_too(app):
    calls = []

    with app.app_context():
        housekeeping.clear(lambda: calls.append("codes"), lambda: calls.append("pending"))

    assert calls == ["codes", "pending"]


def test_a_serving_process_is_given_everything_of_the_doors_that_can_be_cleared_away():
    doors = [path for door in ("portal", "oauth", "api") for path in (ROOT / door).rglob("*.py")]
    purges = {
        f"{path.relative_to(ROOT).parts[0]}.{path.stem}.purge" for path in doors if "\ndef purge(" in path.read_text()
    }

    assert purges
    assert {purge for purge in purges if purge not in (ROOT / "app.py").read_text()} == set()
