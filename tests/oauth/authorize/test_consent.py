"""The consent screen (B-13, K): what it says, what its form can do, and what is left behind."""

import pytest

from latchkey import clients, grants
from latchkey.accounts import users
from latchkey.grants import Authorization, Grant
from latchkey.journal.activity import Event, EventKind
from latchkey.store.session import db
from oauth.authorize.pending import PendingConsent
from tests import factories, pages
from tests.factories import CALLBACK
from tests.oauth import dance
from tests.oauth.conftest import enter


def events(kind):
    return db.query(Event).filter(Event.kind == kind).count()


@pytest.mark.standard("K-01")
def test_the_page_says_who_asks_for_what_and_where_it_leads(signed_in, bob):
    app = factories.make_client(
        bob, name="Fieldnotes", scopes=("account:read", "account:write", "authorizations:write")
    )

    page = dance.authorize(signed_in, app, scope="account:read account:write")

    text = page.text
    for words in (
        "Fieldnotes wants to use your Latchkey account",
        "By <b>Bob</b>",
        "https://app.example.com",
        "Not verified by Latchkey",
        "Signed in as",
        "alice@example.com",
        "Not you?",
        "See your name and e-mail address",
        "Change your name",
        "Look, but not change",
        "Make changes",
        "180 days",
        "app.example.com</b>",
        ">Authorize</button>",
        ">Cancel</button>",
    ):
        assert words in text, words
    assert "authorizations:write" not in text
    assert "bob@example.com" not in text
    assert page.headers["Cache-Control"] == "no-store"
    assert "Cookie" in page.headers["Vary"]


NEW_HERE = "<b>This app is new here.</b> Continue only if you know who runs it."


def test_an_app_is_new_for_30_days(signed_in, bob, clock):
    app = factories.make_client(bob)

    assert NEW_HERE in dance.authorize(signed_in, app).text
    clock.move(days=30, seconds=1)
    pages.sign_in(signed_in, users.find_by_email("alice@example.com"))
    assert NEW_HERE not in dance.authorize(signed_in, app).text


def test_an_app_is_new_until_ten_people_use_it(signed_in, bob):
    app = factories.make_client(bob)
    people = [factories.make_user(f"person{number}@example.com") for number in range(10)]
    for person in people[:9]:
        grants.allow(person, app.client, frozenset({"account:read"}))
    db.commit()

    assert NEW_HERE in dance.authorize(signed_in, app).text
    grants.allow(people[9], app.client, frozenset({"account:read"}))
    db.commit()
    assert NEW_HERE not in dance.authorize(signed_in, app).text


def test_an_app_of_the_operator_is_not_new(signed_in, bob):
    app = factories.make_client(bob, trusted=True)

    assert NEW_HERE not in dance.authorize(signed_in, app, prompt="consent").text


def test_a_sensitive_scope_is_marked(signed_in, bob):
    app = factories.make_client(bob, scopes=("account:read", "tokens:write"), trusted=True)

    page = dance.authorize(signed_in, app, scope="tokens:write", prompt="consent")

    assert "Sensitive" in page.text
    assert "Verified by Latchkey" in page.text


@pytest.mark.standard("J-04")
def test_what_an_owner_typed_stands_apart_from_what_we_say(signed_in, bob, db):
    """“By Acme GmbH. Verified by Latchkey.” could be typed when both were one sentence."""
    bob.name = "Acme GmbH. Trusted by us"
    db.commit()
    app = factories.make_client(bob)

    page = dance.authorize(signed_in, app)

    assert "By <b>Acme GmbH. Trusted by us</b>" in page.text
    assert '<span class="tag">Not verified by Latchkey</span>' in page.text


@pytest.mark.standard("J-04")
@pytest.mark.parametrize("name", ["Latchkey Security", "Acme \N{CHECK MARK} Verified"])
def test_an_owner_who_was_called_like_us_before_is_not_named(signed_in, bob, db, name):
    bob.name = name
    db.commit()

    page = dance.authorize(signed_in, factories.make_client(bob))

    assert name not in page.text
    assert "By <b>a developer whose name could pass for ours</b>" in page.text


@pytest.mark.standard("J-04")
def test_an_app_name_is_text(signed_in, bob):
    app = factories.make_client(bob, name="<script>alert(1)</script>")

    page = dance.authorize(signed_in, app)

    assert "<script>alert(1)</script>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


