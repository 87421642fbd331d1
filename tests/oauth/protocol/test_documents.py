"""Apps whose id is the address of what they say of themselves (J-09, J-10, J-11), against a host of their own."""

import contextlib
import gzip
import html
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from latchkey import clients, fetching
from latchkey import settings as settings_module
from latchkey.clients import Cause, Client, asking, document_urls, documents
from latchkey.grants import Grant, documented
from latchkey.oversight import apps as oversight
from latchkey.oversight import policies
from latchkey.safety import shutdown
from latchkey.store import leases
from latchkey.store.session import db as records
from latchkey.values import Limit
from latchkey.worker import housekeeping
from tests import factories
from tests.factories import CALLBACK
from tests.oauth import dance
from tests.oauth.conftest import enter

OPEN = pytest.mark.settings(client_documents="open")
pytestmark = pytest.mark.standard("J-10")


def count(db):
    found = db.scalar(select(func.count()).select_from(Client))
    db.rollback()
    return found


def stopped(page):
    return page.status_code == 400 and "We stopped this request" in page.text


def test_it_is_off_unless_it_is_switched_on(signed_in, caller, host):
    assert stopped(dance.authorize(signed_in, host.app))
    assert "client_id_metadata_document_supported" not in caller.get("/.well-known/oauth-authorization-server").json
    assert host.asked == []


@OPEN
@pytest.mark.standard("J-11", "F-07")
def test_the_whole_way_of_an_app_that_describes_itself(signed_in, caller, host, alice, db):
    assert caller.get("/.well-known/oauth-authorization-server").json["client_id_metadata_document_supported"] is True
    page = dance.authorize(signed_in, host.app)
    shown = html.unescape(page.text)
    assert f"Described by <b>127.0.0.1:{host.port}</b>. The name comes from there. Latchkey did not check it." in shown
    assert "It leads back to <b>app.example.com</b>" in shown
    assert "Any program on this device" not in shown

    code = dance.back(dance.decide(signed_in, page)).parameters["code"]
    issued = dance.redeem(caller, host.app, code).json
    renewed = dance.refresh(caller, host.app, issued["refresh_token"]).json

    check = caller.get("/oauth/check", headers={"Authorization": f"Bearer {renewed['access_token']}"})
    assert check.headers["X-Auth-Client-Id"] == host.url
    told = caller.get("/v1/token", headers={"Authorization": f"Bearer {renewed['access_token']}"}).json
    assert told["app"] == {"id": host.url, "name": "Fieldnotes"}
    assert db.scalar(select(Grant.redirect_uri)) == CALLBACK
    assert f"By <b>127.0.0.1:{host.port}</b>" in signed_in.get("/authorized-apps").text
    assert clients.list_for(alice) == []
    assert len(host.asked) == 1
    assert host.asked[0]["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization"} & set(host.asked[0])


@OPEN
@pytest.mark.standard("J-11")
def test_one_that_leads_to_programs_on_the_device_alone_is_warned_of(signed_in, host):
    host.document["redirect_uris"] = ["http://127.0.0.1/callback", "com.example.app:/callback"]

    page = dance.authorize(signed_in, host.app, redirect_uri="http://127.0.0.1:4711/callback")

    assert "Any program on this device can say that it is Fieldnotes" in page.text


@OPEN
@pytest.mark.standard("J-09")
def test_strangers_make_nobody_ask_and_read_the_host_alone(signed_in, client, app, host):
    dance.authorize(signed_in, host.app)
    before = len(host.asked)
    browser = app.test_client()

    answer = dance.authorize(browser, host.app)
    page = browser.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert f"continue to 127.0.0.1:{host.port}" in page.text
    assert "Fieldnotes" not in page.text
    assert stopped(dance.authorize(browser, host.app, prompt="none"))
    assert (
        dance.post(browser, "/oauth/token", host.app, grant_type="refresh_token", refresh_token="x").status_code == 400
    )
    assert len(host.asked) == before == 1


