"""The second factor: what the password alone opens no more, and what a code opens once (L-11)."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyotp
import pytest
from sqlalchemy import select

from latchkey import settings as configured
from latchkey.accounts import limits, links, second_factors, sessions, steps, users
from latchkey.safety import lockdown, second_factor
from latchkey.store.session import db
from tests import pages
from tests.factories import CALLBACK, PASSWORD

KEY = "JBSWY3DPEHPK3PXPKR2GS3TFJBSWY3DP"
AT = "/login/second-factor"


@pytest.fixture
def codes(db, alice, clock):
    """Alice's recovery codes; her app made KEY's code of a minute ago."""
    users.lock(alice.id)
    assert second_factors.set_up(alice, KEY, now(clock))
    made = second_factors.make_codes(alice)
    db.commit()
    clock.move(minutes=2)
    return made


def now(clock, steps_away=0):
    return pyotp.TOTP(KEY).at(int(clock.now().timestamp()) + 30 * steps_away)


def half_in(client, user):
    answer = pages.submit(client, "/login", email=user.email, password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, AT)
    return client


def is_in(client):
    return client.get("/settings").status_code == 200


@pytest.mark.standard("L-11")
def test_the_password_alone_opens_nothing(client, alice, codes, clock):
    half_in(client, alice)

    assert not is_in(client)
    assert client.get("/oauth/authorize").status_code != 200
    assert sessions.list_live(alice) == []

    answer = pages.submit(client, AT, code=now(clock))

    assert answer.status_code == 303
    assert is_in(client)


@pytest.mark.standard("L-11")
@pytest.mark.parametrize("away", [-1, 0, 1])
def test_a_code_counts_one_step_around_and_once(app, alice, codes, clock, away):
    code = now(clock, away)
    assert pages.submit(half_in(app.test_client(), alice), AT, code=code).status_code == 303

    again = pages.submit(half_in(app.test_client(), alice), AT, code=code)

    assert again.status_code == 422
    assert "was used before" in again.text


@pytest.mark.parametrize("away", [-2, 2])
def test_a_code_two_steps_away_counts_not(client, alice, codes, clock, away):
    assert pages.submit(half_in(client, alice), AT, code=now(clock, away)).status_code == 422
    assert not is_in(client)


@pytest.mark.standard("L-11")
def test_a_recovery_code_counts_once_however_it_is_typed_and_its_owner_is_told(app, mailbox, alice, codes):
    first, second = app.test_client(), app.test_client()

    assert pages.submit(half_in(first, alice), AT, code=codes[0].upper().replace("-", " ")).status_code == 303
    assert pages.submit(half_in(second, alice), AT, code=codes[0]).status_code == 422

    assert (is_in(first), is_in(second), second_factors.codes_left(alice)) == (True, False, 9)


def test_recovery_codes_are_random_enough_and_kept_as_digests(db, alice, codes):
    kept = db.scalars(select(second_factors.RecoveryCode)).all()

    assert len(set(codes)) == len(kept) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in codes)
    assert all(len(row.digest) == 32 for row in kept)
    assert KEY not in second_factors.find(alice).sealed_key


@pytest.mark.standard("L-05")
def test_after_five_tries_the_step_is_over_and_the_owner_still_gets_in(app, client, alice, codes, clock):
    half_in(client, alice)
    token = pages.csrf(client.get(AT))
    for left in ("4 tries left", "3 tries left", "2 tries left", "1 try left"):
        wrong = client.post(AT, data={"csrf_token": token, "code": "000000"})
        assert wrong.status_code == 422
        assert f"That code is not right, or it was used before. {left}." in wrong.text

    fifth = client.post(AT, data={"csrf_token": token, "code": "000000"})

    assert (fifth.status_code, fifth.location) == (303, "/login")
    assert "Those were five tries. Sign in again." in client.get("/login").text
    sixth = client.post(AT, data={"csrf_token": token, "code": now(clock)})
    assert (sixth.status_code, sixth.location) == (303, "/login")
    assert client.get(AT).status_code == 303
    assert not is_in(client)
    assert pages.submit(half_in(app.test_client(), alice), AT, code=now(clock)).status_code == 303


@pytest.mark.standard("L-05")
def test_guessing_at_an_account_stops_and_a_recovery_code_still_opens_it(app, alice, codes, clock):
    heard = []
    for _ in range(4):
        guesser = half_in(app.test_client(), alice)
        heard += [pages.submit(guesser, AT, code="000000").status_code for _ in range(4)]

    assert heard.count(422) == 10
    assert heard[10:] == [429] * 6
    assert pages.submit(half_in(app.test_client(), alice), AT, code=codes[3]).status_code == 303


def changes_the_password(user):
    lockdown.change_password(user, users.prepare_password(user, "lantern-orchid-57-gravel"))


def is_suspended(user):
    users.disable(user)


def is_reset(user):
    second_factor.turn_off(user)


@pytest.mark.standard("M-01")
@pytest.mark.parametrize("happens", [changes_the_password, is_suspended, is_reset])
def test_a_step_ends_with_what_it_rests_on(app, client, alice, codes, happens):
    half_in(client, alice)
    with app.app_context():
        happens(users.lock(alice.id))
        db.commit()

    assert client.get(AT).status_code == 303
    assert not is_in(client)


def test_a_step_lasts_ten_minutes(client, alice, codes, clock):
    half_in(client, alice)
    clock.move(minutes=10)

    answer = client.get(AT)

    assert (answer.status_code, answer.location) == (303, "/login")


def test_a_step_belongs_to_its_browser_and_its_user(app, client, alice, bob, codes):
    half_in(client, alice)
    other = pages.sign_in(app.test_client(), bob)

    assert other.get(AT).status_code == 303
    pages.sign_in(client, bob)
    assert client.get(AT).status_code == 303
    assert b"bob@" in client.get("/settings").data


@pytest.mark.standard("L-11", "E-01")
def test_a_code_used_sixteen_times_at_once_opens_one_session(app, alice, codes, clock):
    plaintexts = []
    for _ in range(16):
        plaintexts.append(steps.begin(users.lock(alice.id)).plaintext)
        db.commit()
    at_once, code = threading.Barrier(16), codes[0]

    def use(plaintext):
        with app.app_context():
            at_once.wait()
            opened = second_factor.finish(plaintext, code)
            db.commit()
            return opened is not None

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(use, plaintexts)) == 1


@pytest.mark.standard("L-11", "E-01")
def test_an_apps_code_used_sixteen_times_at_once_is_spent_once(app, alice, codes, clock):
    at_once, code = threading.Barrier(16), now(clock)

    def use(_):
        with app.app_context():
            at_once.wait()
            spent = second_factors.spend(users.lock(alice.id), code)
            db.commit()
            return spent

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(use, range(16))) == 1


def shown(page):
    key = re.search(r'<textarea id="key"[^>]*>([A-Z2-7 ]+)<', page.text).group(1).replace(" ", "")
    sealed = re.search(r'name="shown"[^>]*value="([^"]+)"', page.text).group(1)
    return key, sealed


def set_up(client, clock, **more):
    page = client.get("/settings/security/authenticator")
    key, sealed = shown(page)
    code = pyotp.TOTP(key).at(int(clock.now().timestamp()))
    fields = {"csrf_token": pages.csrf(page), "shown": sealed, "code": code}
    return client.post("/settings/security/authenticator", data=fields | more)


@pytest.mark.standard("L-11", "L-09")
def test_setting_up_shows_ten_codes_ends_other_sessions_and_mails(app, signed_in, mailbox, alice, clock):
    elsewhere = pages.sign_in(app.test_client(), alice)

    answer = set_up(signed_in, clock)

    assert answer.status_code == 200
    assert len(re.findall(r"<li>([a-z2-7-]{19})</li>", answer.text)) == 10
    assert "<svg" in signed_in.get("/settings/security/authenticator").text
    assert (is_in(signed_in), is_in(elsewhere)) == (True, False)
    assert "10 of 10 left" in signed_in.get("/settings/security").text
    assert pages.submit(elsewhere, "/login", email=alice.email, password=PASSWORD).location == AT


def test_a_wrong_code_sets_nothing_up_and_keeps_the_key(signed_in, alice, clock):
    page = signed_in.get("/settings/security/authenticator")
    key, sealed = shown(page)

    wrong = {"csrf_token": pages.csrf(page), "shown": sealed, "code": "12345"}
    answer = signed_in.post("/settings/security/authenticator", data=wrong)

    assert answer.status_code == 422
    assert shown(answer)[0] == key
    assert second_factors.find(alice) is None


def test_a_key_of_another_session_sets_nothing_up(app, signed_in, alice, bob, clock):
    _, sealed = shown(pages.sign_in(app.test_client(), bob).get("/settings/security/authenticator"))

    assert set_up(signed_in, clock, shown=sealed).status_code == 303
    assert set_up(signed_in, clock, shown="x").status_code == 303
    assert second_factors.find(alice) is None


@pytest.fixture
def inside(client, alice, codes, clock):
    """Alice's browser, signed in with her code twenty minutes ago."""
    pages.submit(half_in(client, alice), AT, code=now(clock))
    clock.move(minutes=20)
    return client