@pytest.mark.standard("N-05")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "uri, words",
    [
        (CALLBACK, "app.example.com</b>"),
        ("https://app.example.com:8443/x?y", "app.example.com:8443</b>"),
        ("http://127.0.0.1:4711/cb", "a program on this device"),
        ("http://[::1]:4711/cb", "a program on this device"),
        ("com.example.app:/cb", "a program on this device"),
    ],
)
def test_the_policy_says_nothing_of_where_the_form_ends(signed_in, bob, uri, words):
    app = factories.make_client(bob, redirect_uris=(uri.replace(":4711", ""),))

    page = dance.authorize(signed_in, app, redirect_uri=uri)

    directives = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert "form-action" not in directives
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert words in page.text


@pytest.mark.standard("J-05", "K-02")
def test_the_second_visit_asks_for_what_is_new(signed_in, bob):
    app = factories.make_client(bob, scopes=("account:read", "account:write"))
    dance.code(signed_in, app)

    page = dance.authorize(signed_in, app, scope="account:read account:write")

    assert page.text.count(">New</span>") == 1
    assert "It may already" in page.text and ">Already allowed</span>" not in page.text


@pytest.mark.standard("K-02")
def test_the_same_or_less_is_not_asked_again_of_a_confidential_app(signed_in, bob):
    app = factories.make_client(bob, scopes=("account:read", "account:write"))
    dance.code(signed_in, app, scope="account:read account:write")

    answer = dance.authorize(signed_in, app, scope="account:write")

    assert "code" in dance.back(answer).parameters
    assert events(EventKind.AUTHORIZED) == 1


@pytest.mark.standard("K-02")
def test_a_public_app_asks_every_time(signed_in, bob):
    app = factories.make_client(bob, confidential=False)
    dance.code(signed_in, app)

    assert dance.authorize(signed_in, app).status_code == 200


def test_a_trusted_app_is_not_asked_for(signed_in, bob):
    app = factories.make_client(bob, trusted=True)

    assert "code" in dance.back(dance.authorize(signed_in, app)).parameters
    assert events(EventKind.AUTHORIZED) == 1


@pytest.mark.standard("K-02")
def test_of_an_app_that_is_trusted_no_more_people_are_asked_what_nobody_asked_them_before(signed_in, bob):
    app = factories.make_client(bob, scopes=("account:read", "activity:read"), trusted=True)
    assert "code" in dance.back(dance.authorize(signed_in, app)).parameters
    clients.trust(clients.lock(app.client.id), on=False)
    db.commit()

    page = dance.authorize(signed_in, app)
    silent = dance.back(dance.authorize(signed_in, app, prompt="none"))

    assert page.status_code == 200
    assert silent.parameters["error"] == "consent_required"
    assert "wants to use" in page.text
    dance.decide(signed_in, page)
    assert "code" in dance.back(dance.authorize(signed_in, app)).parameters


@pytest.mark.standard("K-02")
def test_what_people_agreed_to_before_an_app_was_trusted_they_are_not_asked_again(signed_in, bob):
    app = factories.make_client(bob, scopes=("account:read", "activity:read"))
    dance.decide(signed_in, dance.authorize(signed_in, app, scope="account:read"))
    clients.trust(clients.lock(app.client.id), on=True)
    db.commit()
    assert "code" in dance.back(dance.authorize(signed_in, app)).parameters
    clients.trust(clients.lock(app.client.id), on=False)
    db.commit()

    assert "code" in dance.back(dance.authorize(signed_in, app, scope="account:read")).parameters
    assert dance.authorize(signed_in, app, scope="activity:read").status_code == 200


@pytest.mark.standard("B-09", "K-04")
def test_cancel_says_so_and_leaves_nothing(signed_in, alice, example_client):
    back = dance.back(dance.decide(signed_in, dance.authorize(signed_in, example_client), "deny"))

    assert back.uri == CALLBACK
    assert back.parameters["error"] == "access_denied"
    assert back.parameters["error_description"] == "The person did not agree."
    assert back.parameters["state"] == "xyz"
    assert back.parameters["iss"] == "http://localhost"
    assert db.query(Grant).count() == db.query(Authorization).count() == 0
    assert events(EventKind.AUTHORIZATION_DENIED) == 1


@pytest.mark.standard("K-03")
@pytest.mark.parametrize("decision", ["", "yes", "Allow"])
def test_anything_but_allow_is_no(signed_in, example_client, decision):
    answer = dance.decide(signed_in, dance.authorize(signed_in, example_client), decision)

    assert dance.back(answer).parameters["error"] == "access_denied"