@OPEN
@pytest.mark.standard("J-09")
def test_nor_does_whoever_has_not_proved_an_address(client, host):
    enter(client, factories.make_user("stranger@example.com", verified=False))

    assert dance.authorize(client, host.app).location.startswith("/verify-email")
    assert stopped(dance.authorize(client, host.app, prompt="none"))
    assert host.asked == []


@OPEN
@pytest.mark.standard("J-01")
def test_the_id_that_we_keep_it_by_is_no_client_id(signed_in, caller, host, db):
    dance.authorize(signed_in, host.app)
    ours = SimpleNamespace(client=SimpleNamespace(id=db.scalar(select(Client.id))), secret=None)
    db.rollback()

    assert stopped(dance.authorize(signed_in, ours))
    assert dance.post(caller, "/oauth/token", ours, grant_type="refresh_token", refresh_token="x").status_code == 401


@OPEN
@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("127.0.0.1", "localhost"),
        lambda url: url.replace("http://127.0.0.1", "http://user@127.0.0.1"),
        lambda url: url + "#x",
        lambda url: url.replace("/client.json", ""),
        lambda url: url.replace("/client.json", "/"),
        lambda url: url.replace("/client.json", "/a/../client.json"),
        lambda url: url.replace("/client.json", "/%2e%2e/client.json"),
        lambda url: url.replace("http:", "HTTP:"),
        lambda url: url + "?x=1",
        lambda url: url + "/",
        lambda url: url + "x" * 600,
        lambda url: url.replace("http://127.0.0.1", "http://10.0.0.1"),
        lambda url: url.replace("http:", "ftp:"),
    ],
)
def test_an_address_is_compared_as_it_stands(signed_in, host, db, change):
    other = SimpleNamespace(client=SimpleNamespace(id=change(host.url)), secret=None)

    assert stopped(dance.authorize(signed_in, other))
    assert count(db) == 0


DOCUMENTS = [
    ("client_id", value) for value in (None, 7, "", "https://other.example/client.json", ["x"], "x" * 5_000)
] + [
    *(("client_secret", "x"), ("client_secret", None), ("client_secret_expires_at", 0)),
    *(("token_endpoint_auth_method", value) for value in ("client_secret_basic", "client_secret_jwt", "x", None, 7)),
    *(("token_endpoint_auth_method", "private_key_jwt"), ("jwks", "x")),
    *(("redirect_uris", value) for value in (None, [], "x", [7], ["javascript:alert(1)"], [CALLBACK] * 30)),
    *(("redirect_uris", ["https://*.example.com/"]), ("redirect_uris", ["http://app.example.com/"])),
    *(("client_name", value) for value in (None, 7, "", "x" * 61, "Latchkey", "a\0b")),
    *(("grant_types", ["client_credentials"]), ("response_types", ["token"]), ("scope", ["x"]), ("contacts", 7)),
]


@OPEN
def test_a_document_that_cannot_be_is_refused_without_effect_and_asked_for_again(signed_in, host, db, monkeypatch):
    monkeypatch.setattr(asking, "OF_PERSON", ())
    monkeypatch.setattr(asking, "OF_HOST", ())
    good = dict(host.document)
    for field, value in DOCUMENTS:
        host.document = good | {field: value}
        assert stopped(dance.authorize(signed_in, host.app)), (field, value)
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 9_000, json.dumps(good).encode()[:-1] + b', "client_id": "x"}'):
        host.body = body
        assert stopped(dance.authorize(signed_in, host.app)), body[:20]
    host.body = json.dumps(good | {"x": "y" * 17_000}).encode()
    assert stopped(dance.authorize(signed_in, host.app))
    assert count(db) == 0

    host.document, host.body = good, None
    assert dance.authorize(signed_in, host.app).status_code == 200


