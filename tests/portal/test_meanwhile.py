"""What ends between two looks at it: a form is answered as if it had come afterwards, and never by a fault."""

import re

import pytest
from flask import flash, get_flashed_messages
from flask import session as flask_session

from latchkey import clients, grants
from latchkey.accounts import sessions, users
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.upstream import identities
from latchkey.oversight import invitations, policies
from latchkey.safety import lockdown, shutdown
from latchkey.store import conflicts
from latchkey.store.session import commit_parts, db, engines
from latchkey.tokens import access, canaries
from portal.apps.proof import secrets as secrets_page
from tests import factories, pages, statements
from tests.crowd import at_once
from tests.oauth import conftest as browsers
from tests.routes import addresses
from tests.test_bad_input import FORMS
from web.signin import form_token

pytestmark = pytest.mark.settings(require_second_factor="nobody")

PASSWORD = factories.PASSWORD.encode()
KEY_SET = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
# Good all the way to where something is written.
GOOD = {
    "portal.prove": {"password": PASSWORD},
    "portal.edit_token": {"description": b"Another", "password": PASSWORD},
    "portal.change_password": {"current": PASSWORD},
    "portal.delete_account": {"email": b"alice@example.com"},
    "portal.end_everything": {"since": b"", "since_date": b""},
}
# Of whoever is signed out, of programs, and what only ends the session.
NOBODYS = re.compile(
    r"portal\.(sign_(in|up|out).*|ask_second_factor|start_over|(forgot|reset)_password|end_sessions_.*)"
)
HERS = frozenset(name for name in FORMS if name.startswith("portal.") and not NOBODYS.fullmatch(name))
# What anybody may send.
OPEN = frozenset({"portal.resend_verification", "portal.explain_request", "portal.change_theme"})
COUNTING = re.compile(r"\w+ (INTO |FROM )?attempt\b")
CHANGING = re.compile(r"(INSERT|UPDATE|DELETE) ")


@pytest.fixture
def alice(db):
    """An administrator, so that every form is hers to send, and one of two."""
    factories.make_user("grace@example.com", admin=True)
    return factories.make_user("alice@example.com", name="Alice", admin=True)


@pytest.fixture
def ids(alice, bob, example_client) -> dict[str, str]:
    """Of what she has, and of somebody whom she administers."""
    own, made = factories.make_client(alice, name="Hers").client, factories.make_token(alice)
    clients.rotate_secret(own, newest=clients.live_secrets(own)[0].id, by=None)
    grant, opened = grants.allow(alice, example_client.client, {"account:read"}), sessions.open(alice)
    passkey = Passkey(user_id=alice.id, credential_id=b"x", public_key=b"x", sign_count=0, name="Hers")
    db.add(passkey)
    linked, canary = (
        identities.add(alice, "https://login.example.com", "alice", None),
        canaries.make(alice, "Drawer")[0],
    )
    db.commit()
    return {
        "token_id": made.token.id, "client_id": own.id, "secret_id": clients.live_secrets(own)[-1].id,
        "authorization_id": grant.authorization_id, "grant_id": grant.id, "session_id": opened.id,
        "passkey_id": passkey.id, "identity_id": linked.id, "canary_id": canary.id, "user_id": bob.id,
        "request_id": made.token.id, "invitation_id": "inv_" + "0" * 28, "letter_id": "ltr_" + "0" * 28,
        "token": "x" * 43, "day": "2026-01-01",
    }  # fmt: skip


def forms(app, ids):
    """The endpoint, address and fields of each form of somebody who is signed in."""
    for rule in app.url_map.iter_rules():
        if "POST" in rule.methods and rule.endpoint in HERS:
            for address in addresses(rule, ids):
                yield rule.endpoint, address, FORMS[rule.endpoint] | GOOD.get(rule.endpoint, {})