@pytest.mark.standard("B-13")
def test_the_form_cannot_change_the_request(signed_in, bob):
    app = factories.make_client(
        bob, scopes=("account:read", "account:write"), redirect_uris=(CALLBACK, "https://app.example.com/other")
    )
    other = factories.make_client(bob, name="Other")
    page = dance.authorize(signed_in, app)

    answer = dance.decide(
        signed_in,
        page,
        scope="account:write",
        client_id=other.client.id,
        redirect_uri="https://app.example.com/other",
        state="forged",
        code_challenge="b" * 43,
        resource="https://evil.example",
    )

    back = dance.back(answer)
    assert back.uri == CALLBACK
    assert back.parameters["state"] == "xyz"
    assert db.query(Grant).one().scope == "account:read"
    assert db.query(Grant).one().client_id == app.client.id
    assert dance.redeem(signed_in.application.test_client(), app, back.parameters["code"]).status_code == 200


@pytest.mark.standard("B-13")
def test_a_second_click_leads_to_the_same_place(signed_in, caller, mailbox, example_client):
    page = dance.authorize(signed_in, example_client)
    first = dance.decide(signed_in, page)

    second = dance.decide(signed_in, page)

    assert second.status_code == 303
    assert second.headers["Location"] == first.headers["Location"]
    assert db.query(Grant).count() == 1
    assert events(EventKind.AUTHORIZED) == len(mailbox.letters("alice@example.com")) == 1
    assert dance.redeem(caller, example_client, dance.back(second).parameters["code"]).status_code == 200


@pytest.mark.parametrize("wait", [0, 61])
def test_a_second_click_gets_another_code_when_the_first_is_used_up(signed_in, caller, example_client, clock, wait):
    """A slow callback has redeemed the first one: the same code again would end the grant as a replay."""
    page = dance.authorize(signed_in, example_client)
    first = dance.back(dance.decide(signed_in, page))
    issued = dance.redeem(caller, example_client, first.parameters["code"]).json
    clock.move(seconds=wait)

    second = dance.back(dance.decide(signed_in, page))

    assert second.uri == first.uri
    assert second.parameters["state"] == first.parameters["state"]
    assert second.parameters["code"] != first.parameters["code"]
    assert db.query(Grant).count() == 1
    assert dance.redeem(caller, example_client, second.parameters["code"]).status_code == 200
    assert dance.works(caller, issued["access_token"])