@OPEN
@pytest.mark.standard("J-09")
@pytest.mark.parametrize(
    "answer",
    [
        (301, {"Location": "http://127.0.0.1:1/"}, None),
        (404, {}, None),
        (500, {}, None),
        (200, {"Content-Type": "text/html"}, None),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * 10_000_000)),
    ],
    ids=["redirect", "missing", "fault", "kind", "bomb"],
)
def test_what_is_no_plain_answer_is_not_kept_and_a_known_document_holds_meanwhile(
    signed_in, alice, host, clock, answer
):
    host.status, host.headers, host.body = answer
    assert stopped(dance.authorize(signed_in, host.app))
    assert clients.find(host.url) is None
    host.status, host.headers, host.body = 200, {}, None
    assert dance.authorize(signed_in, host.app).status_code == 200

    host.status, host.headers, host.body = answer
    clock.move(days=6)
    enter(signed_in, alice)
    assert dance.authorize(signed_in, host.app).status_code == 200
    clock.move(days=2)
    enter(signed_in, alice)
    assert stopped(dance.authorize(signed_in, host.app))


@OPEN
@pytest.mark.parametrize(
    "cache, minutes",
    [
        ("", 60),
        ("max-age=600", 10),
        ("public, MAX-AGE=600", 10),
        ("max-age=0", 1),
        ("no-store", 1),
        ("no-cache, max-age=600", 1),
        ("max-age=999999999", 24 * 60),
        ("max-age=" + "9" * 400, 24 * 60),
        ("max-age=x", 60),
    ],
)
def test_it_is_kept_as_long_as_its_host_says_within_bounds(cache, minutes):
    assert asking.lifetime(cache).total_seconds() == minutes * 60


@OPEN
@pytest.mark.standard("J-09", "J-11")
def test_people_are_led_to_no_address_that_was_taken_out_because_strangers_have_much_asked_for(
    signed_in, bobs_browser, *, alice, bob, host, clock, monkeypatch
):
    """Whoever has that address now would see to it that the document is not asked for."""
    monkeypatch.setattr(asking, "OF_HOST", (Limit(1, timedelta(minutes=1)),))
    assert dance.authorize(signed_in, host.app).status_code == 200
    host.document["redirect_uris"] = ["https://other.example/callback"]
    clock.move(hours=20)
    for name in ("?1", "?2"):
        other = SimpleNamespace(client=SimpleNamespace(id=host.url + name), secret=None)
        assert stopped(dance.authorize(enter(bobs_browser, bob), other))

    assert "redirect URI" in dance.authorize(enter(signed_in, alice), host.app).text
    assert len(host.asked) == 3


@OPEN
@pytest.mark.standard("J-09", "J-11")
@pytest.mark.parametrize("how", ["places", "budget"])
def test_a_document_that_cannot_be_asked_for_holds_an_hour_past_its_time(
    signed_in, alice, *, host, clock, monkeypatch, how
):
    assert dance.authorize(signed_in, host.app).status_code == 200

    def crowded():
        enter(signed_in, alice)
        with contextlib.ExitStack() as held:
            if how == "budget":
                monkeypatch.setattr(asking, "IN_ALL", (Limit(1, timedelta(minutes=1)),))
                asking.ask(host.url, asking.Sort.DOCUMENTS_AGAIN, most=9_000, kinds=documents.KINDS)
                host.asked.clear()
            else:
                for _ in range(asking.AT_ONCE):
                    held.enter_context(asking._place(asking.Sort.DOCUMENTS_AGAIN))
            return dance.authorize(signed_in, host.app)

    clock.move(minutes=119)
    assert crowded().status_code == 200
    clock.move(minutes=2)
    page = crowded()

    assert stopped(page)
    assert "wait a m" in page.text
    assert len(host.asked) == (how == "places")


@OPEN
@pytest.mark.standard("J-11")
def test_another_name_or_other_addresses_are_read_and_an_open_question_is_asked_again(signed_in, host, clock):
    host.headers["Cache-Control"] = "max-age=60"
    page = dance.authorize(signed_in, host.app)
    host.document |= {"client_name": "Farnotes", "redirect_uris": [CALLBACK, "https://other.example/cb"]}
    dance.authorize(signed_in, host.app)
    assert len(host.asked) == 1
    clock.move(minutes=2)
    dance.authorize(signed_in, host.app)

    again = dance.decide(signed_in, page)

    assert again.status_code == 200
    assert "This app was changed while the page was open" in again.text
    assert "Farnotes" in again.text
    host.document["redirect_uris"] = ["https://other.example/cb"]
    clock.move(minutes=2)
    assert stopped(dance.authorize(signed_in, host.app))


