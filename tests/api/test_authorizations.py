"""The apps that act for a user, in pages."""

import pytest
from sqlalchemy import event

from latchkey import grants
from latchkey.grants import Authorization
from latchkey.store.session import db
from tests import factories


@pytest.mark.standard("A-07", "O-05")
def test_of_many_no_more_are_read_than_a_page_holds(hers, alice, bob):
    """Apps that describe themselves cost nothing: with thousands of them, one row took 0.2 s."""
    names = [f"App {letter}" for letter in "abcdefg"]
    for name in names:
        grants.allow(alice, factories.make_client(bob, name=name).client, {"account:read"})
    db.commit()
    db.remove()
    read, shown, cursor = [], [], ""

    def note(found, _):
        read.append(found.id)

    event.listen(Authorization, "load", note)
    try:
        while cursor is not None:
            read.clear()
            page = hers.get(f"/v1/authorizations?limit=3{cursor and f'&cursor={cursor}'}").get_json()
            assert 0 < len(read) <= 4
            shown += [one["app"]["name"] for one in page["data"]]
            cursor = page["next_cursor"]
    finally:
        event.remove(Authorization, "load", note)

    assert shown == names[::-1]