@pytest.mark.standard("L-09", "L-11")
@pytest.mark.parametrize(
    "path",
    [
        "/settings/security/authenticator",
        "/settings/security/authenticator/remove",
        "/settings/security/recovery-codes",
    ],
)
def test_with_a_second_factor_the_password_alone_is_no_fresh_proof(inside, clock, path):
    asked = inside.get(path)
    assert pages.asks_for_proof(asked)
    assert 'type="password"' not in asked.text

    assert pages.prove(inside, asked).status_code == 422
    assert pages.asks_for_proof(inside.get(path))
    back = pages.prove(inside, asked, code=now(clock))

    assert (back.status_code, back.location) == (303, path)
    assert inside.get(path).status_code == 200


@pytest.mark.standard("L-09")
@pytest.mark.parametrize(
    "path, fields",
    [
        ("/settings/email", {"email": "new@example.com"}),
        ("/settings/password", {"current": PASSWORD, "password": "lantern-orchid-57-gravel"}),
        ("/settings/delete", {"email": "alice@example.com"}),
    ],
)
def test_address_password_and_deletion_take_a_code(inside, alice, clock, path, fields):
    asked = pages.submit(inside, path, form="/settings", **fields)
    assert pages.asks_for_proof(asked)
    assert pages.prove(inside, asked, code="000000").status_code == 422

    pages.prove(inside, asked, code=now(clock))

    assert pages.submit(inside, path, form="/settings", **fields).status_code == 303