@pytest.mark.settings(client_documents="listed")
def test_only_listed_hosts_are_asked(signed_in, host, app, db):
    assert stopped(dance.authorize(signed_in, host.app))
    with app.app_context():
        policies.save({policies.HOSTS: f"127.0.0.1:{host.port}, app.example.com"})
        db.commit()
        policies.refresh()
    assert document_urls.allowed("https://app.example.com/client.json")
    assert not document_urls.allowed("https://evil.app.example.com/client.json")
    assert not document_urls.allowed("https://app.example.com.evil.example/client.json")
    issued = dance.tokens(signed_in, host.app)

    with app.app_context():
        policies.save({policies.HOSTS: ""})
        db.commit()
        policies.refresh()

    assert dance.refresh(signed_in, host.app, issued["refresh_token"]).status_code == 401
    assert stopped(dance.authorize(signed_in, host.app))
    for wrong in ("https://app.example.com", "App.example.com", "*.example.com", "a" * 300, "x " * 201):
        with pytest.raises(policies.BadPolicies):
            policies.save({policies.HOSTS: wrong})
        db.rollback()


@OPEN
@pytest.mark.standard("J-05")
def test_one_that_was_suspended_stays_so_however_often_it_is_read(app, signed_in, alice, host, clock):
    dance.authorize(signed_in, host.app)
    with app.app_context():
        shutdown.suspend(clients.find(host.url), Cause.ADMINISTRATOR)
        records.commit()
    clock.move(days=2)
    housekeeping.clear()
    enter(signed_in, alice)

    assert stopped(dance.authorize(signed_in, host.app))
    assert clients.find(host.url).suspended_at is not None


@OPEN
@pytest.mark.standard("J-09")
def test_one_person_makes_a_host_be_asked_so_often_and_no_more(signed_in, host, db):
    host.status = 500
    for _ in range(25):
        assert stopped(dance.authorize(signed_in, host.app))

    assert len(host.asked) == 20


@OPEN
@pytest.mark.standard("J-09")
def test_many_at_once_make_one_request(app, alice, host, db, monkeypatch):
    # However busy the machine is, they wait for the one that asks.
    monkeypatch.setattr(documented, "YOUNG_SECONDS", 60.0)
    host.wait = 0.5
    browsers = [enter(app.test_client(), alice) for _ in range(16)]
    barrier = threading.Barrier(16)

    def act(browser):
        barrier.wait()
        return dance.authorize(browser, host.app).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(act, browsers))

    assert answers == [200] * 16
    assert len(host.asked) == 1
    assert count(db) == 1


@OPEN
@pytest.mark.standard("J-09", "A-07")
def test_nobody_waits_long_for_what_another_asks(app, alice, host, monkeypatch, clock):
    """One person held all threads that pages are answered by, as long as a host of theirs liked."""
    monkeypatch.setattr(documented, "YOUNG_SECONDS", 0.0)
    host.headers["Cache-Control"] = "max-age=60"
    first, second = (enter(app.test_client(), alice) for _ in range(2))
    for known in (False, True):
        clock.move(minutes=2)
        with ThreadPoolExecutor(1) as pool:
            with host.silent() as until_somebody_asks:
                slow = pool.submit(dance.authorize, first, host.app)
                assert until_somebody_asks()
                answer = dance.authorize(second, host.app)
                assert not slow.done()
            assert slow.result().status_code == 200

        # What was read last goes on for them.
        assert answer.status_code == (200 if known else 400)
        assert known or "somebody else asks for it at this moment" in answer.text


