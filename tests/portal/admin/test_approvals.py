"""Scopes that an administrator has to approve: what waits is refused, and both sides hear what was decided."""

import re
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from latchkey import clients, notices, origin, scopes, tokens
from latchkey.accounts import users
from latchkey.journal.acts import Act
from latchkey.mail import outbox
from latchkey.oversight import approval, policies
from latchkey.safety import least
from latchkey.store import session as database
from latchkey.tokens import Token, access
from tests import factories, pages
from tests.crowd import at_once
from tests.statements import counted

pytestmark = pytest.mark.settings(require_second_factor="nobody")
CATALOGUE = """
["payments:refund"]
title = "Pay money back"
description = "Refund payments."
group = "Payments"
approval = true
["payments:payout"]
title = "Pay money out"
description = "Pay out."
group = "Payments"
approval = true
"""
BOTH = ("account:read", "payments:refund")


@pytest.fixture(autouse=True)
def catalogue(settings):
    path = settings.instance / "scopes.toml"
    path.write_text(CATALOGUE)
    scopes.load(path)
    yield
    path.unlink()
    scopes.load(path)
    scopes.require_approval(())


def ask(app, user, *names: str):
    """A token as its owner makes it, with letters and all."""
    with app.test_request_context():
        from_page = tokens.mint(users.find(user.id), description="Refunds", scopes=names, lifetime=None)
        notices.token_created(users.find(user.id), from_page.token)
        database.db.commit()
        return from_page.token.id, from_page.plaintext


def decide(admin, kind, request_id, do, page=None, **fields):
    """An answer to what the page shows, now or when it was opened."""
    page = page or admin.get("/admin/approvals")
    [form] = re.findall(rf'action="[^"]*/{request_id}".*?</form>', page.text, re.DOTALL)
    shown = re.findall(r'name="scope" value="([^"]+)"', form)
    data = {"csrf_token": pages.csrf(page), "do": do, "scope": shown, **fields}
    return admin.post(f"/admin/approvals/{kind}/{request_id}", data=data)


def call(app, plaintext):
    return app.test_client().get("/v1/me", headers={"Authorization": f"Bearer {plaintext}"})


def test_a_token_waits_and_says_so_everywhere(app, alice, ada, signed_in, mailbox):
    token_id, plaintext = ask(app, alice, *BOTH)

    refused = call(app, plaintext)
    check = app.test_client().get("/oauth/check", headers={"Authorization": f"Bearer {plaintext}"})
    assert (refused.status_code, refused.json["type"].rpartition("#")[2]) == (401, "problem-token-waiting")
    assert check.status_code == 401
    assert "It waits for an administrator." in signed_in.get(f"/tokens/{token_id}").text
    letter = mailbox.last(ada.email)
    assert "payments:refund" in letter.text
    assert letter.link("/admin/approvals")


def test_the_form_says_why_a_token_will_wait_and_the_next_page_that_it_does(signed_in):
    asked = signed_in.get("/tokens/new?scopes=payments:refund%20account:read").text
    because = re.search(r"<p class=\"waits\">.*?</p>", asked, re.DOTALL)[0]
    assert "It waits for an administrator, because of" in because
    assert ">payments:refund</span>" in because
    assert asked.index(because) < asked.index('id="create"')

    fields = {"description": "Refunds", "expires": "30", "form_id": pages.hidden(asked, "form_id")}
    created = signed_in.post("/tokens/new", data={"csrf_token": pages.csrf(asked), "scope": [*BOTH], **fields}).text

    assert "It waits for an administrator." in created
    assert "works now" not in created
    assert "lk_dev_" in created


def test_a_token_that_is_made_while_everything_is_paused_is_shown(signed_in, alice, db, clock):
    users.lock(alice.id).paused_at = clock.now()
    db.commit()
    form = signed_in.get("/tokens/new")
    fields = {"description": "Later", "expires": "30", "form_id": pages.hidden(form, "form_id")}

    created = signed_in.post("/tokens/new", data={"csrf_token": pages.csrf(form), "scope": "account:read", **fields})

    assert created.status_code == 200
    assert "works once you resume" in created.text


def test_a_form_without_scopes_that_need_approval_says_nothing_of_waiting(signed_in, tmp_path):
    scopes.load(tmp_path / "none.toml")

    assert "waits for an administrator" not in signed_in.get("/tokens/new").text


def test_an_approved_token_works_from_the_next_call_on(app, db, alice, admin, mailbox):
    token_id, plaintext = ask(app, alice, *BOTH)

    assert decide(admin, "tokens", token_id, "approve").status_code == 303

    assert call(app, plaintext).status_code == 200
    assert mailbox.last(alice.email).subject == "An administrator decided about your request"
    assert [act.kind for act in db.scalars(select(Act))] == ["approval.given"]


