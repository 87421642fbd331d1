"""Passkeys: added, used as second factor and alone, and what an attacker makes of their answers (L-13)."""

import html
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import webauthn
from webauthn.helpers import structs

from latchkey import settings as configured
from latchkey.accounts import challenges, passkeys, second_factors, sessions, users
from latchkey.accounts.challenges import Purpose
from latchkey.accounts.passkeys import Answer, Passkey
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.notices import owners
from latchkey.safety import second_factor
from latchkey.store.session import db
from tests import pages
from tests.authenticator import Authenticator
from tests.factories import PASSWORD

NEW, STEP, ALONE, AGAIN = "/settings/security/passkeys/new", "/login/second-factor", "/login/passkey", "/login/again"


def question(page) -> dict:
    return json.loads(html.unescape(re.search(r'data-options="([^"]+)"', page.text)[1]))


def answered(page, text) -> dict:
    return {"csrf_token": pages.csrf(page), "challenge": pages.hidden(page, "challenge"), "credential": text}


@pytest.fixture
def device(app):
    here = passkeys.party()
    return Authenticator(here.origin, here.id)


def add(browser, device, name="Laptop", **changed):
    page = browser.get(NEW)
    assert page.status_code == 200
    return browser.post(NEW, data=answered(page, device.make(question(page))) | {"name": name} | changed)


@pytest.fixture
def key(signed_in, device):
    """Alice's passkey, added in her signed-in browser."""
    assert add(signed_in, device).status_code == 200
    return device


def half_in(client, user):
    answer = pages.submit(client, "/login", email=user.email, password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, STEP)
    return client


def show(browser, key, at=STEP, to=None, **changed):
    page = browser.get(at)
    return browser.post(to or at, data=answered(page, key.use(question(page))) | changed)


def alone(browser, key, **changed):
    return show(browser, key, "/login", ALONE, **changed)


def is_in(client):
    return client.get("/settings").status_code == 200


@pytest.mark.standard("L-13", "L-11")
def test_the_first_passkey_brings_recovery_codes_ends_other_sessions_and_mails(app, signed_in, device, alice, mailbox):
    elsewhere = pages.sign_in(app.test_client(), alice)

    answer = add(signed_in, device)

    assert len(re.findall(r"<li>([a-z2-7-]{19})</li>", answer.text)) == 10
    assert (is_in(signed_in), is_in(elsewhere)) == (True, False)
    assert mailbox.last(alice.email).subject == "New passkey: Laptop"
    assert "Laptop" in signed_in.get("/settings/security").text
    told = " ".join(re.sub(r"<[^>]+>", " ", signed_in.get("/activity").text).split())
    assert "You added the passkey Laptop" in told


@pytest.mark.standard("L-13")
def test_it_is_the_second_factor_after_the_password(app, key, alice):
    browser = half_in(app.test_client(), alice)
    assert not is_in(browser)

    assert show(browser, key).status_code == 303

    assert is_in(browser)
    assert "Password and a passkey" in browser.get("/settings").text
    assert passkeys.list_for(alice)[0].last_used_at is not None


@pytest.mark.standard("L-13")
def test_it_signs_in_alone_and_leads_on(app, key, alice):
    browser = app.test_client()

    answer = alone(browser, key, next="/tokens")

    assert (answer.status_code, answer.location) == (303, "/tokens")
    assert is_in(browser)
    assert sessions.list_live(alice)[0].how == sessions.How.PASSKEY


@pytest.mark.standard("L-07")
def test_after_a_break_in_it_opens_nothing_alone_until_a_new_password_is_chosen(app, signed_in, key, alice):
    passkeys.list_for(alice)[0].created_at -= timedelta(days=30)
    db.commit()
    report = pages.submit(signed_in, "/hacked", since="7").location
    thief, owner = app.test_client(), app.test_client()

    alone(thief, key)
    pages.submit(signed_in, "/hacked/password", form=report, password="lantern-orchid-57-gravel")
    alone(owner, key)

    assert (is_in(thief), is_in(owner)) == (False, True)


