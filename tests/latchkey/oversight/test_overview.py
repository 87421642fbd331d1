"""What administrators see first."""

from datetime import timedelta

import pytest

from latchkey import grants, ids
from latchkey.grants import EndReason
from latchkey.oversight import overview
from tests import factories


def test_figures_count_what_is_there_and_what_is_new_this_week(db, clock):
    alice, app = factories.make_user("alice@example.com"), factories.make_client(factories.make_user("o@example.com"))
    grants.allow(alice, app.client, frozenset({"account:read"}))
    db.commit()
    clock.move(days=7)
    moved, bob = factories.make_user("moved@example.com"), factories.make_user("bob@example.com")
    # Made here now, and elsewhere long ago.
    moved.created_at -= timedelta(days=400)
    for user in (moved, bob):
        grants.allow(user, app.client, frozenset({"account:read"}))
    db.commit()

    found = overview.figures()

    assert (found.users, found.new_users, found.apps, found.suspended_apps) == (4, 1, 1, 0)
    assert (found.authorizations, found.new_authorizations) == (3, 2)

    [authorization] = grants.list_for(bob)
    grants.withdraw(authorization, EndReason.OPERATOR)
    db.commit()
    found = overview.figures()
    assert (found.authorizations, found.new_authorizations) == (2, 1)


def test_what_was_taken_back_and_given_again_is_of_the_week_in_which_it_was_given(db, clock):
    alice, app = factories.make_user("alice@example.com"), factories.make_client(factories.make_user("o@example.com"))
    grants.allow(alice, app.client, frozenset({"account:read"}))
    grants.withdraw(grants.list_for(alice)[0], EndReason.OPERATOR)
    db.commit()
    clock.move(days=30)
    grants.allow(alice, app.client, frozenset({"account:read"}))
    db.commit()

    assert overview.figures()[-2:] == (1, 1)


@pytest.mark.parametrize("milliseconds", [0, 1])
def test_an_id_sorts_behind_the_moment_at_which_it_was_made(clock, milliseconds):
    before = ids.new_id("usr")
    clock.move(milliseconds=milliseconds)

    assert (before >= ids.first("usr", clock.now())) == (milliseconds == 0)
    assert ids.new_id("usr") > ids.first("usr", clock.now())
