"""The administrators' place: nobody else finds it, and each act reaches whom it concerns."""

import html
import re
from functools import partial

import pytest
from sqlalchemy import event, select

from latchkey import clients, grants, tokens
from latchkey.accounts import passkeys, second_factors, sessions, steps, users
from latchkey.journal import activity
from latchkey.journal.acts import Act
from latchkey.journal.refusals import Refusal
from latchkey.mail import outbox
from latchkey.oversight import invitations, listing, overview, people
from latchkey.store import session as database
from latchkey.tokens import access
from tests import factories, pages
from tests.crowd import at_once

# What a second factor does here is tested by itself.
pytestmark = pytest.mark.settings(require_second_factor="nobody")
REASON = "It is used from unknown addresses"


@pytest.fixture
def there(app, db, alice, bob, example_client) -> dict[str, str]:
    """One of everything that an address of the administration can name."""
    grant = grants.allow(alice, example_client.client, {"account:read"})
    db.commit()
    with app.test_request_context():
        letter = outbox.post(alice.email, "address_taken")
        invitation = invitations.invite("grace@example.com", admin=False)
        found = {"letter_id": letter.id, "invitation_id": invitation.id, "authorization_id": grant.authorization_id}
        db.commit()
    return found | {
        "user_id": alice.id,
        "client_id": example_client.client.id,
        "token_id": factories.make_token(alice).token.id,
        "request_id": example_client.client.id,
    }


def addresses(app, ids: dict[str, str]) -> list[tuple[str, str]]:
    """Every method and path below /admin, each act by itself; a page that is made tomorrow is among them."""
    found = []
    for rule in app.url_map.iter_rules():
        if not re.match(r"/admin(/|$)", rule.rule):
            continue
        variants = [rule.rule]
        if choice := re.search(r"<any\(([^)]*)\):\w+>", rule.rule):
            variants = [rule.rule.replace(choice[0], each.strip("'\"")) for each in choice[1].split(",")]
        for variant in variants:
            path = re.sub(r"<id:(\w+)>", lambda found: ids[found[1]], variant)
            found += [(method, path) for method in sorted(rule.methods & {"GET", "POST"})]
    return found


def state(db) -> list:
    """Everything that is stored, but for sessions that were seen."""
    db.rollback()
    return [
        (table.name, sorted(map(str, db.execute(table.select()))))
        for table in database.Base.metadata.sorted_tables
        if table.name not in ("browser_session", "attempt")
    ]


def vouch(admin, path):
    """Do what a page asks about, having read it."""
    return pages.submit(admin, path, read=pages.hidden(admin.get(path), "read"))


@pytest.mark.standard("H-06")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("who", ["signed out", "a plain user"])
def test_for_everybody_else_there_is_nothing_whatever_they_send(app, db, there, bob, who):
    browser = app.test_client() if who == "signed out" else pages.sign_in(app.test_client(), bob)
    token = pages.csrf(browser.get("/login" if who == "signed out" else "/settings"))
    fields = {"reason": REASON, "email": "new@example.com", "token": "x", "letter": there["letter_id"]}
    before = state(db)

    asked = addresses(app, there)
    for method, path in asked:
        for data in ({"csrf_token": token, **fields}, fields):
            answer = browser.open(path, method=method, data=data if method == "POST" else None)
            assert answer.status_code == 404, (method, path, answer.status)

    assert len(asked) > 40
    assert state(db) == before


@pytest.mark.standard("H-06")
@pytest.mark.parametrize("who", ["signed out", "a plain user"])
def test_nor_is_there_by_a_method_that_an_address_does_not_take(app, there, admin, bob, who):
    browser = app.test_client() if who == "signed out" else pages.sign_in(app.test_client(), bob)

    asked = {path for _, path in addresses(app, there)}
    for method in ("GET", "DELETE"):
        for path in asked:
            answer = browser.open(path, method=method)
            assert (answer.status_code, "/admin" in answer.text) == (404, False), (method, path)

    page = admin.get("/admin/mail/retry")
    assert page.status_code == 405
    assert 'href="/admin/mail"' in page.text


