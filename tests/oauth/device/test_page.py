"""The device flow (RFC 8628): a code read off a device, typed in a browser, redeemed once by the device that asked."""

import re
from datetime import timedelta
from functools import partial

import pytest

from latchkey import clients, credentials, grants
from latchkey import clock as real_clock
from latchkey.accounts import limits, sessions, users
from latchkey.clients import Cause
from latchkey.credentials import Kind
from latchkey.grants import Authorization, Grant
from latchkey.journal.refusals import Refusal
from latchkey.safety import leaks, lockdown, shutdown
from latchkey.store.session import db
from latchkey.tokens import Token
from latchkey.tokens.issued import device_codes, issuing
from latchkey.tokens.issued.device_codes import DeviceCode
from latchkey.values import Limit
from tests import apis, factories, pages
from tests.crowd import at_once
from tests.oauth import dance
from tests.oauth.conftest import enter
from tests.oauth.dance import agree, begin, poll, type_code

SCOPES = ("account:read", "activity:read")

pytestmark = pytest.mark.standard("Q-04")


@pytest.fixture
def tool(bob):
    """A command-line tool of Bob's."""
    return factories.make_client(bob, name="Tool", scopes=SCOPES, confidential=False, device_flow=True)


def said(answer):
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.json.get("error")


def test_a_device_is_signed_in_from_a_browser(signed_in, caller, tool):
    answer = begin(caller, tool)
    begun = answer.json

    assert answer.headers["Cache-Control"] == "no-store"
    assert credentials.kind_of(begun["device_code"]) is Kind.DEVICE
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", begun["user_code"])
    assert begun["verification_uri"] == "http://localhost/device"
    assert begun["verification_uri_complete"] == f"http://localhost/device?user_code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert said(poll(caller, tool, begun["device_code"])) == (400, "authorization_pending")

    done = agree(signed_in, begun)

    assert "Your device is signed in" in done.text
    tokens = poll(caller, tool, begun["device_code"])
    assert tokens.status_code == 200
    assert tokens.json["scope"].split() == list(SCOPES)
    assert dance.works(caller, tokens.json["access_token"])
    assert dance.refresh(caller, tool, tokens.json["refresh_token"]).status_code == 200
    kept = db.query(DeviceCode).one()
    assert kept.digest == credentials.digest(begun["device_code"])
    assert begun["device_code"] not in repr(vars(kept))


def test_what_a_device_was_given_is_described_like_any_other(signed_in, caller, bob, tool):
    service = factories.make_client(bob, name="Service")
    given = poll(caller, tool, dance.agreed(signed_in, caller, tool)).json

    told = [
        dance.post(caller, "/oauth/introspect", service, token=given[kind]).json
        for kind in ("access_token", "refresh_token")
    ]
    shown = caller.get("/v1/token", headers={"Authorization": f"Bearer {given['access_token']}"})

    assert [answer["active"] for answer in told] == [True, False]
    assert told[0]["exp"] - told[0]["iat"] == 3_600
    assert shown.json["created_at"].endswith("Z")
    assert "+" not in shown.json["created_at"]


def test_a_confidential_app_signs_in_devices_too(signed_in, caller, bob):
    server = factories.make_client(bob, name="Kiosk", device_flow=True)
    begun = begin(caller, server).json

    agree(signed_in, begun)

    assert said(poll(caller, server, begun["device_code"], headers={}, client_id=server.client.id))[0] == 401
    assert poll(caller, server, begun["device_code"]).status_code == 200


@pytest.mark.standard("Q-05")
def test_the_page_shows_the_code_who_asks_and_the_warning(signed_in, caller, alice, tool):
    begun = begin(caller, tool).json

    page = type_code(signed_in, begun["user_code"].lower().replace("-", " "))

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    for words in (
        begun["user_code"],
        "Tool wants to use",
        "Bob",
        "Only continue if you started this yourself",
        alice.email,
    ):
        assert words in page.text
    assert "takes you back" not in page.text
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.standard("Q-05")
def test_a_link_fills_the_field_and_no_more(signed_in, caller, tool):
    begun = begin(caller, tool).json

    page = signed_in.get(begun["verification_uri_complete"].removeprefix("http://localhost"))

    assert f'value="{begun["user_code"]}"' in page.text
    assert "Tool" not in page.text
    assert db.query(DeviceCode).one().user_id is None
    for other in ("XXXX", "<script>", "A" * 5000, "BCDF-GHJA", "%00", "ſſſſſſſſ"):
        assert 'value=""' in signed_in.get("/device", query_string={"user_code": other}).text