@pytest.mark.standard("L-13", "L-09")
@pytest.mark.parametrize("way", ["alone", "step", "again"])
def test_a_session_is_known_to_the_instant_by_the_passkey_that_proved_it(app, signed_in, key, alice, way):
    if way == "again":
        assert show(signed_in, key, AGAIN).status_code == 303
    elif way == "step":
        assert show(half_in(app.test_client(), alice), key).status_code == 303
    else:
        assert alone(app.test_client(), key).status_code == 303

    db.expire_all()
    [passkey] = passkeys.list_for(alice)
    proved = [session.authenticated_at for session in sessions.list_live(alice)]
    assert proved.count(passkey.last_used_at) == 1


def of_another_site(key):
    key.origin = "https://evil.example"


def for_another_site(key):
    key.party = "evil.example"


def that_did_not_look(key):
    key.verifies = False


def of_another_key(key):
    key.key = Authenticator("", "").key


def of_another_user(key):
    key.handle = "dXNyX290aGVy"


@pytest.mark.standard("L-13")
@pytest.mark.parametrize(
    "spoil", [of_another_site, for_another_site, that_did_not_look, of_another_key, of_another_user]
)
def test_what_proves_nothing_opens_nothing(app, key, spoil):
    browser = app.test_client()
    spoil(key)

    answer = alone(browser, key)

    assert answer.status_code == 422
    assert "That passkey did not work here" in answer.text
    assert not is_in(browser)


@pytest.mark.standard("L-13")
def test_after_the_password_a_key_that_does_not_look_at_its_user_is_enough(app, key, alice):
    key.verifies = False

    assert show(half_in(app.test_client(), alice), key).status_code == 303


@pytest.mark.standard("L-13")
def test_an_answer_counts_in_its_own_browser_alone(app, key):
    browser, thief = app.test_client(), app.test_client()
    page, theirs = browser.get("/login"), thief.get("/login")
    stolen = answered(page, key.use(question(page)))

    refused = thief.post(ALONE, data=stolen | {"csrf_token": pages.csrf(theirs)})

    assert refused.status_code == 422
    assert not is_in(thief)
    assert browser.post(ALONE, data=stolen).status_code == 303


@pytest.mark.standard("L-13")
def test_an_answer_counts_once(app, key):
    browser = app.test_client()
    page = browser.get("/login")
    fields = answered(page, key.use(question(page)))
    assert browser.post(ALONE, data=fields).status_code == 303
    kept = browser.get_cookie("latchkey").value
    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/settings"))})

    again = browser.get("/login")
    assert browser.post(ALONE, data=fields | {"csrf_token": pages.csrf(again)}).status_code == 422
    browser.set_cookie("latchkey", kept)
    assert not is_in(browser)


@pytest.mark.standard("L-13")
def test_a_question_is_good_for_ten_minutes(app, key, clock):
    browser = app.test_client()
    page = browser.get("/login")
    clock.move(minutes=11)

    assert browser.post(ALONE, data=answered(page, key.use(question(page)))).status_code == 422


@pytest.mark.standard("L-13")
def test_an_answer_to_another_question_is_none(app, key, alice):
    browser = half_in(app.test_client(), alice)
    page, other = browser.get(STEP), browser.get(STEP)

    mixed = answered(page, key.use(question(other)))
    assert browser.post(STEP, data=mixed).status_code == 422
    for_signing_in = answered(page, key.use(question(browser.get("/login"))))
    assert browser.post(STEP, data=for_signing_in).status_code == 422
    assert browser.post(STEP, data=answered(page, "{}") | {"challenge": "x"}).status_code == 422
    assert not is_in(browser)


@pytest.mark.standard("L-13")
def test_somebody_elses_passkey_is_no_second_factor(app, key, alice, bob, clock):
    other = pages.sign_in(app.test_client(), bob)
    here = passkeys.party()
    bobs = Authenticator(here.origin, here.id)
    add(other, bobs)
    browser = half_in(app.test_client(), alice)

    assert show(browser, bobs).status_code == 422
    assert not is_in(browser)