@pytest.mark.standard("L-08")
def test_who_was_made_an_administrator_proves_the_address_before_anything_is_shown(app, db, there):
    squatter = factories.make_user("boss@example.com", admin=True, verified=False)
    browser = pages.sign_in(app.test_client(), squatter)

    for method, path in addresses(app, there):
        if method == "GET":
            answer = browser.get(path)
            assert answer.status_code == 303, path
            assert answer.location.startswith("/verify-email?next="), path


def test_opening_any_page_changes_nothing_and_shows_no_secret(app, db, admin, there):
    minted = factories.make_token(users.find(there["user_id"]), description="Nightly")
    admin.get("/admin")
    before = state(db)

    for method, path in addresses(app, there):
        if method == "GET":
            answer = admin.get(path)
            assert answer.status_code == 200, (path, answer.status)
            assert minted.plaintext not in answer.text

    assert state(db) == before


def test_nothing_happens_without_the_token_of_the_form(app, db, admin, there):
    before = state(db)

    for method, path in addresses(app, there):
        if method == "POST":
            assert admin.post(path, data={"reason": REASON}).status_code == 400, path

    assert state(db) == before


@pytest.mark.standard("L-09")
def test_an_act_asks_who_it_is_of_whoever_signed_in_a_while_ago(db, admin, there, clock):
    path = f"/admin/users/{there['user_id']}/suspend"
    token = pages.csrf(admin.get(path))
    clock.move(minutes=16)

    answer = admin.post(path, data={"csrf_token": token, "reason": REASON})

    assert "Suspend" not in re.findall(r"<h1[^>]*>(.*?)</h1>", answer.text)
    db.expire_all()
    assert users.find(there["user_id"]).disabled_at is None


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\u202eb"])
def test_what_hurts_somebody_needs_a_reason_that_they_can_read(db, admin, there, reason):
    assert pages.submit(admin, f"/admin/users/{there['user_id']}/suspend", reason=reason).status_code == 422
    assert users.find(there["user_id"]).disabled_at is None


def test_a_suspended_user_reads_the_reason_and_the_others_see_who_did_it(db, admin, ada, alice, mailbox):
    minted = factories.make_token(alice, description="Nightly")

    pages.submit(admin, f"/admin/users/{alice.id}/suspend", reason=REASON)

    with pytest.raises(access.InvalidToken):
        access.find(minted.plaintext)
    letter = mailbox.last(alice.email)
    assert REASON in letter.text
    assert "an administrator" in letter.text
    assert " Ada" not in letter.text
    act = db.scalars(select(Act).where(Act.kind == "user.suspended")).one()
    assert (act.actor_id, act.actor_name, act.target, act.reason) == (ada.id, "Ada", alice.email, REASON)
    assert REASON in admin.get("/admin").text
    assert f"“{REASON}”" in admin.get(f"/admin/users/{alice.id}").text


def test_a_user_is_restored_signed_out_and_deleted(db, admin, app, alice, mailbox):
    browser = pages.sign_in(app.test_client(), alice)
    for act in ("suspend", "restore"):
        pages.submit(admin, f"/admin/users/{alice.id}/{act}", reason=REASON)
    sessions.open(users.find(alice.id))
    half_way = steps.begin(users.lock(alice.id)).plaintext
    db.commit()

    pages.submit(admin, f"/admin/users/{alice.id}/sign-out")
    assert browser.get("/tokens").status_code == 303
    assert steps.find(half_way) is None
    assert mailbox.last(alice.email).subject == "You were signed out everywhere"

    pages.submit(admin, f"/admin/users/{alice.id}/delete", reason=REASON)
    db.expire_all()
    assert users.find(alice.id) is None
    assert [act.target for act in db.scalars(select(Act).where(Act.kind == "user.deleted"))] == [alice.email]


def test_a_lost_second_factor_is_reset(db, admin, alice):
    db.add(second_factors.Authenticator(user_id=alice.id, sealed_key="x", last_step=0))
    db.commit()

    vouch(admin, f"/admin/users/{alice.id}/reset-second-factor")

    assert second_factors.find(users.find(alice.id)) is None