@pytest.mark.standard("Q-05", "N-01")
def test_nothing_is_decided_without_the_forms_token(signed_in, caller, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])

    assert signed_in.post("/device", data={"code": begun["user_code"]}).status_code == 400
    without = {"handle": dance.handle(page), "decision": "allow"}
    assert signed_in.post("/device/decision", data=without).status_code == 400

    assert said(poll(caller, tool, begun["device_code"])) == (400, "authorization_pending")


def test_whoever_is_not_signed_in_does_so_first_and_comes_back(client):
    answer = client.get("/device?user_code=BCDF-GHJK")

    assert answer.status_code in {302, 303}
    assert "/login?next=" in answer.headers["Location"]
    assert "user_code" in answer.headers["Location"]


@pytest.mark.standard("Q-05")
def test_signing_in_for_a_device_says_so_with_the_warning_and_names_no_app(client, caller, tool, alice):
    begun = begin(caller, tool).json
    page = client.get(client.get(f"/device?user_code={begun['user_code']}").headers["Location"])

    assert "<h1>Sign in to connect a device</h1>" in page.text
    assert "Only type a code that you asked for yourself." in page.text
    assert "Tool" not in page.text
    fields = {"email": alice.email, "password": factories.PASSWORD, "next": pages.hidden(page, "next")}
    wrong = client.post("/login", data={"csrf_token": pages.csrf(page), **fields, "password": "wrong"})
    assert "Sign in to connect a device" in wrong.text
    right = client.post("/login", data={"csrf_token": pages.csrf(wrong), **fields})
    back = client.get(right.headers["Location"])
    assert f'value="{begun["user_code"]}"' in back.text
    assert "Tool" not in back.text


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["/tokens", "/device/else", "/devices", "/?next=/device", "//device", "/oauth"])
def test_signing_in_for_anything_else_says_nothing_of_a_device(client, path):
    assert "connect a device" not in client.get("/login", query_string={"next": path}).text


def test_an_address_that_is_not_verified_comes_first(app, db):
    eve = factories.make_user("eve@example.com", verified=False)
    browser = enter(app.test_client(), eve)

    assert browser.get("/device").headers["Location"].startswith("/verify-email")


@pytest.mark.parametrize("wrong", ["", "BCDF-GHJK", "x", "A" * 100_000, "\0", "BCDFGHJ\u212a", "BCDF GHJK L"])
def test_a_wrong_code_is_told_alike(signed_in, caller, tool, wrong):
    begin(caller, tool)

    page = type_code(signed_in, wrong)

    assert page.status_code in (422, 400, 413)
    assert "Tool wants" not in page.text


@pytest.mark.standard("Q-05")
def test_a_code_belongs_to_who_typed_it_first(signed_in, bobs_browser, caller, alice, tool):
    begun = begin(caller, tool).json
    hers = type_code(signed_in, begun["user_code"])

    his = type_code(bobs_browser, begun["user_code"])

    assert his.status_code == 422
    stolen = {"csrf_token": pages.csrf(his), "handle": dance.handle(hers), "decision": "allow"}
    assert bobs_browser.post("/device/decision", data=stolen).status_code == 409
    assert said(poll(caller, tool, begun["device_code"])) == (400, "authorization_pending")
    assert dance.answer_device(signed_in, hers).status_code == 200
    token = poll(caller, tool, begun["device_code"]).json["access_token"]
    checked = caller.get("/oauth/check", headers={"Authorization": f"Bearer {token}"})
    assert checked.headers["X-Auth-User-Id"] == alice.id


@pytest.mark.standard("K-08")
def test_who_switches_accounts_leaves_the_code_for_the_next(signed_in, bobs_browser, caller, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])

    answer = dance.answer_device(signed_in, page, "switch")

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login?next=/device?user_code")
    assert "/login" in signed_in.get("/settings").headers["Location"]
    agree(bobs_browser, begun)