@pytest.mark.standard("L-11")
def test_a_code_proves_once_and_opens_no_other_session_after(app, inside, alice, clock):
    asked, code = inside.get("/settings/security/recovery-codes"), now(clock)

    assert pages.prove(inside, asked, code=code).status_code == 303
    assert pages.submit(half_in(app.test_client(), alice), AT, code=code).status_code == 422


@pytest.mark.standard("L-05")
def test_another_session_brings_a_thief_no_more_tries(app, inside, alice, codes, clock):
    """What counts is the account and the browser that it knows, not the session."""
    thief = app.test_client()
    thief.set_cookie("latchkey", inside.get_cookie("latchkey").value)
    asked = thief.get("/settings/security/recovery-codes")
    heard = [pages.prove(thief, asked, code="000000").status_code for _ in range(11)]

    assert heard == [422] * 10 + [429]
    assert pages.prove(inside, asked, code=now(clock)).status_code == 303


@pytest.mark.standard("L-07", "L-11")
def test_a_reset_by_mail_still_owes_the_second_factor_whose_tries_count_as_a_strangers(app, alice, codes, monkeypatch):
    heard = []
    monkeypatch.setattr(limits, "code", lambda *_args, device, **_more: heard.append(device) or limits.UNCOUNTED)
    browser, plaintext = app.test_client(), links.issue(alice, links.Purpose.RESET_PASSWORD)
    db.commit()
    browser.get(f"/reset-password/{plaintext}")
    assert pages.submit(browser, "/reset-password", password="lantern-orchid-57-gravel").status_code == 303

    answer = pages.submit(browser, "/login", email=alice.email, password="lantern-orchid-57-gravel")
    assert answer.location == AT
    assert pages.submit(browser, AT, code="000000").status_code == 422
    assert heard == [None]


def test_next_leads_on_after_the_code(client, alice, codes, clock):
    page = client.get("/login?next=/tokens")
    fields = {"csrf_token": pages.csrf(page), "email": alice.email, "password": PASSWORD, "next": "/tokens"}
    step = client.post("/login", data=fields)

    answer = client.post(
        AT, data={"csrf_token": pages.csrf(client.get(step.location)), "code": now(clock), "next": "/tokens"}
    )

    assert answer.location == "/tokens"