@pytest.mark.standard("L-13")
@pytest.mark.parametrize("step", [0, -1])
def test_a_copy_whose_count_goes_back_is_refused_and_its_owner_told(app, key, alice, mailbox, step):
    assert alone(app.test_client(), key).status_code == 303
    key.count += step - 1
    browser = app.test_client()

    assert alone(browser, key).status_code == 422

    assert not is_in(browser)
    assert mailbox.last(alice.email).subject == "Passkey refused: Laptop"
    assert activity.list_for(alice, kinds=[EventKind.PASSKEY_CLONED])


@pytest.mark.standard("L-13")
def test_a_copy_that_is_tried_again_and_again_is_told_of_so_often(app, key, alice, mailbox, monkeypatch):
    monkeypatch.setattr(owners, "MOST_TOLD", 3)
    assert alone(app.test_client(), key).status_code == 303
    for _ in range(6):
        key.count -= 1
        assert alone(app.test_client(), key).status_code == 422

    told = [letter for letter in mailbox.letters(alice.email) if letter.subject.startswith("Passkey refused")]
    assert len(told) == 3
    assert len(activity.list_for(alice, kinds=[EventKind.PASSKEY_CLONED])) == 6


@pytest.mark.standard("L-13")
def test_a_key_that_never_counts_works_again_and_again(app, signed_in, device):
    add(signed_in, device)
    for _ in range(2):
        browser = app.test_client()
        page = browser.get("/login")
        fields = answered(page, device.use(question(page), step=0))
        assert browser.post(ALONE, data=fields).status_code == 303


@pytest.mark.standard("L-13")
def test_a_question_is_the_one_that_the_library_would_ask(app, alice):
    with app.app_context():
        db.add(Passkey(user_id=alice.id, credential_id=b"\xff\xfe known", public_key=b"", sign_count=0, name="Mine"))
        asked = [
            webauthn.options_to_json(each)
            for each in (
                webauthn.generate_authentication_options(
                    rp_id="localhost",
                    challenge=b"\xfb\xff challenge",
                    user_verification=structs.UserVerificationRequirement.REQUIRED,
                ),
                webauthn.generate_authentication_options(
                    rp_id="localhost",
                    challenge=b"\xfb\xff challenge",
                    allow_credentials=[structs.PublicKeyCredentialDescriptor(id=b"\xff\xfe known")],
                ),
            )
        ]

        assert [passkeys.to_use(b"\xfb\xff challenge", user) for user in (None, alice)] == asked


@pytest.mark.standard("L-13", "E-01")
def test_an_answer_used_sixteen_times_at_once_opens_one_session(app, key, alice):
    with app.app_context():
        random = challenges.issue(Purpose.SIGN_IN, "browser").random
        asked = json.loads(passkeys.to_use(random, None))
    answer, at_once = Answer(key.use(asked, step=0), random), threading.Barrier(16)
    before = len(sessions.list_live(alice))
    db.rollback()

    def use(_):
        with app.app_context():
            at_once.wait()
            opened = second_factor.enter_alone(answer, lambda _owner: None)
            db.commit()
            return opened is not None

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(use, range(16))) == 1
    assert len(sessions.list_live(alice)) == before + 1


@pytest.mark.standard("L-09", "L-13")
def test_fresh_proof_is_given_by_passkey_and_leads_back(signed_in, key, clock):
    clock.move(minutes=16)
    asked = signed_in.get(NEW)
    assert pages.asks_for_proof(asked)

    assert pages.prove(signed_in, asked).status_code == 422
    fields = answered(asked, key.use(question(asked))) | {"next": pages.hidden(asked, "next")}
    answer = signed_in.post(AGAIN, data=fields)

    assert (answer.status_code, answer.location) == (303, NEW)
    assert signed_in.get(NEW).status_code == 200