@pytest.mark.standard("K-04")
def test_no_is_told_to_the_device_and_leaves_nothing(signed_in, caller, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])

    said_no = dance.answer_device(signed_in, page, "deny")

    assert "Your device is not signed in" in said_no.text
    assert said(poll(caller, tool, begun["device_code"])) == (400, "access_denied")
    assert db.query(Grant).count() == db.query(Authorization).count() == 0
    assert dance.answer_device(signed_in, page, "allow").status_code == 409
    assert said(poll(caller, tool, begun["device_code"])) == (400, "access_denied")


def test_the_same_answer_twice_is_one_sign_in(signed_in, caller, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])

    first, second = dance.answer_device(signed_in, page), dance.answer_device(signed_in, page)

    assert first.status_code == second.status_code == 200
    assert db.query(Grant).count() == 1
    assert dance.answer_device(signed_in, page, "deny").status_code == 409


@pytest.mark.standard("K-06")
def test_people_give_less_and_for_a_while(signed_in, caller, bob):
    tool = factories.make_client(
        bob, scopes=SCOPES, optional_scopes=["activity:read"], confidential=False, device_flow=True
    )
    begun = begin(caller, tool).json

    agree(signed_in, begun, scope=[], lasts="1h")

    tokens = poll(caller, tool, begun["device_code"]).json
    assert tokens["scope"] == "account:read"
    assert db.query(Grant).one().expires_at <= real_clock.now() + timedelta(hours=1)


@pytest.mark.standard("K-02")
def test_a_device_is_always_asked_for(signed_in, caller, bob):
    server = factories.make_client(bob, scopes=SCOPES, device_flow=True, trusted=True)
    agree(signed_in, begin(caller, server).json)

    page = type_code(signed_in, begin(caller, server).json["user_code"])

    assert "Only continue if you started this yourself" in page.text
    assert page.text.count('<div class="scope scope--fixed">') == len(SCOPES)


def test_what_changed_meanwhile_is_asked_again(signed_in, caller, app, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])
    with app.app_context():
        client = clients.lock(tool.client.id)
        client.name = "Your Bank"
        db.commit()

    again = dance.answer_device(signed_in, page)

    assert "This app was changed" in again.text
    assert "Your Bank wants to use" in again.text
    assert said(poll(caller, tool, begun["device_code"])) == (400, "authorization_pending")
    assert dance.answer_device(signed_in, page).status_code == 409
    assert dance.answer_device(signed_in, again).status_code == 200


def test_what_the_app_may_no_longer_ask_for_is_not_granted(signed_in, caller, app, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])
    with app.app_context():
        clients.lock(tool.client.id).scope = "activity:read"
        db.commit()

    dance.answer_device(signed_in, page)

    assert poll(caller, tool, begun["device_code"]).json["scope"] == "activity:read"


@pytest.mark.usefixtures("two_apis")
def test_a_device_names_its_api(signed_in, caller, bob):
    tool = factories.make_client(bob, scopes=["account:read", "projects:read"], confidential=False, device_flow=True)
    assert said(begin(caller, tool, resource="https://nowhere.example")) == (400, "invalid_target")
    narrow = begin(caller, tool, resource=apis.PROJECTS, scope="account:read")
    assert said(narrow) == (400, "invalid_scope")
    begun = begin(caller, tool, resource=apis.PROJECTS).json

    agree(signed_in, begun)

    other = poll(caller, tool, begun["device_code"], resource="http://localhost")
    assert said(other) == (400, "invalid_target")
    assert poll(caller, tool, begun["device_code"]).json["scope"] == "projects:read"