class Meanwhile:
    """What somebody else does once while a request is answered, and what that asks of the database afterwards."""

    def __init__(self, app, told: list[str]) -> None:
        self._app, self._told, self._act, self._from = app, told, None, 0

    def arrange(self, act) -> None:
        self._act, self._from = act, len(self._told)

    def happen(self) -> None:
        act, self._act = self._act, None
        if act is not None:
            at_once(lambda: self._carry_out(act))
            self._from = len(self._told)

    def _carry_out(self, act):
        with self._app.app_context():
            act()

    @property
    def happened(self) -> bool:
        return self._act is None

    @property
    def changes(self) -> list[str]:
        """Tries are counted whatever becomes of them."""
        return [text for text in self._told[self._from :] if CHANGING.match(text) and not COUNTING.match(text)]


@pytest.fixture
def meanwhile(app, monkeypatch):
    """It happens right before a request calls this."""

    def before(name: str, of=sessions) -> Meanwhile:
        asked, called = Meanwhile(app, statements.counted(monkeypatch)), getattr(of, name)

        def behind(*given, **named):
            asked.happen()
            return called(*given, **named)

        monkeypatch.setattr(of, name, behind)
        return asked

    return before


def delete(user_id):
    commit_parts(lockdown.delete(users.find(user_id)))


@pytest.mark.slow("sends every form")
@pytest.mark.standard("M-01", "I-08")
def test_a_form_changes_nothing_whose_session_ended_behind_the_page(app, client, alice, ids, meanwhile):
    alice_id, ending = alice.id, meanwhile("seen")

    def end():
        sessions.end_all(users.find(alice_id))
        db.commit()

    for endpoint, path, fields in forms(app, ids):
        browser = browsers.enter(client, users.find(alice_id))
        token = pages.csrf(browser.get("/settings"))
        db.rollback()
        ending.arrange(end)
        answer = browser.post(path, data={"csrf_token": token, **fields}, buffered=True)

        assert ending.happened, path
        assert endpoint in OPEN or ending.changes == [], path
        assert answer.status_code < 500, path


@pytest.mark.slow("sends every form")
@pytest.mark.standard("A-06", "I-08")
def test_a_form_of_somebody_who_was_deleted_behind_the_page_is_refused(app, client, ids, meanwhile):
    deletion = meanwhile("seen")
    for endpoint, path, fields in forms(app, ids):
        carol = factories.make_user("carol@example.com", admin=True)
        carol_id, browser = carol.id, browsers.enter(client, carol)
        token = pages.csrf(browser.get("/settings"))
        db.rollback()
        deletion.arrange(lambda carol_id=carol_id: delete(carol_id))
        answer = browser.post(path, data={"csrf_token": token, **fields}, buffered=True)

        assert deletion.happened, path
        assert endpoint in OPEN or deletion.changes == [], path
        assert answer.status_code < 500, path


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("act", ["suspend", "restore", "trust", "mark", "pin", "unpin", "delete"])
def test_an_app_that_was_deleted_before_an_administrator_acts_on_it_is_not_there(
    client, alice, example_client, meanwhile, act
):
    app_id, browser, deletion = example_client.client.id, browsers.enter(client, alice), meanwhile("hold")
    form = {"reason": "As agreed"}
    page = browser.get(f"/admin/apps/{app_id}/{act}")
    form |= {"csrf_token": pages.csrf(page), "read": pages.hidden(page, "read")}
    db.rollback()
    deletion.arrange(lambda: commit_parts(shutdown.delete(clients.find(app_id))))

    answer = browser.post(f"/admin/apps/{app_id}/{act}", data=form)

    assert (deletion.happened, answer.status_code, deletion.changes) == (True, 404, [])


@pytest.mark.standard("A-06")
@pytest.mark.parametrize(
    "act", ["suspend", "restore", "sign-out", "reset-second-factor", "appoint", "dismiss", "delete"]
)
def test_somebody_who_was_deleted_before_an_administrator_acts_on_them_is_not_there(client, alice, bob, meanwhile, act):
    bob_id, browser, deletion = bob.id, browsers.enter(client, alice), meanwhile("hold", lockdown)
    page = browser.get(f"/admin/users/{bob_id}/{act}")
    form = {"csrf_token": pages.csrf(page), "read": pages.hidden(page, "read"), "reason": "As agreed"}
    db.rollback()
    deletion.arrange(lambda: delete(bob_id))

    answer = browser.post(f"/admin/users/{bob_id}/{act}", data=form)

    assert (deletion.happened, answer.status_code, deletion.changes) == (True, 404, [])