def test_a_second_click_on_cancel_leads_to_the_same_place(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    first = dance.decide(signed_in, page, "deny")

    assert dance.decide(signed_in, page, "deny").headers["Location"] == first.headers["Location"]
    assert events(EventKind.AUTHORIZATION_DENIED) == 1


@pytest.mark.parametrize(
    "first, second, words", [("allow", "deny", "You authorized Example"), ("deny", "allow", "You said no")]
)
def test_another_answer_to_the_same_question_is_told_what_was_answered(signed_in, example_client, first, second, words):
    page = dance.authorize(signed_in, example_client)
    dance.decide(signed_in, page, first)

    answer = dance.decide(signed_in, page, second)

    assert answer.status_code == 400
    assert "This request is over" in answer.text
    assert words in answer.text
    assert db.query(Grant).count() == (1 if first == "allow" else 0)


@pytest.mark.parametrize("end", ["withdrawn", "cut off", "suspended"])
def test_a_second_click_brings_back_nothing_that_was_taken_back(signed_in, alice, example_client, end):
    page = dance.authorize(signed_in, example_client)
    dance.decide(signed_in, page)
    client = clients.find(example_client.client.id)
    {
        "withdrawn": lambda: grants.withdraw(grants.find_authorization(alice, client)),
        "cut off": lambda: grants.withdraw_all(client),
        "suspended": lambda: clients.suspend(client),
    }[end]()
    db.commit()

    answer = dance.decide(signed_in, page)

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert grants.count_for(client) == (1 if end == "suspended" else 0)
    assert db.query(Grant).count() == 1


def test_a_late_second_click_is_too_late(signed_in, example_client, clock):
    page = dance.authorize(signed_in, example_client)
    dance.decide(signed_in, page)
    clock.move(minutes=10, seconds=1)

    answer = dance.decide(signed_in, page)

    assert answer.status_code == 400
    assert "Nothing was changed" not in answer.text


def test_a_second_click_after_the_secret_key_was_replaced_is_no_fault(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    dance.decide(signed_in, page)
    db.query(PendingConsent).one().answer = "sealed by another key"
    db.commit()

    assert dance.decide(signed_in, page).status_code == 400


def test_no_code_lies_open_in_what_is_kept_for_a_second_click(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    code = dance.back(dance.decide(signed_in, page)).parameters["code"]

    kept = db.query(PendingConsent).one()
    assert kept.answer
    assert code not in kept.answer


@pytest.mark.settings(quota_pending=3)
def test_a_session_has_so_many_questions_and_the_oldest_gives_way(signed_in, example_client):
    asked = [dance.authorize(signed_in, example_client, state=str(number)) for number in range(5)]

    assert db.query(PendingConsent).count() == 3
    assert [dance.decide(signed_in, page).status_code for page in asked] == [400, 400, 303, 303, 303]


def test_nobody_costs_a_row_before_sign_in(client, example_client):
    for number in range(3):
        dance.authorize(client, example_client, state=str(number) * 1000)

    assert db.query(PendingConsent).count() == 0


@pytest.mark.standard("B-13")
def test_a_handle_waits_for_ten_minutes(signed_in, example_client, clock):
    page = dance.authorize(signed_in, example_client)
    clock.move(minutes=10, seconds=1)

    assert dance.decide(signed_in, page).status_code == 400


@pytest.mark.standard("B-13", "K-08")
def test_a_handle_is_of_no_use_to_anybody_else(app, signed_in, alice, bobs_browser, example_client):
    page = dance.authorize(signed_in, example_client)
    another = enter(app.test_client(), alice)

    for browser in (bobs_browser, another):
        token = pages.csrf(dance.authorize(browser, example_client))
        fields = {"csrf_token": token, "handle": dance.handle(page), "decision": "allow"}
        assert browser.post("/oauth/authorize", data=fields).status_code == 400
    assert db.query(Grant).count() == 0
    assert dance.decide(signed_in, page).status_code == 303


@pytest.mark.parametrize("handle", ["", "x", "\x00", "é", "x" * 10_000])
def test_a_made_up_handle_is_refused(signed_in, example_client, handle):
    token = pages.csrf(dance.authorize(signed_in, example_client))

    answer = signed_in.post("/oauth/authorize", data={"csrf_token": token, "handle": handle, "decision": "allow"})

    assert answer.status_code == 400


@pytest.mark.standard("K-03")
def test_no_decision_without_csrf_token_or_from_elsewhere(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    fields = {"handle": dance.handle(page), "decision": "allow"}

    without = signed_in.post("/oauth/authorize", data=fields)
    wrong = signed_in.post("/oauth/authorize", data=fields | {"csrf_token": "x"})
    elsewhere = signed_in.post(
        "/oauth/authorize",
        data=fields | {"csrf_token": pages.csrf(page)},
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    )

    assert (without.status_code, wrong.status_code, elsewhere.status_code) == (400, 400, 403)
    assert db.query(Grant).count() == 0


@pytest.mark.standard("K-08")
def test_a_decision_after_signing_out_counts_for_nothing(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)
    signed_in.post("/logout", data={"csrf_token": pages.csrf(page)})

    assert dance.decide(signed_in, page).status_code == 400
    assert db.query(Grant).count() == 0


@pytest.mark.standard("K-01")
def test_not_you_signs_out_and_starts_the_same_request_again(signed_in, bob, example_client):
    page = dance.authorize(signed_in, example_client, state="a b+é&")

    answer = dance.decide(signed_in, page, "switch")

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login?next=")
    way_back = signed_in.get(answer.headers["Location"]).text
    assert "Example" in way_back
    assert dance.authorize(signed_in, example_client).headers["Location"].startswith("/login")
    enter(signed_in, bob)
    page = signed_in.get(answer.headers["Location"], follow_redirects=True)
    assert "bob@example.com" in page.text
    assert dance.back(dance.decide(signed_in, page)).parameters["state"] == "a b+é&"


@pytest.mark.standard("K-07")
def test_the_first_time_is_worth_a_letter(signed_in, mailbox, example_client):
    dance.code(signed_in, example_client)
    dance.code(signed_in, example_client, prompt="consent")

    letters = mailbox.letters("alice@example.com")
    assert len(letters) == 1
    assert "Example" in letters[0].subject + letters[0].text


@pytest.mark.standard("B-17")
def test_a_scope_that_the_app_lost_meanwhile_is_refused(signed_in, bob):
    app = factories.make_client(bob, scopes=("account:read", "account:write"))
    page = dance.authorize(signed_in, app, scope="account:write")
    found = clients.find(app.client.id)
    found.scope = "account:read"
    db.commit()

    assert dance.back(dance.decide(signed_in, page)).parameters["error"] == "invalid_scope"


def test_a_scope_that_makes_credentials_is_not_granted_after_trust_was_taken_back(signed_in, bob):
    app = factories.make_client(bob, scopes=("account:read", "tokens:write"), trusted=True)
    found = clients.find(app.client.id)
    found.trusted = False
    db.commit()

    assert dance.back(dance.authorize(signed_in, app, scope="tokens:write")).parameters["error"] == "invalid_scope"
    assert grants.count_for(app.client) == 0