def test_nobody_reads_from_where_an_administrator_works(db, admin, alice, bob, mailbox):
    admin.environ_base["REMOTE_ADDR"] = "203.0.113.99"
    for user in (alice, bob):
        db.add(second_factors.Authenticator(user_id=user.id, sealed_key="x", last_step=0))
    db.commit()

    for user in (alice, bob):
        vouch(admin, f"/admin/users/{user.id}/reset-second-factor")
        pages.submit(admin, f"/admin/users/{user.id}/suspend", reason=REASON)
    pages.submit(admin, f"/admin/users/{bob.id}/delete", reason=REASON)

    db.expire_all()
    done = activity.list_for(users.find(alice.id), group="security")
    assert [(each.kind, each.address, each.agent) for each in done] == [
        ("security.user_disabled", "", ""),
        ("security.second_factor_off", "", ""),
    ]
    letters = mailbox.letters(alice.email) + mailbox.letters(bob.email)
    assert {letter.subject for letter in letters} >= {"Your account was deleted", "Two-factor sign-in was turned off"}
    assert not [letter.subject for letter in letters if "203.0.113.99" in letter.text]
    assert db.scalars(select(Act.address)).all() == ["203.0.113.99"] * 5


@pytest.mark.standard("L-11")
def test_a_passkey_is_a_second_factor_that_is_seen_and_reset(db, admin, alice):
    db.add(passkeys.Passkey(user_id=alice.id, credential_id=b"x", public_key=b"x", sign_count=0, name="Laptop"))
    db.commit()

    assert "Password alone" not in admin.get(f"/admin/users/{alice.id}").text
    assert f"/admin/users/{alice.id}/reset-second-factor" in admin.get(f"/admin/users/{alice.id}").text
    vouch(admin, f"/admin/users/{alice.id}/reset-second-factor")

    assert not second_factors.protects(users.find(alice.id))
    assert "Password alone" in admin.get(f"/admin/users/{alice.id}").text


@pytest.mark.standard("A-05")
def test_two_administrators_who_dismiss_each_other_at_once_leave_one(app, db):
    ids = [factories.make_user(f"a{number}@example.com", admin=True).id for number in range(2)]
    browsers = [pages.sign_in(app.test_client(), users.find(user_id)) for user_id in ids]
    paths = [f"/admin/users/{user_id}/dismiss" for user_id in reversed(ids)]
    tokens_of_forms = [pages.csrf(browser.get(path)) for browser, path in zip(browsers, paths, strict=True)]
    db.remove()

    def press(browser, path, token):
        return browser.post(path, data={"csrf_token": token}).status_code

    answers = at_once(*(partial(press, *each) for each in zip(browsers, paths, tokens_of_forms, strict=True)))

    assert sorted(answers) in ([303, 404], [303, 409])
    assert sum(users.find(user_id).is_admin for user_id in ids) == 1


@pytest.mark.parametrize("act", ["suspend", "dismiss", "delete"])
def test_the_last_administrator_cannot_vanish(db, admin, ada, act):
    answer = pages.submit(admin, f"/admin/users/{ada.id}/{act}", reason=REASON)

    assert answer.status_code == 409
    assert "There must be one administrator." in answer.text
    db.expire_all()
    assert (users.find(ada.id).is_admin, users.find(ada.id).disabled_at) == (True, None)


def test_who_is_no_administrator_any_more_does_nothing_with_a_page_that_is_open(app, db, admin, ada, alice):
    page = admin.get(f"/admin/users/{alice.id}/suspend")
    factories.make_user("grace@example.com", admin=True)
    with app.test_request_context():
        people.appoint(users.find(ada.id), on=False)
        database.db.commit()

    answer = admin.post(f"/admin/users/{alice.id}/suspend", data={"csrf_token": pages.csrf(page), "reason": REASON})

    assert answer.status_code == 404
    assert users.find(alice.id).disabled_at is None


