"""What administrators see first."""

from datetime import timedelta

import pytest

from latchkey import grants, ids, tokens
from latchkey.grants import EndReason
from latchkey.oversight import listing, overview
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


def test_the_list_behind_the_number_of_tokens_that_end_this_week_is_of_these(db, clock, alice):
    def token(days: int, used_days_ago: int | None = 0):
        made = factories.make_token(alice, lifetime=timedelta(days=days)).token
        made.last_used_at = None if used_days_ago is None else clock.now() - timedelta(days=used_days_ago)
        db.commit()
        return made

    missed = [token(1), token(6, 29)]
    never, long_ago, later, revoked, replaced = token(2, None), token(2, 31), token(8), token(2), token(2)
    tokens.revoke(revoked)
    tokens.renewal.regenerate(replaced)
    db.commit()

    assert overview.attention().ending == 2
    assert listing.tokens(show="ending").rows == missed
    assert {never, long_ago, later} < set(listing.tokens().rows)


@pytest.mark.parametrize("milliseconds", [0, 1])
def test_an_id_sorts_behind_the_moment_at_which_it_was_made(clock, milliseconds):
    before = ids.new_id("usr")
    clock.move(milliseconds=milliseconds)

    assert (before >= ids.first("usr", clock.now())) == (milliseconds == 0)
    assert ids.new_id("usr") > ids.first("usr", clock.now())
