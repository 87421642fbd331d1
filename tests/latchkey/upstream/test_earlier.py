"""Power by a group of an upstream ends with that upstream: nobody there can say any more who belongs to the group."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from latchkey import settings as settings_module
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.journal.acts import Act, ActKind
from latchkey.upstream import earlier
from latchkey.worker import loop

OLD, NEW = "https://old.example.com", "https://new.example.com"


@pytest.fixture
def by_group(app, db, alice, bob):
    """Alice administers by a group of the old upstream, Bob because somebody made him an administrator here."""
    identity = identities.add(alice, OLD, "alice", None)
    identity.administers = alice.is_admin = bob.is_admin = True
    identities.add(bob, OLD, "bob", None)
    db.commit()

    def after(issuer: str | None, groups: tuple[str, ...] = ("admins",)) -> tuple[bool, bool]:
        settings_module.use(replace(settings_module.current(), oidc_issuer=issuer, oidc_admin_groups=groups))
        with app.app_context():
            earlier.relieve()
        db.expire_all()
        return db.get_one(User, alice.id).is_admin, db.get_one(User, bob.id).is_admin

    return after


@pytest.mark.standard("J-06")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("issuer", [NEW, None])
def test_who_administers_by_an_earlier_upstream_does_so_no_more(by_group, db, alice, issuer):
    assert by_group(issuer) == (False, True)

    [act] = db.scalars(select(Act).where(Act.kind == ActKind.ADMINISTRATOR_UNMADE))
    assert act.target_id == alice.id
    assert by_group(issuer) == (False, True)
    assert len(list(db.scalars(select(Act)))) == 1


def test_while_the_upstream_is_the_same_nothing_changes(by_group):
    assert by_group(OLD) == (True, True)


@pytest.mark.standard("J-06")
def test_where_no_group_is_named_any_more_nobody_administers_by_one(by_group):
    assert by_group(OLD, ()) == (False, True)


def test_who_is_of_a_group_of_the_upstream_of_now_goes_on(by_group, db, alice):
    identities.add(alice, NEW, "alice", None).administers = True
    db.commit()

    assert by_group(NEW) == (True, True)
    assert by_group(None) == (False, True)


def test_a_process_that_begins_under_another_upstream_sees_to_it(by_group, app, db, alice):
    settings_module.use(replace(settings_module.current(), oidc_issuer=NEW))
    worker = loop.start(app)
    worker.stop()
    db.expire_all()

    assert not db.get_one(User, alice.id).is_admin