@pytest.mark.standard("A-06", "I-03")
@pytest.mark.parametrize("form", ["/tokens/new", "/tokens/{}/regenerate"])
def test_a_token_whose_owner_is_deleted_before_it_is_shown_is_shown_to_nobody(client, alice, meanwhile, form):
    alice_id, path = alice.id, form.format(factories.make_token(alice).token.id)
    browser, deletion = browsers.enter(client, alice), meanwhile("find", access)
    page = browser.get(path)
    fields = {"csrf_token": pages.csrf(page), "form_id": pages.hidden(page, "form_id"), "expires": "30"}
    db.rollback()
    deletion.arrange(lambda: delete(alice_id))

    answer = browser.post(path, data=fields | {"description": "Another", "scope": "account:read"})

    assert (deletion.happened, answer.status_code) == (True, 401)


@pytest.mark.standard("A-06")
def test_a_secret_is_not_rotated_of_an_app_that_got_keys_in_this_moment(client, alice, meanwhile):
    app_id, browser = factories.make_client(alice).client.id, browsers.enter(client, alice)
    page, given = browser.get(f"/apps/{app_id}/secret/rotate"), meanwhile("require_proof", secrets_page)
    form = {"csrf_token": pages.csrf(page), "newest": pages.hidden(page, "newest")}
    db.rollback()
    given.arrange(lambda: factories.give_keys(clients.find(app_id), KEY_SET))

    answer = browser.post(f"/apps/{app_id}/secret/rotate", data=form)

    assert (given.happened, answer.status_code, answer.location) == (True, 303, f"/apps/{app_id}")
    assert "proves itself by its own keys" in browser.get(answer.location).text
    assert clients.live_secrets(clients.find(app_id)) == []


@pytest.mark.standard("A-06")
def test_a_token_is_not_made_for_longer_than_has_just_been_allowed(client, alice, meanwhile):
    browser, shortened = browsers.enter(client, alice), meanwhile("hold")
    page = browser.get("/tokens/new")
    fields = {"csrf_token": pages.csrf(page), "form_id": pages.hidden(page, "form_id"), "expires": "30"}
    db.rollback()

    def shorten():
        policies.save({"token_max_days": "5"})
        db.commit()
        policies.refresh()

    shortened.arrange(shorten)
    answer = browser.post("/tokens/new", data=fields | {"description": "Made", "scope": "account:read"})

    assert (shortened.happened, answer.status_code, shortened.changes) == (True, 422, [])
    assert "Tokens here live for 5 days at most." in answer.text


def test_nobody_is_invited_who_accepts_an_earlier_invitation_in_this_moment(app, client, alice, meanwhile):
    browser, acceptance = browsers.enter(client, alice), meanwhile("_place_of", invitations)
    with app.app_context():
        invitations.invite("carol@example.com", admin=False)
        db.commit()
    form = {"csrf_token": pages.csrf(browser.get("/admin/invitations")), "email": "carol@example.com"}
    db.rollback()

    def accept():
        invitations.accept(invitations.waiting("carol@example.com"), name="Carol", password=factories.PASSWORD)
        db.commit()

    acceptance.arrange(accept)
    if engines().embedded:
        # Whoever invites is the only one who writes by then: nobody comes in between.
        acceptance.happen()
    answer = browser.post("/admin/invitations", data=form)

    assert (acceptance.happened, answer.status_code) == (True, 409)
    assert invitations.waiting("carol@example.com") is None


def test_what_is_begun_again_says_and_keeps_nothing_of_the_first_time(app, client):
    """A page that had let somebody in, or said that it was done, and met somebody else's change when it committed."""
    tries = []

    @app.get("/probe")
    def probe():
        tries.append(flask_session.get("who"))
        if len(tries) == 1:
            flash("Done.")
            flask_session["who"] = "somebody"
            raise conflicts.Gone
        return f"{get_flashed_messages()} {form_token() == form_token()}"

    answer = client.get("/probe")

    assert (answer.text, tries) == ("[] True", [None, None])
    with client.session_transaction() as kept:
        assert set(kept) == {"csrf_token"}