def test_an_app_is_stopped_trusted_marked_and_deleted(db, admin, there, mailbox):
    path, client_id = f"/admin/apps/{there['client_id']}", there["client_id"]

    def now():
        db.expire_all()
        return clients.find(client_id)

    pages.submit(admin, f"{path}/suspend", reason=REASON)
    assert now().suspended_at is not None
    assert REASON in mailbox.last("bob@example.com").text
    assert REASON in mailbox.last("alice@example.com").text
    pages.submit(admin, f"{path}/restore")
    vouch(admin, f"{path}/trust")
    vouch(admin, f"{path}/mark")
    assert (now().suspended_at, now().trusted, now().resource_server) == (None, True, True)
    pages.submit(admin, f"{path}/distrust")
    pages.submit(admin, f"{path}/unmark")
    assert (now().trusted, now().resource_server) == (False, False)
    pages.submit(admin, f"{path}/delete", reason=REASON)
    assert now() is None


@pytest.mark.standard("J-06")
@pytest.mark.parametrize("act", ["trust", "mark"])
def test_an_app_that_its_owner_changed_while_an_administrator_read_it_is_not_vouched_for(db, admin, bob, act):
    made = factories.make_client(bob)
    path = f"/admin/apps/{made.client.id}/{act}"
    asked = admin.get(path)
    assert made.client.redirect_uris[0] in asked.text
    read = {"csrf_token": pages.csrf(asked), "read": pages.hidden(asked, "read")}
    clients.add_redirect_uri(clients.lock(made.client.id), "https://evil.example/callback", by=bob)
    db.commit()

    answers = [admin.post(path, data=read), admin.post(path, data=read | {"read": ""})]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert all("https://evil.example/callback" in answer.text for answer in answers)
    found = clients.find(made.client.id)
    assert (found.trusted, found.resource_server) == (False, False)
    assert admin.post(path, data=read | {"read": pages.hidden(answers[0], "read")}).status_code == 303


@pytest.mark.parametrize(
    "path, typed",
    [
        ("/admin/invitations", {"email": "new@example.com"}),
        ("/admin/users/{user_id}/suspend", {"reason": "Sold it & went"}),
    ],
)
def test_what_an_administrator_typed_stands_there_again_after_fresh_proof(admin, there, clock, path, typed):
    path = path.format(**there)
    page = admin.get(path)
    clock.move(minutes=16)

    asked = admin.post(path, data={"csrf_token": pages.csrf(page), **typed})
    assert pages.asks_for_proof(asked)
    pages.prove(admin, asked)

    assert all(html.escape(text) in admin.get(path).text for text in typed.values())


@pytest.mark.standard("L-12")
def test_whom_a_suspended_administrator_invited_does_not_come_in_when_they_are_back(app, admin, bob, mailbox, db):
    users.find(bob.id).is_admin = True
    db.commit()
    pages.submit(pages.sign_in(app.test_client(), bob), "/admin/invitations", email="new@example.com", admin="y")
    path = mailbox.last("new@example.com").link("/invitation/")

    pages.submit(admin, f"/admin/users/{bob.id}/suspend", reason=REASON)
    pages.submit(admin, f"/admin/users/{bob.id}/restore")

    assert app.test_client().get(path).status_code == 410


@pytest.mark.parametrize("act", ["appoint", "reset-second-factor"])
def test_nobody_gets_power_or_loses_a_factor_under_the_name_of_another(db, admin, alice, bob, act):
    db.add(second_factors.Authenticator(user_id=bob.id, sealed_key="x", last_step=0))
    bob.name = alice.name
    db.commit()
    path = f"/admin/users/{bob.id}/{act}"
    asked = admin.get(path)
    assert "bob@example.com, verified" in asked.text
    read = {"csrf_token": pages.csrf(asked), "read": pages.hidden(asked, "read")}
    users.find(bob.id).email = "robert@example.com"
    db.commit()

    answer = admin.post(path, data=read)

    assert answer.status_code == 409
    assert "robert@example.com, verified" in answer.text
    assert (users.find(bob.id).is_admin, second_factors.protects(bob)) == (False, True)
    assert vouch(admin, path).status_code == 303


def test_a_public_app_is_not_trusted_and_the_page_says_why(db, admin, bob):
    public = factories.make_client(bob, confidential=False).client

    answer = vouch(admin, f"/admin/apps/{public.id}/trust")

    assert answer.status_code == 409
    assert "Only a confidential app can be trusted" in answer.text