def test_a_refused_token_is_dead_and_its_owner_reads_why(app, db, alice, admin, mailbox):
    token_id, plaintext = ask(app, alice, *BOTH)

    assert decide(admin, "tokens", token_id, "refuse").status_code == 422
    assert decide(admin, "tokens", token_id, "refuse", reason="Use the shop instead").status_code == 303

    assert call(app, plaintext).json["type"].endswith("revoked-token")
    assert "Use the shop instead" in mailbox.last(alice.email).text


@pytest.mark.standard("I-12")
def test_what_was_added_while_the_page_was_open_is_not_approved_with_the_rest(app, db, alice, bob, admin):
    token_id, plaintext = ask(app, alice, *BOTH)
    client = factories.make_client(bob, scopes=BOTH).client
    page = admin.get("/admin/approvals")
    with app.test_request_context():
        tokens.widen(db.get(Token, token_id), (*BOTH, "payments:payout"))
        least._set(users.find(bob.id), clients.lock(client.id), frozenset({"account:read", "payments:payout"}))
        database.db.commit()

    for kind, one in (("tokens", token_id), ("apps", client.id)):
        answer = decide(admin, kind, one, "approve", page)
        assert (answer.status_code, "Look again" in answer.text) == (409, True)
    db.expire_all()
    assert call(app, plaintext).status_code == 401
    assert clients.find(client.id).scopes == {"account:read"}

    assert decide(admin, "tokens", token_id, "approve", answer).status_code == 303
    assert call(app, plaintext).status_code == 200


def test_what_waits_is_not_lost_when_an_app_gives_up_what_it_did_not_use(app, db, bob, clock):
    client = factories.make_client(bob, scopes=(*BOTH, "activity:read")).client
    clock.move(days=31)

    with app.test_request_context():
        assert least.drop(users.find(bob.id), clients.lock(client.id), frozenset({"activity:read"}))
        database.db.commit()

    assert clients.find(client.id).waiting_scopes == {"payments:refund"}


def test_an_answer_stands_there_again_after_fresh_proof_beside_its_request_alone(app, alice, bob, admin, clock):
    ask(app, alice, *BOTH)
    token_id, _ = ask(app, bob, *BOTH)
    page = admin.get("/admin/approvals")
    clock.move(minutes=16)

    asked = decide(admin, "tokens", token_id, "refuse", page, reason="Not on Fridays")
    pages.prove(admin, asked)

    [field] = re.findall(r'<input[^>]*value="Not on Fridays"[^>]*>', admin.get("/admin/approvals").text)
    assert f'id="reason-{token_id}"' in field
    assert "aria-invalid" not in field


def test_nobody_decides_about_their_own_request(app, db, ada, admin):
    token_id, _ = ask(app, ada, *BOTH)

    assert decide(admin, "tokens", token_id, "approve").status_code == 409
    assert db.get(Token, token_id, populate_existing=True).waiting_since is not None


def test_an_owner_revokes_narrows_and_reports_what_waits(app, db, alice, signed_in):
    first, _ = ask(app, alice, *BOTH)
    pages.submit(signed_in, f"/tokens/{first}/revoke")
    assert db.get(Token, first, populate_existing=True).status == "revoked"

    second, plaintext = ask(app, alice, *BOTH)
    with app.test_request_context():
        tokens.narrow(db.get(Token, second), ["account:read"])
        database.db.commit()
    assert call(app, plaintext).status_code == 200

    _, leaked = ask(app, alice, *BOTH)
    app.test_client().post("/v1/credentials/revoke", json={"credentials": [leaked]})
    assert call(app, leaked).json["type"].endswith("revoked-token")


def test_a_live_token_that_gets_such_a_scope_waits(app, db, alice):
    minted = factories.make_token(alice)
    tokens.widen(db.get(Token, minted.token.id), BOTH)
    db.commit()

    with pytest.raises(access.InvalidToken) as refused:
        access.find(minted.plaintext)
    assert refused.value.fault is access.Fault.WAITING


def test_regenerating_gets_nobody_past_the_decision(app, db, alice):
    token_id, before = ask(app, alice, *BOTH)
    plaintext = tokens.regenerate(db.get(Token, token_id))
    db.commit()

    assert call(app, plaintext).json["type"].endswith("token-waiting")
    assert call(app, before).status_code == 401


def test_a_token_by_the_api_is_made_and_waits(app, alice):
    parent = factories.make_token(alice, scopes=["tokens:write", "account:read"])
    origin.current.set(origin.COMMAND_LINE)
    wide = factories.make_token(alice, description="Wide", scopes=["tokens:write", "payments:refund"])
    body = {"description": "Child", "scopes": ["payments:refund"], "expires_in_days": 1}

    answer = app.test_client().post("/v1/tokens", json=body, headers={"Authorization": f"Bearer {wide.plaintext}"})

    assert (answer.status_code, answer.json["status"]) == (201, "waiting")
    assert parent.token.status == "active"