@pytest.mark.parametrize(
    "fields, error",
    [
        ({"scope": "nothing:here"}, "invalid_scope"),
        ({"scope": "account:read\taccount:read"}, "invalid_scope"),
        ({"scope": "account:write"}, "invalid_scope"),
        ({"client_secret": "lk_sec_x"}, "invalid_client"),
        ({"client_id": "app_nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
    ],
)
def test_a_bad_beginning_makes_no_code(caller, tool, fields, error):
    answer = begin(caller, tool, **{"client_id": tool.client.id, **fields}, headers={})

    assert answer.json["error"] == error
    assert db.query(DeviceCode).count() == 0


def test_a_doubled_parameter_is_refused(caller, tool):
    for name in ("client_id", "scope", "device_code"):
        answer = caller.post("/oauth/device_authorization", data={"client_id": tool.client.id, name: ["a", "b"]})
        assert said(answer) == (400, "invalid_request")
    in_the_address = caller.post(f"/oauth/device_authorization?client_id={tool.client.id}")
    assert said(in_the_address)[1] in ("invalid_request", "invalid_client")


def test_an_app_that_was_not_let_signs_in_no_device(signed_in, caller, app, example_client, tool):
    assert said(begin(caller, example_client)) == (400, "unauthorized_client")
    assert said(poll(caller, example_client, "x")) == (400, "unauthorized_client")
    begun = begin(caller, tool).json
    with app.app_context():
        clients.lock(tool.client.id).device_flow = False
        db.commit()

    assert type_code(signed_in, begun["user_code"]).status_code == 422
    assert said(poll(caller, tool, begun["device_code"])) == (400, "unauthorized_client")


@pytest.mark.parametrize("wrong", ["x", "lk_dvc_x", "\0", "é" * 50, "x" * 60_000])
def test_a_code_that_is_none_is_refused(caller, tool, wrong):
    assert said(poll(caller, tool, wrong)) in {(400, "invalid_grant"), (400, "invalid_request")}


def test_no_other_kind_of_credential_is_a_device_code(signed_in, caller, tool, bob):
    begun = begin(caller, tool).json
    other = factories.make_client(bob, name="Other", confidential=False, device_flow=True)
    agree(signed_in, begun)

    assert said(poll(caller, other, begun["device_code"])) == (400, "invalid_grant")
    assert said(poll(caller, tool, credentials.generate(Kind.ACCESS))) == (400, "invalid_grant")
    assert said(poll(caller, tool, "")) == (400, "invalid_request")
    assert not dance.works(caller, begun["device_code"])
    assert poll(caller, tool, begun["device_code"]).status_code == 200


def test_whoever_asks_too_often_is_told_to_slow_down(clock, caller, tool):
    begun = begin(caller, tool).json

    assert said(poll(caller, tool, begun["device_code"])) == (400, "authorization_pending")
    clock.move(seconds=2)
    assert said(poll(caller, tool, begun["device_code"])) == (400, "slow_down")
    clock.move(seconds=6)
    assert said(poll(caller, tool, begun["device_code"])) == (400, "slow_down")
    clock.move(seconds=15)
    assert said(poll(caller, tool, begun["device_code"])) == (400, "authorization_pending")
    for _ in range(30):
        poll(caller, tool, begun["device_code"])
    assert db.query(DeviceCode).one().interval == 60


def test_asking_again_is_nothing_for_the_owners_log(caller, tool):
    begun = begin(caller, tool).json
    for _ in range(3):
        poll(caller, tool, begun["device_code"])

    assert db.query(Refusal).count() == 0


def test_a_code_that_expired_is_told_so_and_is_typed_in_vain(signed_in, caller, clock, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])
    clock.move(minutes=10)

    assert said(poll(caller, tool, begun["device_code"])) == (400, "expired_token")
    assert dance.answer_device(signed_in, page).status_code == 409
    assert type_code(signed_in, begun["user_code"]).status_code == 422
    assert db.query(Grant).count() == 0


def test_who_agrees_at_the_last_moment_still_signs_the_device_in(signed_in, caller, clock, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])
    clock.move(minutes=9, seconds=59)
    dance.answer_device(signed_in, page)
    clock.move(seconds=5)

    assert poll(caller, tool, begun["device_code"]).status_code == 200


@pytest.mark.standard("C-07")
def test_a_device_code_used_twice_ends_the_grant(signed_in, caller, tool, mailbox):
    begun = begin(caller, tool).json
    agree(signed_in, begun)
    tokens = poll(caller, tool, begun["device_code"]).json

    assert said(poll(caller, tool, begun["device_code"])) == (400, "invalid_grant")

    assert not dance.works(caller, tokens["access_token"])
    assert dance.refresh(caller, tool, tokens["refresh_token"]).status_code == 400


