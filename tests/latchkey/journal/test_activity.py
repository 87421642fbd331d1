from datetime import timedelta

import pytest

from latchkey import origin
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.origin import Origin
from latchkey.store.session import db as session


def record(user, *kinds, **detail):
    made = [activity.record(user, kind, **detail) for kind in kinds]
    session.commit()
    return made


@pytest.fixture
def from_firefox():
    mark = origin.current.set(Origin("203.0.113.9", "Firefox/140.0", "abc123"))
    yield
    origin.current.reset(mark)


@pytest.mark.standard("P-03")
def test_an_event_tells_from_where_it_came(alice, from_firefox):
    [event] = record(alice, EventKind.SIGNED_IN)

    assert (event.address, event.agent, event.request_id) == ("203.0.113.9", "Firefox/140.0", "abc123")


def test_what_others_do_to_a_user_does_not_tell_from_where_they_did_it(alice, from_firefox):
    with origin.elsewhere():
        [event] = record(alice, EventKind.AUTHORIZATION_WITHDRAWN)

    assert (event.address, event.agent, event.request_id) == ("", "", "abc123")
    assert origin.current.get().address == "203.0.113.9"


def test_events_come_newest_first_and_only_ones_own(alice, bob):
    first, second = record(alice, EventKind.SIGNED_IN, EventKind.SIGNED_OUT)
    record(bob, EventKind.SIGNED_IN)

    assert activity.list_for(alice) == [second, first]


def test_events_are_read_in_parts(alice):
    events = record(alice, *[EventKind.SIGNED_IN] * 5)[::-1]

    first = activity.list_for(alice, limit=2)
    second = activity.list_for(alice, limit=2, before=first[-1].id)

    assert first + second == events[:4]


def test_events_are_found_by_group_and_by_kind(alice):
    token, app, _ = record(alice, EventKind.TOKEN_CREATED, EventKind.APP_CHANGED, EventKind.SIGNED_IN)

    assert activity.list_for(alice, group="token") == [token]
    assert activity.list_for(alice, kinds={EventKind.APP_CHANGED, EventKind.APP_DELETED}) == [app]
    assert activity.list_for(alice, kinds=()) == []


def test_a_group_is_not_a_pattern(alice):
    record(alice, EventKind.TOKEN_CREATED)

    assert activity.list_for(alice, group="%") == []
    assert activity.list_for(alice, group="toke_") == []


@pytest.mark.parametrize(
    "search, found",
    [
        ("203.0.113", True),
        ("firefox", True),
        ("token.created", True),
        ("Nightly", True),
        ("nightly BACKUP", True),
        ("created nightly", True),
        ("backup chrome", False),
        ("100%", True),
        ("1__%", False),
        ("café", True),
        ('weird "quote', True),
        ("' OR 1=1 --", False),
    ],
)
def test_every_word_of_a_search_must_stand_in_the_event(alice, from_firefox, search, found):
    events = record(alice, EventKind.TOKEN_CREATED, description='Nightly backup 100% café, weird "quote')

    assert activity.list_for(alice, search=search) == (events if found else [])


@pytest.mark.standard("P-05")
def test_events_are_told_for_ninety_days_and_then_removed(alice, clock):
    record(alice, EventKind.SIGNED_IN)

    clock.move(days=90, seconds=-1)
    assert len(activity.list_for(alice)) == 1

    clock.move(seconds=1)
    assert activity.list_for(alice) == []

    clock.move(seconds=1)
    activity.purge()
    session.commit()
    assert session.query(activity.Event).count() == 0


def test_purging_keeps_what_people_are_told(alice, clock):
    record(alice, EventKind.SIGNED_IN)
    clock.move(days=89)

    activity.purge()
    session.commit()

    assert len(activity.list_for(alice)) == 1


def test_some_events_deserve_a_second_look(alice):
    failed, fine = record(alice, EventKind.SIGN_IN_FAILED, EventKind.SIGNED_IN)

    assert failed.suspicious
    assert not fine.suspicious
    assert failed.group == fine.group == "sign_in"


def test_events_go_with_their_user(alice, bob):
    record(alice, EventKind.SIGNED_IN)
    session.delete(alice)
    session.commit()

    assert session.query(activity.Event).count() == 0


def test_an_event_is_part_of_what_it_tells_of(alice):
    activity.record(alice, EventKind.SIGNED_IN)
    session.rollback()

    assert activity.list_for(alice) == []
    assert timedelta(days=90) == activity.KEPT