@pytest.mark.standard("L-09", "L-13")
def test_removing_one_takes_fresh_proof_mails_and_ends_what_rests_on_it(app, signed_in, key, mailbox, clock):
    alice = users.find_by_email("alice@example.com")
    [passkey] = passkeys.list_for(alice)
    path = f"/settings/security/passkeys/{passkey.id}/remove"
    clock.move(minutes=16)
    assert pages.asks_for_proof(signed_in.get(path))
    assert pages.asks_for_proof(signed_in.post(path, data={"csrf_token": pages.csrf(signed_in.get("/settings"))}))
    asked = signed_in.get(path)
    signed_in.post(AGAIN, data=answered(asked, key.use(question(asked))))

    assert pages.submit(signed_in, path).status_code == 303

    subjects = [letter.subject for letter in mailbox.letters(alice.email)]
    assert "Passkey removed: Laptop" in subjects and "Two-factor sign-in was turned off" in subjects
    assert second_factors.codes_left(alice) == 0
    assert alone(app.test_client(), key).status_code == 422
    assert pages.submit(app.test_client(), "/login", email=alice.email, password=PASSWORD).location == "/"


def test_one_is_renamed_and_nobody_elses_is_touched(app, signed_in, key, alice, bob):
    [passkey] = passkeys.list_for(alice)
    path = f"/settings/security/passkeys/{passkey.id}"
    stranger = pages.sign_in(app.test_client(), bob)

    assert pages.submit(signed_in, f"{path}/rename", name="Phone").status_code == 303
    assert pages.submit(signed_in, f"{path}/rename", name=" ").status_code == 422

    assert passkeys.list_for(alice)[0].name == "Phone"
    for act in ("rename", "remove"):
        assert stranger.get(f"{path}/{act}").status_code == 404
        fields = {"csrf_token": pages.csrf(stranger.get("/settings")), "name": "Bob's"}
        assert stranger.post(f"{path}/{act}", data=fields).status_code == 404


def test_a_passkey_is_one_users_and_there_is_an_end_of_them(app, signed_in, key, bob, monkeypatch):
    other = pages.sign_in(app.test_client(), bob)
    assert add(other, key).status_code == 422
    monkeypatch.setattr(passkeys, "MOST", 1)
    here = passkeys.party()

    assert "You have 1 passkeys" in add(signed_in, Authenticator(here.origin, here.id)).text
    assert passkeys.list_for(bob) == []


NESTED = ("[" * 9_000, '{"a":' * 3_000, '{"id":"AAAA","response":' + "[" * 9_000)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "0", '{"id":1}', '{"id":"é"}', "x" * 20_000, '{"id":"AAAA"}', *NESTED]
)
def test_nonsense_is_refused(app, signed_in, key, text):
    browser = app.test_client()
    page = browser.get("/login")

    assert browser.post(ALONE, data=answered(page, text)).status_code == 422
    page = signed_in.get(NEW)
    assert signed_in.post(NEW, data=answered(page, text) | {"name": "x"}).status_code == 422


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "part", ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"]
)
@pytest.mark.parametrize("value", ["", "AA", "_w", "é", 7, None, [], "A" * 9000])
def test_a_spoilt_part_of_an_answer_is_refused(app, signed_in, key, part, value):
    browser = app.test_client()
    page = browser.get("/login")
    answer = json.loads(key.use(question(page)))
    if part == "userHandle" and value in ("", None):
        return
    if part in answer["response"]:
        answer["response"][part] = value
        assert browser.post(ALONE, data=answered(page, json.dumps(answer))).status_code == 422
    page = signed_in.get(NEW)
    here = passkeys.party()
    made = json.loads(Authenticator(here.origin, here.id).make(question(page)))
    if part in made["response"]:
        made["response"][part] = value
        assert signed_in.post(NEW, data=answered(page, json.dumps(made)) | {"name": "x"}).status_code == 422


def test_without_a_name_of_its_own_a_portal_has_no_passkeys(signed_in):
    before = configured.current()
    configured.use(replace(before, base_url="https://192.0.2.7"))
    try:
        assert "reached by an address alone" in signed_in.get(NEW).text
        assert "Sign in with a passkey" not in signed_in.get("/login").text
    finally:
        configured.use(before)


def test_on_ones_own_machine_the_name_is_localhost(app):
    before = configured.current()
    configured.use(replace(before, base_url="http://127.0.0.1:5000"))
    try:
        assert passkeys.party() == ("localhost", "http://localhost:5000")
    finally:
        configured.use(before)