def test_an_app_has_what_needs_no_approval_and_waits_for_the_rest(app, db, bob, admin, mailbox):
    client = factories.make_client(bob, scopes=BOTH).client
    assert (client.scopes, client.waiting_scopes) == ({"account:read"}, {"payments:refund"})
    assert client.name in admin.get("/admin/approvals").text

    decide(admin, "apps", client.id, "approve")

    db.expire_all()
    assert clients.find(client.id).scopes == set(BOTH)
    assert mailbox.last(bob.email).subject == "An administrator decided about your request"


def test_a_refused_app_goes_on_with_what_it_has(db, bob, admin):
    client = factories.make_client(bob, scopes=BOTH).client

    decide(admin, "apps", client.id, "refuse", reason="No")

    db.expire_all()
    client = clients.find(client.id)
    assert (client.scopes, client.waiting_scopes, client.waiting_since) == ({"account:read"}, set(), None)


def test_changing_something_else_of_an_app_keeps_what_waits_and_what_was_approved(app, db, bob, admin):
    client = factories.make_client(bob, scopes=BOTH).client
    token = factories.make_token(bob, scopes=["apps:write"]).plaintext

    def rename(name):
        headers = {"Authorization": f"Bearer {token}"}
        assert app.test_client().patch(f"/v1/apps/{client.id}", json={"name": name}, headers=headers).status_code == 200
        db.expire_all()
        return clients.find(client.id)

    assert rename("One").waiting_scopes == {"payments:refund"}
    decide(admin, "apps", client.id, "approve")
    assert (rename("Two").scopes, rename("Three").waiting_scopes) == (set(BOTH), set())


def test_a_waiting_scope_of_an_app_is_an_invalid_one(app, bob):
    registered = factories.make_client(bob, scopes=BOTH)
    form = {
        "grant_type": "client_credentials",
        "scope": "payments:refund",
        "client_id": registered.client.id,
        "client_secret": registered.secret,
    }

    answer = app.test_client().post("/oauth/token", data=form)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_scope")


MORE = "More requests wait for your decision"


def subjects(mailbox, admin):
    return [letter.subject for letter in mailbox.letters(admin.email)]


def test_many_requests_are_few_letters_and_one_that_there_are_more(app, alice, ada, mailbox, clock):
    for _ in range(6):
        ask(app, alice, *BOTH)

    assert subjects(mailbox, ada) == 3 * ["A request waits for your decision"]
    clock.move(hours=1)
    assert subjects(mailbox, ada)[3:] == [MORE]
    assert mailbox.last(ada.email).link() == "/admin/approvals"


@pytest.mark.standard("O-03")
@pytest.mark.unnoted("others run the same lines")
def test_however_many_ask_an_administrator_has_a_few_letters_an_hour_and_learns_that_more_wait(
    app, alice, ada, mailbox, clock
):
    for number in range(8):
        stranger = factories.make_user(f"stranger{number}@example.com")
        for _ in range(3):
            ask(app, stranger, *BOTH)
    assert len(subjects(mailbox, ada)) == 10
    clock.move(minutes=59)

    ask(app, alice, *BOTH)

    assert len(subjects(mailbox, ada)) == 10
    clock.move(minutes=1)
    assert subjects(mailbox, ada)[10:] == [MORE]
    ask(app, alice, *BOTH)
    assert len(subjects(mailbox, ada)) == 12
    assert "Alice" in mailbox.last(ada.email).text


def test_a_letter_that_is_due_later_is_no_old_one(app, alice, ada, mailbox, clock):
    for _ in range(4):
        ask(app, alice, *BOTH)
    mailbox.letters()

    assert outbox.deliver(impatient=True) == (0, 0)
    assert outbox.standing()[:2] == (1, None)


def test_a_policy_marks_a_scope_too(app, db, alice, admin):
    said = pages.submit(admin, "/admin/policies", approval_scopes="tokens:read, account:write")
    assert said.status_code == 303
    # The administrator's request was the last to say who acts.
    origin.current.set(origin.Origin("", "", ""))
    assert factories.make_token(alice, scopes=["tokens:read"]).token.status == "waiting"
    assert pages.submit(admin, "/admin/policies", approval_scopes="no:scope").status_code == 422

    pages.submit(admin, "/admin/policies", approval_scopes="")
    assert factories.make_token(alice, description="B", scopes=["tokens:read"]).token.status == "active"