def test_starting_over_ends_the_step(client, alice, codes):
    half_in(client, alice)
    answer = client.post("/login/start-over", data={"csrf_token": pages.csrf(client.get(AT))})

    assert answer.location == "/login"
    assert db.query(steps.Step).count() == 0


def test_old_steps_are_cleared_away(db, alice, clock):
    steps.begin(users.lock(alice.id))
    db.commit()
    clock.move(minutes=11)
    steps.purge()

    assert db.query(steps.Step).count() == 0


@pytest.mark.standard("L-11")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("path", ["/", "/tokens", "/tokens/new", "/apps", "/settings", "/activity", "/authorized-apps"])
def test_whoever_must_have_a_second_factor_sets_it_up_before_all_else(signed_in, path, everybody):
    answer = signed_in.get(path)

    assert answer.status_code == 303
    assert answer.location.partition("?")[0] == "/settings/security"
    assert signed_in.get(answer.location).status_code == 200
    assert signed_in.get("/settings/security/authenticator").status_code == 200
    assert signed_in.post("/settings/profile", data=csrf_of(signed_in) | {"name": "Other"}).status_code == 303
    assert users.find_by_email("alice@example.com").name != "Other"


def csrf_of(browser):
    return {"csrf_token": pages.csrf(browser.get("/settings/security"))}


@pytest.fixture
def everybody():
    before = configured.current()
    configured.use(replace(before, require_second_factor="everybody"))
    yield
    configured.use(before)


@pytest.mark.standard("L-11")
def test_no_app_acts_for_somebody_who_owes_a_second_factor(signed_in, everybody, example_client):
    asks = f"/oauth/authorize?response_type=code&client_id={example_client.client.id}&redirect_uri={CALLBACK}"
    asks += f"&scope=account:read&code_challenge={'a' * 43}&code_challenge_method=S256"

    led, silent = signed_in.get(asks), signed_in.get(f"{asks}&prompt=none")

    assert led.location.startswith("/settings/security?next=/oauth/authorize")
    assert "error=consent_required" in silent.location


@pytest.mark.standard("L-11")
def test_setting_one_up_opens_everything_and_leads_back(signed_in, everybody, clock):
    page = signed_in.get("/settings/security/authenticator?next=/tokens")
    key, sealed = shown(page)
    code = pyotp.TOTP(key).at(int(clock.now().timestamp()))
    fields = {"csrf_token": pages.csrf(page), "shown": sealed, "code": code, "next": pages.hidden(page, "next")}

    done = signed_in.post("/settings/security/authenticator", data=fields)

    assert re.search(r'href="/tokens">Done', done.text)
    assert signed_in.get("/tokens").status_code == 200


def test_signing_out_stays_open_to_whoever_owes_one(signed_in, everybody):
    assert signed_in.post("/logout", data=csrf_of(signed_in)).status_code == 303
    assert signed_in.get("/settings/security").status_code == 303


@pytest.mark.parametrize(
    "asked, expected",
    [("nobody", (False, False)), ("administrators", (False, True)), ("everybody", (True, True))],
)
def test_who_owes_one_is_the_operators_word(alice, codes, bob, asked, expected):
    before = configured.current()
    configured.use(replace(before, require_second_factor=asked))
    try:
        owed = second_factors.owes_setup(bob), second_factors.owes_setup(bob, to_administer=True)
        assert owed == expected
        assert not second_factors.owes_setup(alice, to_administer=True)
    finally:
        configured.use(before)


@pytest.mark.standard("A-09", "L-11")
def test_a_new_secret_key_leaves_every_app_and_step_working(client, alice, codes, clock):
    """As after a restart with another key: what the one before sealed still opens."""
    half_in(client, alice)
    before = configured.current()
    configured.use(replace(before, secret_key="k" * 40, secret_key_fallbacks=(before.secret_key,)))
    try:
        assert second_factors.spend(users.lock(alice.id), now(clock))
        db.rollback()
    finally:
        configured.use(before)
    assert pages.submit(client, AT, code=now(clock)).status_code == 303


def test_the_form_for_a_recovery_code_has_an_address_of_its_own(client, alice, codes):
    half_in(client, alice)

    answer = client.get("/login/second-factor/recovery?next=/tokens")

    assert (answer.status_code, answer.location) == (303, "/login/second-factor?with=recovery-code&next=/tokens")
    assert "Recovery code" in client.get(answer.location).text
