"""Who administers by a group of the upstream does so while it says so, whatever they do it by."""

from dataclasses import replace

import pytest

from latchkey import origin
from latchkey import settings as settings_module
from latchkey.accounts.sessions import CONFIRMED
from latchkey.accounts.upstream import identities
from latchkey.journal.acts import Act, ActKind
from latchkey.origin import Actor, Doer
from latchkey.oversight import invitations
from tests import factories
from tests.api.apps.test_calls import NEW
from tests.api.calls import caller, problem

UPSTREAM = "https://id.example.com"
A_WHILE = {"seconds": CONFIRMED.total_seconds() + 1}


@pytest.fixture
def ada(app, db):
    """Administers by a group, and was named by the upstream at this moment."""
    settings_module.use(
        replace(settings_module.current(), oidc_issuer=UPSTREAM, oidc_admin_groups=("admins",), apps="administrators")
    )
    ada = factories.make_user("ada@example.com", name="Ada", admin=True)
    identities.add(ada, UPSTREAM, "ada", None).administers = True
    db.commit()
    return ada


@pytest.fixture
def hers(app, ada):
    return caller(app.test_client(), ada)


@pytest.mark.standard("J-06", "I-06")
def test_a_token_registers_apps_as_an_administrators_no_longer_than_the_upstream_names_them(hers, clock):
    assert hers.post("/v1/apps", NEW).status_code == 201

    clock.move(**A_WHILE)

    problem(hers.post("/v1/apps", NEW | {"name": "Other"}), 403, "apps-closed")


@pytest.mark.standard("J-06", "K-02")
def test_a_token_changes_a_trusted_app_no_longer_than_the_upstream_names_them(ada, hers, clock):
    trusted = factories.make_client(ada, name="Trusted", trusted=True).client
    path = f"/v1/apps/{trusted.id}"
    assert hers.patch(path, {"redirect_uris": ["https://one.example/cb"]}).status_code == 200

    clock.move(**A_WHILE)

    problem(hers.patch(path, {"redirect_uris": ["https://two.example/cb"]}), 403, "trusted-app")
    problem(hers.post(f"{path}/secret"), 403, "trusted-app")


@pytest.mark.standard("J-06")
def test_an_invitation_makes_no_administrator_when_whoever_invited_is_one_no_more(app, ada, db, clock):
    with app.app_context(), origin.elsewhere():
        origin.act(Actor(Doer.ADMINISTRATOR, ada.id, ada.name))
        known, other = (invitations.invite(f"{name}@example.com", admin=name == "eve") for name in ("bob", "eve"))
        db.commit()

    clock.move(**A_WHILE)

    assert not invitations.accept(known, name="Bob", password="correct horse battery").is_admin
    with pytest.raises(invitations.InvitationOver):
        invitations.accept(other, name="Eve", password="correct horse battery")


def test_who_was_made_an_administrator_here_stays_one(ada, db, clock):
    identity = identities.list_for(ada)[0]
    identity.administers = False
    db.commit()

    clock.move(**A_WHILE)

    assert identities.administers(ada)
    assert not identities.administers(factories.make_user("bob@example.com"))
    assert db.query(Act).filter(Act.kind == ActKind.ADMINISTRATOR_UNMADE).count() == 0
