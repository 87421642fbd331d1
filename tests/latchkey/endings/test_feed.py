"""What ended, numbered: written with what ends it, read without a gap, whoever commits when."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from latchkey import clients, endings, grants, resources, tokens
from latchkey.accounts import users
from latchkey.endings import Ending, Kind, guards, known, record
from latchkey.endings.feed import MOST, Feed
from latchkey.endings.waiting import Waiting
from latchkey.grants import EndReason
from latchkey.safety import agents
from latchkey.store.session import db, engines
from latchkey.tokens import Renewal, ranges
from tests import apis, factories, watch


def told(commit=True):
    if commit:
        db.commit()
    found = [(row.kind, row.target_id) for row in db.scalars(select(Ending).order_by(Ending.seq))]
    db.rollback()
    return found


def forget():
    db.execute(Ending.__table__.delete())
    db.commit()


ACTS = {
    "revoking": lambda token, user: tokens.revoke(token),
    "narrowing": lambda token, user: tokens.narrow(token, ("account:read",)),
    "other scopes": lambda token, user: tokens.widen(token, ("apps:read",)),
    "an address": lambda token, user: tokens.bind(token, ranges.check(["203.0.113.0/24"])),
    "an earlier end": lambda token, user: tokens.shorten(token, token.expires_at - timedelta(days=1)),
    "another end": lambda token, user: tokens.end_in(token, timedelta(days=1)),
    "another string": lambda token, user: tokens.regenerate(token),
    "another string beside it": lambda token, user: tokens.regenerate(token, Renewal(keep=timedelta(hours=1))),
    "several at once": lambda token, user: tokens.revoke_many(user.id, [token.id]),
}


@pytest.mark.parametrize("act", ACTS)
def test_whatever_takes_something_from_a_token_is_told(alice, act):
    token = factories.make_token(alice, scopes=("account:read", "activity:read")).token

    ACTS[act](token, alice)

    assert told() == [("token", token.id)]


USERS = {
    "all tokens": lambda user: (factories.make_token(user), tokens.revoke_all(user)),
    "a pause": agents.pause,
    "a suspension": lambda user: users.disable(user),
    "another address": lambda user: users.verify_email(user, "other@example.com"),
    "deletion": users.remove,
}


@pytest.mark.parametrize("act", USERS)
def test_whatever_ends_everything_of_a_user_is_told_of_the_user(alice, act):
    USERS[act](alice)

    assert told() == [("user", alice.id)]


def test_what_ends_an_app_a_sign_in_or_an_authorization_is_told(alice, example_client):
    client = example_client.client
    grant = grants.allow(alice, client, ["account:read"])
    authorization = grants.find_authorization(alice, client)
    db.commit()

    grants.end(grant.id, EndReason.REVOKED)
    assert told() == [("grant", grant.id)]
    forget()

    # What is over does not end again.
    grants.end(grant.id, EndReason.REVOKED)
    grants.end_one(authorization, grant.id)
    assert told() == []

    another = grants.allow(alice, client, ["account:read"])
    grants.end_one(authorization, another.id)
    assert told() == [("grant", another.id)]
    forget()

    # A shorter access is for sign-ins of before, too.
    grants.allow(alice, client, ["account:read"], until=record.clock.now() + timedelta(hours=1))
    assert told() == [("authorization", authorization.id)]
    forget()

    for expected in ([("authorization", authorization.id)], []):
        grants.withdraw(authorization)
        assert told() == expected
        forget()

    for act in (
        lambda: clients.suspend(client),
        lambda: grants.withdraw_all(client),
        lambda: grants.end_own([client.id]),
        lambda: clients.remove(client),
    ):
        act()
        assert told() == [("client", client.id)]
        forget()


def test_an_act_takes_one_insert_however_much_it_ends(alice, example_client):
    for number in range(30):
        factories.make_token(alice, description=str(number))
    ids = list(db.scalars(select(tokens.Token.id)))
    inserts = []

    def count(connection, cursor, statement, *_):
        inserts.append(statement.split()[:3])

    record.event.listen(engines().write, "before_cursor_execute", count)
    tokens.revoke_many(alice.id, ids[1:])
    tokens.revoke_all(alice)
    db.commit()

    assert inserts.count(["INSERT", "INTO", "ending"]) == 1
    assert len(told()) == 30


def test_what_is_rolled_back_is_not_told(alice):
    token = factories.make_token(alice).token
    tokens.revoke(token)
    db.rollback()

    tokens.describe(token, "Another")

    assert told() == []


def test_a_savepoint_that_is_given_up_leaves_the_rest(alice):
    token = factories.make_token(alice).token
    tokens.revoke(token)
    given_up = db.begin_nested()
    endings.note(Kind.USER, alice.id)
    given_up.rollback()

    # One too many makes a guard ask once more; one too few would let an ended token pass.
    assert ("token", token.id) in told()


def test_who_ends_something_without_a_word_is_found_by_the_watch(alice, monkeypatch):
    token = factories.make_token(alice).token
    monkeypatch.setattr(endings, "note", lambda *_: None)

    tokens.revoke(token)
    db.commit()

    assert any("latchkey/tokens/record.py revoke" in violation for violation in watch.violations)
    watch.violations.clear()


def test_numbers_rise_even_when_the_clock_goes_back(settings, clock):
    endings.note(Kind.USER, "usr_a", "usr_b")
    db.commit()
    clock.move(hours=-5)
    endings.note(Kind.USER, "usr_c")

    assert [target for _, target in told()] == ["usr_a", "usr_b", "usr_c"]


def end(name):
    endings.note(Kind.USER, name)
    db.commit()


def follow(feed, after):
    """As a guard does: everything up to the end, by the numbers it is given."""
    found = []
    while True:
        part = feed.after(after)
        assert not part.reset
        found += [told.id for told in part.endings]
        after = part.next
        if not part.endings:
            return found, after


def fresh(feed, after):
    feed.read()
    return follow(feed, after)


def test_a_reader_gets_each_ending_once_and_in_order(settings):
    end("usr_first")
    feed = Feed()
    begun = feed.after(0)
    assert begun.reset and begun.endings == []

    endings.note(Kind.USER, *(f"usr_{number}" for number in range(MOST + 5)))
    db.commit()

    found, after = fresh(feed, begun.next)
    assert found == [f"usr_{number}" for number in range(MOST + 5)]
    end("usr_last")
    assert fresh(feed, after)[0] == ["usr_last"]


def test_a_gap_is_told_as_start_over(settings, clock):
    end("usr_a")
    feed = Feed()
    first = feed.after(0).next
    clock.move(hours=1)
    end("usr_b")
    clock.move(days=2)
    record.purge()
    db.commit()

    assert told() == [("user", "usr_b")], "the last one stays"
    other = Feed()
    assert other.after(first).reset
    last = other.after(first).next
    assert not other.after(last).reset
    # It has not forgotten what it told before.
    assert [told.id for told in feed.after(first).endings] in ([], ["usr_b"])


def test_who_knows_more_than_the_database_starts_over(settings):
    """It was put back as it was before."""
    end("usr_a")
    end("usr_b")
    feed = Feed()
    last = feed.after(0).next
    db.execute(Ending.__table__.delete().where(Ending.seq == last))
    db.commit()
    feed.read()

    assert feed.after(last).reset
    end("usr_c")
    feed.read()
    assert feed.after(0).next > last, "no number is given twice"


def test_memory_is_bounded(settings, monkeypatch):
    monkeypatch.setattr("latchkey.endings.feed.MOST_KEPT", 10)
    end("usr_first")
    feed = Feed()
    first = feed.after(0).next
    for number in range(30):
        end(f"usr_{number}")
        feed.read()

    assert len(feed._kept) == 10
    assert feed.after(first).reset


def test_nobody_reads_a_number_before_a_lower_one(settings):
    """Writers on many threads, commits at any moment, and a reader that must get every one of them."""
    together, made, seen, done = threading.Barrier(5), [], [], threading.Event()
    end("usr_first")
    reader = Feed()
    after = reader.after(0).next

    def write(name):
        together.wait()
        for number in range(25):
            with db.begin():
                endings.note(Kind.USER, f"usr_{name}_{number}")
                if number % 3 == 0:
                    endings.note(Kind.CLIENT, f"app_{name}_{number}")
            made.append(number)
        db.remove()

    def read():
        nonlocal after
        together.wait()
        while True:
            last_turn = done.is_set()
            found, after = fresh(reader, after)
            seen.extend(found)
            if last_turn:
                return

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    watching = threading.Thread(target=read)
    for thread in (*writers, watching):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watching.join()

    assert len(made) == 100
    stored = list(db.scalars(select(Ending.target_id).order_by(Ending.seq)))[1:]
    assert seen == stored
    assert len(set(stored)) == 4 * (25 + 9)


@pytest.mark.postgres
def test_a_transaction_that_has_a_number_and_has_not_committed_holds_up_those_after_it(settings):
    """Else a reader would see the later number, go on from there, and never read the first."""
    if engines().embedded:
        return
    end("usr_first")
    feed = Feed()
    after = feed.after(0).next
    statement = record._ON_POSTGRESQL
    late = engines().write.connect()
    late.execute(statement, {"before": record._milliseconds() - 1, "noted": '[["user", "usr_slow"]]'})
    quick = threading.Thread(target=lambda: (end("usr_quick"), db.remove()))
    quick.start()

    quick.join(0.3)
    assert quick.is_alive()
    assert fresh(feed, after)[0] == []
    late.commit()
    late.close()
    quick.join()

    assert fresh(feed, after)[0] == ["usr_slow", "usr_quick"]


def test_the_turn_is_taken_last_so_that_two_that_end_the_same_rows_never_wait_for_each_other(alice):
    made = [factories.make_token(alice, description=str(number)).token.id for number in range(6)]
    together, faults = threading.Barrier(4), []

    def revoke(order):
        together.wait()
        try:
            for token_id in order:
                tokens.revoke(db.get(tokens.Token, token_id))
                db.commit()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            faults.append(error)
        finally:
            db.remove()

    threads = [threading.Thread(target=revoke, args=(made[:: 1 if n % 2 else -1],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert {target for _, target in told()} == set(made)


def test_who_waits_is_told_when_something_ends_and_when_nothing_does(settings):
    end("usr_a")
    feed = Feed()
    waiting = Waiting(feed)
    last = feed.after(0).next
    released = {name: threading.Event() for name in ("late", "soon", "stopped")}

    waiting.wait(last, 0, released["late"].set)
    assert released["late"].wait(60)

    waiting.wait(last, 600, released["soon"].set)
    end("usr_b")
    assert released["soon"].wait(60)

    waiting.wait(feed.read(), 600, released["stopped"].set)
    waiting.stop()
    assert released["stopped"].is_set()


def test_who_waits_is_let_go_when_nothing_can_be_read(settings, monkeypatch):
    feed = Feed()
    waiting, released = Waiting(feed), threading.Event()
    monkeypatch.setattr(feed, "read", lambda: 1 / 0)

    waiting.wait(0, 600, released.set)

    assert released.wait(60)


def test_a_resource_that_is_gone_or_smaller_is_told_at_the_next_start(catalogues):
    assert known.compare() == []
    catalogues(apis.SCOPES, apis.RESOURCES)
    changed = known.compare()
    assert changed in ([], ["account"])
    forget()
    names = {resource.name for resource in resources.operators()}
    assert known.compare() == []

    catalogues("")

    gone = known.compare()
    assert names <= set(gone)
    assert {target for kind, target in told() if kind == "resource"} == set(gone)


def test_a_resource_that_is_gone_is_told_again_by_each_server_that_is_exchanged_later(catalogues, clock):
    """Until then it lets tokens pass for what the others know no more, and guards remember that."""
    if not engines().embedded:
        with engines().write.begin() as connection:
            connection.execute(text("SELECT setval('ending_seq', 1)"))
    catalogues(apis.SCOPES, apis.RESOURCES)
    known.compare()
    forget()
    catalogues("")
    gone = known.compare()
    assert gone

    assert set(known.compare()) == set(gone)
    assert sorted(told()) == sorted(2 * [("resource", name) for name in gone])
    clock.move(hours=2)
    assert known.compare() == []


def test_the_meter_tells_how_long_an_ending_took_and_who_is_behind(bob, clock, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    # PostgreSQL goes on from the numbers of other tests, whose clock was moved.
    if not engines().embedded:
        with engines().write.begin() as connection:
            connection.execute(text("SELECT setval('ending_seq', 1)"))
    clock.moment = clock.moment.replace(microsecond=0)
    service = factories.make_client(bob, name="Service").client
    end("usr_a")
    first = int(clock.now().timestamp() * 1000)
    for name in ("one", "two"):
        guards.hear(service.id, name, first)
    clock.move(seconds=5)
    end("usr_b")
    last = db.scalar(select(func.max(Ending.seq)))
    clock.move(seconds=0.4)
    guards.hear(service.id, "one", last)
    clock.move(seconds=2)
    guards.hear(service.id, "two", first)

    assert guards.flush() == 2
    slow, quick = guards.following()

    assert (slow.guard.name, slow.behind) == ("two", timedelta(seconds=2.4))
    assert (quick.guard.name, quick.behind, quick.took) == ("one", timedelta(0), timedelta(seconds=0.4))
    assert guards.flush() == 0

    # Another process hears the same later: the first says how long it took.
    monkeypatch.setattr(guards, "_heard", {(service.id, "one"): guards.Heard(last, 2400, clock.now(), None)})
    guards.flush()
    db.expire_all()
    assert guards.following()[1].took == timedelta(seconds=0.4)

    clock.move(minutes=1)
    assert guards.following() == []
    clock.move(hours=2)
    guards.purge()
    db.commit()
    assert db.scalar(select(func.count()).select_from(guards.Guard)) == 0


def test_an_app_that_is_deleted_takes_no_others_guards_from_the_meter(alice, bob, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    monkeypatch.setattr(guards, "_of_one", guards.Counter())
    gone, stays = (factories.make_client(user, name="Service").client for user in (alice, bob))
    for client in (gone, stays):
        guards.hear(client.id, "web-1", 1)
    clients.remove(gone)
    db.commit()

    assert guards.flush() == 1
    assert [each.guard.client_id for each in guards.following()] == [stays.id]
    assert list(guards._heard) == [(stays.id, "web-1")]


def test_an_ending_of_long_ago_is_written_down_like_any_other(bob, clock, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    service = factories.make_client(bob, name="Service").client
    db.commit()
    guards.hear(service.id, "web-1", 1)
    guards.hear(service.id, "web-1", int(clock.now().timestamp() * 1000) - 40 * 24 * 60 * 60 * 1000)

    assert guards.flush() == 1


def test_what_ended_before_a_guard_began_took_no_time_to_reach_it(bob, clock, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    service = factories.make_client(bob).client
    ended, later = (int((clock.now() + timedelta(seconds=seconds)).timestamp() * 1000) for seconds in (0, 201))

    clock.move(seconds=200)
    for seq in (0, ended):
        guards.hear(service.id, "new", seq)
    guards.flush()
    assert guards.following()[0].took is None

    clock.move(seconds=2)
    guards.hear(service.id, "new", later)
    guards.flush()
    assert timedelta(0) < guards.following()[0].took < timedelta(seconds=2)


def test_guards_of_one_app_are_bounded(bob, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    monkeypatch.setattr(guards, "_of_one", guards.Counter())
    monkeypatch.setattr(guards, "MOST_OF_ONE", 3)
    service = factories.make_client(bob).client

    for number in range(10):
        guards.hear(service.id, f"guard-{number}", 0)

    assert guards.flush() == 3


def test_the_list_is_small(alice, clock):
    token = factories.make_token(alice).token
    tokens.revoke(token)
    db.commit()
    clock.move(hours=25)
    end(alice.id)

    record.purge()

    assert told() == [("user", alice.id)]
    columns = db.execute(text("SELECT * FROM ending")).keys()
    assert list(columns) == ["seq", "kind", "target_id"]