@pytest.mark.standard("G-04")
@pytest.mark.unnoted("others run the same lines")
def test_what_a_policy_marks_is_offered_to_no_app_and_the_guides_say_so_at_once(app, client, admin):
    def offered():
        return client.get("/.well-known/oauth-protected-resource").json["scopes_supported"]

    def told():
        text = client.get("/docs/scopes.md").text
        return "Needs approval" in text[text.index("activity:read") : text.index("activity:read") + 400]

    assert ("activity:read" in offered(), told()) == (True, False)
    pages.submit(admin, "/admin/policies", approval_scopes="activity:read")
    assert ("activity:read" in offered(), told()) == (False, True)
    challenge = app.test_client().get("/v1/me").headers["WWW-Authenticate"]
    assert "activity:read" not in challenge


def test_two_administrators_deciding_at_once_decide_once(app, db, alice):
    admins = [factories.make_user(f"a{number}@example.com", admin=True) for number in range(2)]
    token_id, _ = ask(app, alice, *BOTH)
    ids = [admin.id for admin in admins]
    db.remove()

    def work(admin_id, approve):
        with app.test_request_context():
            try:
                approval.decide_token(token_id, by=users.find(admin_id), approve=approve, shown=frozenset(BOTH[1:]))
            except approval.NothingWaits:
                return "late"
            database.db.commit()
            return "decided"

    outcomes = at_once(*(partial(work, *pair) for pair in zip(ids, (True, False), strict=True)))

    assert sorted(outcomes) == ["decided", "late"]
    assert policies.written() == {}


@pytest.mark.standard("I-12")
def test_requests_of_one_person_however_many_hide_nobody_elses(app, alice, bob, ada, clock):
    days = timedelta(days=1)
    for number in range(approval.MOST):
        tokens.mint(alice, description=f"Past {number}", scopes=BOTH, lifetime=days)
    database.db.commit()
    clock.move(days=2)
    for number in range(approval.MOST + 2):
        tokens.mint(alice, description=f"Many {number}", scopes=BOTH, lifetime=days)
    database.db.commit()
    ask(app, bob, *BOTH)

    page = pages.sign_in(app.test_client(), ada).get("/admin/approvals").text

    assert "Past" not in page
    assert page.index(">Many 0<") < page.index(">Refunds<") < page.index(">Many 1<")
    assert "3 more wait" in page
    assert approval.count() == approval.MOST + 3


def menu(page):
    """What the menu's link to the approvals is called, and the number that is seen there."""
    [link] = re.findall(r'<a href="/admin/approvals"[^>]*>(?:<svg.*?</svg>)(.*?)</a>', page.text, re.DOTALL)
    seen = re.findall(r'<span class="tag[^>]*aria-hidden="true">([^<]*)</span>', link)
    return re.sub(r"<[^>]+>", "", re.sub(r"<span[^>]*aria-hidden.*?</span>", "", link)), seen


def test_the_menu_of_administrators_says_how_many_wait(app, alice, bob, admin, monkeypatch):
    assert menu(admin.get("/admin/users")) == ("Approvals", [])
    token_id, _ = ask(app, alice, *BOTH)
    assert menu(admin.get("/admin/users")) == ("Approvals, 1 waits for your decision", ["1"])
    ask(app, bob, *BOTH)
    factories.make_client(bob, scopes=BOTH)
    database.db.commit()
    assert menu(admin.get("/admin/approvals")) == ("Approvals, 3 wait for your decision", ["3"])
    monkeypatch.setattr("portal.admin.approvals.MOST_TOLD", 2)
    assert menu(admin.get("/admin")) == ("Approvals, more than 2 wait for your decision", ["2+"])

    decide(admin, "tokens", token_id, "approve")

    assert menu(admin.get("/admin")) == ("Approvals, 2 wait for your decision", ["2"])
    assert approval.count() == 2
    own = admin.get("/tokens")
    assert own.status_code == 200
    assert "wait for your decision" not in own.text


def test_however_many_wait_the_menu_looks_at_so_many_by_one_statement(app, alice, monkeypatch):
    for _ in range(3):
        ask(app, alice, *BOTH)
    told = counted(monkeypatch)

    assert approval.count(1) == 1
    assert len(told) == 1
    assert told[0].count("LIMIT") == 3


def test_what_ended_while_it_waited_waits_no_more(app, db, alice, clock):
    with app.test_request_context():
        owner = users.find(alice.id)
        tokens.mint(owner, description="Ends", scopes=BOTH, lifetime=timedelta(days=1))
        gone = tokens.mint(owner, description="Gone", scopes=BOTH, lifetime=timedelta(days=7)).token
        tokens.mint(owner, description="Lasts", scopes=BOTH, lifetime=timedelta(days=7))
        tokens.revoke(gone)
        database.db.commit()
    ask(app, alice, *BOTH)

    before = approval.count()
    clock.move(days=2)

    assert (before, approval.count()) == (3, 2)
    assert [token.description for token in approval.waiting().tokens] == ["Lasts", "Refunds"]