def test_a_token_and_an_authorization_are_ended_with_a_reason(db, admin, there, alice, mailbox):
    pages.submit(admin, f"/admin/tokens/{there['token_id']}/revoke", reason=REASON)
    assert REASON in mailbox.last(alice.email).text
    assert tokens.get_for(alice, there["token_id"]).status == "revoked"

    pages.submit(admin, f"/admin/authorizations/{there['authorization_id']}/withdraw", reason=REASON)
    assert REASON in mailbox.last(alice.email).text
    assert grants.list_for(alice) == []


def test_a_pasted_credential_is_found_and_stands_nowhere_afterwards(db, admin, alice, example_client, caplog):
    minted = factories.make_token(alice, description="Nightly")
    for text, says in [
        (minted.plaintext, "It is a developer token"),
        (f"export TOKEN={minted.plaintext};", "It is a developer token"),
        (example_client.secret, "It is a client secret"),
        (example_client.client.id, "It is an app’s client ID"),
    ]:
        answer = pages.submit(admin, "/admin/find", token=text)
        assert says in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        assert minted.plaintext not in answer.text
        assert example_client.secret not in answer.text
    assert pages.submit(admin, "/admin/find", token="lk_dev_nothing").status_code == 422
    assert minted.plaintext not in caplog.text + str(state(db))


@pytest.mark.parametrize("path", ["/admin/users", "/admin/tokens", "/admin/apps", "/admin/mail", "/admin/activity"])
def test_a_search_for_a_credential_leaves_the_address(admin, alice, path):
    minted = factories.make_token(alice)

    answer = admin.get(f"{path}?q={minted.plaintext}")

    assert (answer.status_code, answer.location) == (303, "/admin/find")


def test_apps_of_one_name_however_many_hide_no_authorization_of_the_one_before(db, alice, bob, monkeypatch):
    monkeypatch.setattr(listing, "PAGE", 2)
    payroll = factories.make_client(bob, name="Payroll").client
    grants.allow(alice, payroll, ["account:read"])
    for _ in range(3):
        factories.make_client(alice, name="Payroll")
    db.commit()

    assert [found.client_id for found in listing.authorizations(search="payroll").rows] == [payroll.id]


@pytest.mark.parametrize("query", ["show=x", "sort=x", "cursor=x", "cursor=tok_1", "q=" + "x" * 200, "q=a%00b"])
def test_an_address_that_no_link_of_ours_makes_is_no_page(admin, query):
    assert admin.get(f"/admin/users?{query}").status_code == 404


@pytest.mark.parametrize(
    "query, names",
    [
        ("", ["Bob", "Alice", "Ada"]),
        ("?sort=address", ["Ada", "Alice", "Bob"]),
        ("?q=ALI", ["Alice"]),
        ("?q=bob@example.com", ["Bob"]),
        ("?q=%25", []),
        ("?show=administrators", ["Ada"]),
        ("?show=suspended", []),
    ],
)
def test_users_are_searched_sorted_and_filtered(admin, alice, bob, query, names):
    page = admin.get(f"/admin/users{query}", headers={"HX-Request": "true"}).text

    assert re.findall(r"list__link[^>]*>([^<]*)</a>", page) == names


@pytest.mark.parametrize("sort", ["joined", "address"])
def test_pages_lead_to_everybody_once(db, admin, sort):
    for number in range(120):
        db.add(
            users.User(
                email=f"p{number}@x.example", email_key=f"p{number}@x.example", name=f"P{number}", password_hash="x"
            )
        )
    db.commit()
    path, seen = f"/admin/users?sort={sort}", []
    while path:
        page = admin.get(path).text
        seen += re.findall(r"list__link[^>]*>([^<]*)</a>", page)
        more = re.search(r'rel="next" href="([^"]*)"', page)
        path = more[1].replace("&amp;", "&") if more else None

    assert len(seen) == len(set(seen)) == 121


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("path", ["", "/users", "/apps", "/tokens", "/authorizations", "/mail", "/activity"])
def test_a_page_asks_the_same_questions_however_many_rows_it_shows(db, admin, bob, path):
    def asked() -> int:
        statements = []

        def listener(*given):
            statements.append(given[2])

        event.listen(database.engines().read, "before_cursor_execute", listener)
        assert admin.get(f"/admin{path}").status_code == 200
        event.remove(database.engines().read, "before_cursor_execute", listener)
        return len(statements)

    person = factories.make_user("p0@example.com")
    grants.allow(person, factories.make_client(person, name="App 0").client, {"account:read"})
    factories.make_token(person)
    db.commit()
    admin.get(f"/admin{path}")
    before = asked()
    for number in range(1, 20):
        person = factories.make_user(f"p{number}@example.com")
        grants.allow(person, factories.make_client(person, name=f"App {number}").client, {"account:read"})
        factories.make_token(person, description=f"Token {number}")
    db.commit()

    assert asked() == before