@OPEN
@pytest.mark.standard("J-09")
def test_while_its_host_takes_its_time_nobody_waits_to_write(app, signed_in, host, db):
    with ThreadPoolExecutor(1) as pool:
        with host.silent() as until_somebody_asks:
            slow = pool.submit(dance.authorize, signed_in, host.app)
            assert until_somebody_asks()
            with app.app_context():
                policies.save({policies.HOSTS: "app.example.com"})
                db.commit()
            assert not slow.done()
        assert slow.result().status_code == 200


def test_production_asks_over_https_alone(settings):
    settings_module.use(replace(settings, mode="production", client_documents="open"))

    assert document_urls.allowed("https://app.example.com/client.json")
    assert not document_urls.allowed("http://127.0.0.1:9/client.json")
    with pytest.raises(fetching.NotFetched):
        fetching.ask("http://127.0.0.1:9/client.json", most=10, kinds=documents.KINDS)


@OPEN
@pytest.mark.standard("J-10", "J-11")
def test_a_sign_in_that_led_where_its_app_leads_no_more_is_over(signed_in, caller, host, clock):
    host.headers["Cache-Control"] = "max-age=60"
    host.document["redirect_uris"] = [CALLBACK, "https://other.example/cb"]
    old = dance.tokens(signed_in, host.app)
    host.document["redirect_uris"] = ["https://other.example/cb"]
    clock.move(seconds=30)
    code = dance.code(signed_in, host.app)
    clock.move(seconds=31)
    stopped(dance.authorize(signed_in, host.app))

    assert dance.refresh(caller, host.app, old["refresh_token"]).json["error"] == "invalid_grant"
    assert dance.redeem(caller, host.app, code).json["error"] == "invalid_grant"
    # It was not used up: named again, it goes on.
    host.document["redirect_uris"] = [CALLBACK]
    clock.move(seconds=61)
    assert dance.authorize(signed_in, host.app).status_code == 200
    assert dance.refresh(caller, host.app, old["refresh_token"]).status_code == 200


@OPEN
@pytest.mark.standard("J-10")
def test_a_pinned_copy_holds_whatever_its_host_says(app, signed_in, host, clock):
    host.headers["Cache-Control"] = "max-age=60"
    dance.authorize(signed_in, host.app)
    with app.app_context():
        client = clients.lock(clients.find(host.url).id)
        assert oversight.pin(client, on=True)
        assert not oversight.pin(client, on=True)
        records.commit()
    host.document |= {"client_name": "Farnotes"}
    clock.move(minutes=5)

    assert "Fieldnotes" in dance.authorize(signed_in, host.app).text
    assert len(host.asked) == 1
    with app.app_context():
        oversight.pin(clients.lock(clients.find(host.url).id), on=False)
        records.commit()
    assert "Farnotes" in dance.authorize(signed_in, host.app).text


@OPEN
@pytest.mark.standard("J-10")
def test_what_was_being_read_while_it_was_pinned_is_not_kept(app, signed_in, host):
    dance.authorize(signed_in, host.app)
    said, keys = documents.read(host.url, json.dumps(host.document | {"client_name": "Farnotes"}).encode())
    with app.app_context():
        oversight.pin(clients.lock(clients.find(host.url).id), on=True)
        records.commit()
        documents.keep(host.url, said, keys, timedelta(hours=1))
        records.commit()

    assert clients.find(host.url).name == "Fieldnotes"


@OPEN
@pytest.mark.standard("J-09")
def test_while_another_process_asks_for_it_nobody_else_does(app, signed_in, host, monkeypatch):
    name = f"document:{sha256(host.url.encode()).hexdigest()[:30]}"
    assert leases.take(name, "another process", timedelta(seconds=10))
    monkeypatch.setattr(documented, "WAITED", 0.2)

    assert stopped(dance.authorize(signed_in, host.app))
    assert host.asked == []
    leases.end(name, "another process")
    assert dance.authorize(signed_in, host.app).status_code == 200
    assert leases.take(name, "another process", timedelta(seconds=10))