@pytest.fixture(params=["app", "owner", "user", "withdrawn", "password", "reported"])
def end(request, app, alice, bob, tool):
    """Ends what a device could still get, in one of the ways there are."""

    def ended(device_code):
        with app.app_context():
            if request.param == "app":
                shutdown.suspend(clients.find(tool.client.id), Cause.ADMINISTRATOR)
            elif request.param == "owner":
                lockdown.suspend(users.find(bob.id))
            elif request.param == "user":
                lockdown.suspend(users.find(alice.id))
            elif request.param == "withdrawn":
                for authorization in db.query(Authorization):
                    grants.withdraw(authorization)
            elif request.param == "password":
                users.find(alice.id).password_changed_at = real_clock.now() + timedelta(seconds=1)
            else:
                assert leaks.report(device_code)
            db.commit()

    return ended


def test_what_ends_meanwhile_is_refused_at_once(signed_in, caller, tool, end):
    begun = begin(caller, tool).json
    agree(signed_in, begun)

    end(begun["device_code"])

    assert said(poll(caller, tool, begun["device_code"]))[0] in (400, 401)
    assert db.query(DeviceCode).one().consumed_at is None


@pytest.mark.standard("M-01", "Q-05")
@pytest.mark.parametrize("how", ["here", "everywhere else", "new password"])
def test_what_was_agreed_to_in_a_session_ends_with_it(signed_in, caller, alice, tool, how):
    begun = begin(caller, tool).json
    agree(signed_in, begun)
    with signed_in.application.app_context():
        user, (agreed,) = users.find(alice.id), sessions.list_live(alice)
        if how == "here":
            sessions.end(agreed)
        elif how == "everywhere else":
            sessions.end_all(user, keep=sessions.open(user))
        else:
            lockdown.change_password(user, user.password_hash)
        db.commit()

    assert said(poll(caller, tool, begun["device_code"])) == (400, "invalid_grant")
    assert db.query(DeviceCode).one().consumed_at is None


@pytest.mark.standard("M-01")
def test_a_session_that_ends_while_its_device_redeems_lets_it_have_nothing(app, signed_in, caller, alice, tool):
    code = dance.agreed(signed_in, caller, tool)
    with app.app_context():
        found = device_codes.find(code)
        sessions.end_all(users.find(alice.id))
        db.commit()

        under = issuing.Under(str(found.grant_id), found.user_id, found.grant_expires_at, frozenset(SCOPES))
        assert device_codes.exchange(found, under) is None
    assert db.query(Token).count() == 0


def test_what_was_asked_before_a_suspension_is_over_after_it(signed_in, caller, app, tool):
    begun = begin(caller, tool).json
    page = type_code(signed_in, begun["user_code"])
    with app.app_context():
        shutdown.suspend(clients.find(tool.client.id), Cause.ADMINISTRATOR)
        db.commit()
    assert dance.answer_device(signed_in, page).status_code == 409
    with app.app_context():
        shutdown.restore(clients.find(tool.client.id), Cause.ADMINISTRATOR)
        db.commit()

    assert dance.answer_device(signed_in, page).status_code == 409
    assert type_code(signed_in, begun["user_code"]).status_code == 422
    assert said(poll(caller, tool, begun["device_code"])) == (400, "expired_token")


def test_guessing_is_slowed_and_a_code_of_ones_own_does_not_begin_the_count_anew(signed_in, caller, tool):
    begun = begin(caller, tool).json
    answers = []
    for _ in range(12):
        type_code(signed_in, begun["user_code"])
        answers.append(type_code(signed_in, "BCDF-GHJK"))

    assert [answer.status_code for answer in answers] == [422] * 10 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_many_accounts_of_one_network_are_slowed_together(app, signed_in, bobs_browser, monkeypatch):
    monkeypatch.setattr(limits, "NETWORK", (Limit(3, timedelta(minutes=1)),))
    for _ in range(3):
        assert type_code(signed_in, "BCDF-GHJK").status_code == 422

    assert type_code(bobs_browser, "BCDF-GHJK").status_code == 429


def test_strangers_cannot_fill_the_table_nor_shut_others_out(app, caller, tool, monkeypatch):
    monkeypatch.setattr(limits, "DEVICES_EVERYWHERE", (Limit(40, timedelta(minutes=10)),))
    answers = [begin(caller, tool) for _ in range(32)]

    assert [answer.status_code for answer in answers].count(200) == 30
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    elsewhere = [begin(Elsewhere(caller, f"198.51.100.{number}"), tool).status_code for number in range(1, 20)]
    assert elsewhere == [200] * 19