def test_a_letter_is_tried_again_and_a_test_letter_arrives(db, admin, there, ada, mailbox):
    page = admin.get("/admin/mail?show=waiting")
    assert there["letter_id"] in page.text

    said = admin.post("/admin/mail/retry", data={"csrf_token": pages.csrf(page), "letter": there["letter_id"]})
    assert said.status_code == 303
    admin.post("/admin/mail/test", data={"csrf_token": pages.csrf(page)})
    assert mailbox.last(ada.email).subject == "A test letter"
    assert [act.kind for act in db.scalars(select(Act).where(Act.kind == "mail.retried"))] == ["mail.retried"]


def test_somebody_is_invited_and_the_invitation_taken_back(app, db, admin, mailbox):
    said = pages.submit(admin, "/admin/invitations", email="grace@example.com", admin="y")
    assert said.status_code == 303
    link = mailbox.last("grace@example.com").link("/invitation/")
    page = admin.get("/admin/invitations")
    assert "grace@example.com" in page.text

    [invitation] = invitations.page()
    admin.post(f"/admin/invitations/{invitation.id}/take-back", data={"csrf_token": pages.csrf(page)})

    assert app.test_client().get(link).status_code == 410


@pytest.mark.standard("L-09")
def test_taking_an_invitation_back_takes_fresh_proof(admin, clock):
    pages.submit(admin, "/admin/invitations", email="grace@example.com")
    [invitation] = invitations.page()
    clock.move(minutes=16)

    asked = pages.submit(admin, f"/admin/invitations/{invitation.id}/take-back", form="/admin/invitations")

    assert asked.status_code == 403
    assert invitations.waiting("grace@example.com") is not None


def test_the_overview_says_what_needs_somebody(db, admin, app, alice):
    assert "Nothing needs you now." in admin.get("/admin").text
    with app.test_request_context():
        letter = outbox.post(alice.email, "address_taken")
        letter.last_error = "550 refused"
        db.commit()

    page = admin.get("/admin").text

    assert "1 letter could not be delivered" in page
    assert "550 refused" in page


def test_letters_that_were_given_up_are_not_offered_for_another_try(db, admin, app, alice):
    with app.test_request_context():
        letter = outbox.post(alice.email, "address_taken")
        letter.last_error, letter.next_attempt_at = "550 refused", None
        db.commit()

    page = admin.get("/admin/mail").text

    assert "550 refused" in page
    assert "Try the selected ones again" not in page
    assert "What was given up cannot be sent again" in page


def test_calls_that_were_refused_alike_count_as_often_as_they_came(db, admin, bob, example_client):
    quiet = factories.make_client(bob, name="Quiet").client
    shared = {"endpoint": "call", "request_id": ""}
    db.add_all(
        [
            Refusal(client_id=example_client.client.id, error="expired", reason="It had expired", times=250, **shared),
            Refusal(client_id=quiet.id, error="expired", reason="It had expired", times=3, **shared),
            # Those of nobody's app take no app's place.
            *(Refusal(client_id=None, error="revoked", reason="It was revoked", times=9_000, **shared) for _ in "12"),
        ]
    )
    db.commit()

    [refused] = overview.attention().refused

    assert (refused.client.id, refused.number, refused.reason) == (example_client.client.id, 250, "It had expired")
    assert "250 refused requests today" in admin.get("/admin").text


def test_only_administrators_are_led_there(app, admin, signed_in):
    assert 'href="/admin"' in admin.get("/settings").text
    assert 'href="/admin"' not in signed_in.get("/settings").text