class Elsewhere:
    """The same program at another address."""

    def __init__(self, caller, address):
        self.caller, self.address = caller, address

    def post(self, *args, **named):
        return self.caller.post(*args, **named, environ_base={"REMOTE_ADDR": self.address})


def test_the_oldest_unanswered_give_way(caller, bob, monkeypatch):
    monkeypatch.setattr(device_codes, "MOST", 3)
    server = factories.make_client(bob, device_flow=True)
    begun = [begin(caller, server).json for _ in range(5)]

    assert db.query(DeviceCode).count() == 3
    assert said(poll(caller, server, begun[0]["device_code"])) == (400, "invalid_grant")
    assert said(poll(caller, server, begun[4]["device_code"])) == (400, "authorization_pending")


def test_codes_are_cleared_away_in_the_end(app, signed_in, caller, clock, tool):
    agree(signed_in, begin(caller, tool).json)
    begin(caller, tool)
    clock.move(days=1, minutes=11)
    with app.app_context():
        device_codes.purge()
        db.commit()

    assert db.query(DeviceCode).count() == db.query(Grant).count() == 0


def test_two_user_codes_are_never_the_same(caller, tool, monkeypatch):
    codes = iter(["BCDFGHJK", "BCDFGHJK", "BCDFGHJL"])
    monkeypatch.setattr(credentials, "user_code", lambda: next(codes))

    assert [begin(caller, tool).json["user_code"] for _ in range(2)] == ["BCDF-GHJK", "BCDF-GHJL"]


THREADS, ROUNDS = 16, 4


@pytest.mark.slow("many threads meet, round after round")
def test_one_of_many_redeems_a_device_code(app, signed_in, caller, tool):
    for _ in range(ROUNDS):
        begun = begin(caller, tool).json
        agree(signed_in, begun)

        answers = at_once(*[lambda: poll(app.test_client(use_cookies=False), tool, begun["device_code"])] * THREADS)

        assert [answer.status_code for answer in answers].count(200) == 1
        assert {answer.json["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}


@pytest.mark.slow("many threads meet, round after round")
def test_many_pollers_at_once_keep_one_pace(app, caller, clock, tool):
    begun = begin(caller, tool).json

    answers = at_once(*[lambda: poll(app.test_client(use_cookies=False), tool, begun["device_code"])] * THREADS)

    assert [answer.json["error"] for answer in answers].count("authorization_pending") == 1
    assert {answer.json["error"] for answer in answers} == {"authorization_pending", "slow_down"}


@pytest.mark.slow("many threads meet, round after round")
@pytest.mark.standard("Q-05")
def test_of_two_who_type_a_code_at_once_one_has_it(signed_in, bobs_browser, caller, tool):
    browsers = [signed_in, bobs_browser]
    tokens = [pages.csrf(browser.get("/device")) for browser in browsers]
    for _ in range(ROUNDS):
        begun = begin(caller, tool).json

        def act(browser, token, code=begun["user_code"]):
            return browser.post("/device", data={"csrf_token": token, "code": code})

        answers = at_once(*(partial(act, *each) for each in zip(browsers, tokens, strict=True)))

        assert sorted(answer.status_code for answer in answers) == [200, 422]


@pytest.mark.slow("many threads meet, round after round")
def test_of_yes_and_no_at_once_one_counts(signed_in, caller, tool):
    for _ in range(ROUNDS):
        begun = begin(caller, tool).json
        page = type_code(signed_in, begun["user_code"])
        fields = {"csrf_token": pages.csrf(page), "handle": dance.handle(page)}

        def act(decision, fields=fields):
            return signed_in.post("/device/decision", data=fields | {"decision": decision})

        answers = at_once(*(partial(act, decision) for decision in ("deny", "allow", "deny", "allow")))

        assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409]
        said_yes = "is signed in</h1>" in "".join(answer.text for answer in answers if answer.status_code == 200)
        assert (poll(caller, tool, begun["device_code"]).status_code == 200) is said_yes
