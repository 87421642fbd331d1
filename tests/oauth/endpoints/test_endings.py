"""/oauth/endings: who may follow what ended, what they are told, and how a check's answer says what it hangs on."""

import base64
import json
import threading
import time
import urllib.request
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from latchkey import clients, endings, grants, tokens
from latchkey import settings as used
from latchkey.endings import Kind, guards
from latchkey.endings.waiting import feed
from latchkey.store import prepared
from latchkey.store.session import db
from latchkey.tokens.bearer import reading
from tests import factories, servers
from tests.oauth import dance, signing


@pytest.fixture
def service(bob):
    """An app of Bob's that an administrator marked."""
    made = factories.make_client(bob, name="Service")
    clients.mark_resource_server(made.client, on=True)
    db.commit()
    return made


def basic(registered, secret=None):
    pair = f"{registered.client.id}:{secret or registered.secret}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def ask(caller, registered, **query):
    feed.read()
    db.remove()
    return caller.get("/oauth/endings", query_string=query, headers=basic(registered))


def end(*ids, kind=Kind.USER):
    endings.note(kind, *ids)
    db.commit()


def test_what_ended_since_a_number_in_order(caller, service):
    end("usr_first")
    begun = ask(caller, service)
    assert begun.status_code == 200
    assert begun.headers["Cache-Control"] == "no-store"
    assert (begun.json["reset"], begun.json["endings"]) == (True, [])

    end("usr_a", "usr_b")
    end("app_c", kind=Kind.CLIENT)
    told = ask(caller, service, after=begun.json["next"]).json

    assert told["reset"] is False
    assert [(each["kind"], each["id"]) for each in told["endings"]] == [
        ("user", "usr_a"),
        ("user", "usr_b"),
        ("client", "app_c"),
    ]
    numbers = [each["seq"] for each in told["endings"]]
    assert numbers == sorted(set(numbers))
    assert told["next"] == numbers[-1]
    again = ask(caller, service, after=told["next"]).json
    assert (again["next"], again["reset"], again["endings"]) == (told["next"], False, [])


def test_a_number_from_nowhere_starts_over(caller, service):
    end("usr_a")

    for number in (1, 10**17):
        told = ask(caller, service, after=number).json
        assert told["reset"] is True
        assert ask(caller, service, after=told["next"]).json["reset"] is False


@pytest.mark.standard("F-06")
def test_only_marked_resource_servers_are_told(caller, service, example_client, alice):
    end("usr_secretly")
    public = factories.make_client(alice, name="Public", confidential=False)

    def refused(headers, status, query=""):
        answer = caller.get(f"/oauth/endings{query}", headers=headers)
        assert answer.status_code == status, answer.text
        assert "usr_" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.json["error"]

    assert refused(basic(example_client), 403) == "unauthorized_client"
    assert refused(basic(service, "lk_sec_wrong"), 401) == "invalid_client"
    assert refused({}, 401) == "invalid_client"
    assert refused({"Authorization": f"Bearer {factories.make_token(alice).plaintext}"}, 401) == "invalid_client"
    assert refused({}, 400, f"?client_id={service.client.id}&client_secret={service.secret}") == "invalid_request"
    assert refused(basic(public, "x"), 401) == "invalid_client"
    clients.suspend(service.client)
    db.commit()
    assert refused(basic(service), 401) == "invalid_client"


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("A-07")
@pytest.mark.parametrize(
    "query",
    ["after=-1", "after=x", "after=1.5", "after=" + "9" * 19, "after=1&after=2", "wait=soon", "wait=-1",
     "guard=a%20b", "guard=" + "x" * 41, "guard=%00", "x=" + "y" * 1100, "after=%D9%A1", "token=x"],
)  # fmt: skip
def test_what_is_no_number_is_refused(caller, service, query):
    answer = caller.get(f"/oauth/endings?{query}", headers=basic(service))

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_only_get_and_post(caller, service):
    assert caller.put("/oauth/endings", headers=basic(service)).status_code == 405
    assert caller.head("/oauth/endings", headers=basic(service)).status_code == 200


@pytest.mark.standard("D-03", "D-15")
def test_an_app_sends_its_secret_in_a_form_or_signs_as_at_the_token_endpoint(caller, service, bob):
    keyed, pair = factories.make_client(bob, name="Keyed").client, signing.Pair()
    factories.give_keys(keyed, signing.key_set(pair))
    clients.mark_resource_server(keyed, on=True)
    db.commit()
    end("usr_a")
    feed.read()
    by_secret = {"client_id": service.client.id, "client_secret": service.secret}

    def post(fields, **asked):
        db.remove()
        return caller.post("/oauth/endings", data=fields | asked)

    for proof in (lambda: by_secret, lambda: pair.proof(keyed.id)):
        begun = post(proof())
        assert (begun.status_code, begun.json["reset"]) == (200, True), begun.text
        assert begun.headers["Cache-Control"] == "no-store"
    seq = begun.json["next"]
    end("usr_b")
    feed.read()
    told = post(pair.proof(keyed.id), after=seq, wait=20, guard="one")
    assert [each["id"] for each in told.json["endings"]] == ["usr_b"]

    once = pair.proof(keyed.id)
    assert post(once).status_code == 200
    for wrong in (
        once,
        pair.proof(keyed.id, aud="https://elsewhere.example.com"),
        signing.Pair().proof(keyed.id),
        by_secret | {"client_secret": "lk_sec_wrong"},
        {"client_id": keyed.id},
    ):
        refused = post(wrong)
        assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")
        assert "usr_" not in refused.text
    assert post(by_secret, after="x").status_code == post(by_secret, guard="a b").status_code == 400
    twice = "&".join(f"{name}={value}" for name, value in by_secret.items()) + "&after=1&after=2"
    form = "application/x-www-form-urlencoded"
    assert caller.post("/oauth/endings", data=twice, content_type=form).status_code == 400
    clients.mark_resource_server(clients.find(keyed.id), on=False)
    db.commit()
    assert post(pair.proof(keyed.id)).json["error"] == "unauthorized_client"


def test_a_poll_is_heard_as_how_far_a_guard_has_come(caller, service, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    end("usr_a")
    begun = ask(caller, service, guard="web-1").json
    assert guards._heard == {}, "it has forgotten nothing yet"

    ask(caller, service, guard="web-1", after=begun["next"])

    assert guards.flush() == 1
    [one] = guards.following()
    assert (one.guard.client_id, one.guard.name, one.guard.seq) == (service.client.id, "web-1", begun["next"])


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("number", [0, 1, 5, 10**18 - 1])
def test_the_meter_believes_no_number_that_nobody_gave_a_guard(caller, service, monkeypatch, number):
    """One that is years ahead is in no calendar, and one of long ago took longer than a column holds."""
    monkeypatch.setattr(guards, "_heard", {})
    end("usr_a")

    for after in (number, number - 1 if number > 1 else number):
        assert ask(caller, service, guard="liar", after=after).json["reset"] is True

    assert guards.flush() == 0
    assert guards.following() == []


def test_a_guard_that_starts_long_after_the_last_ending_was_not_slow(caller, service, clock, monkeypatch):
    monkeypatch.setattr(guards, "_heard", {})
    end("usr_a")
    clock.move(days=40)
    begun = ask(caller, service, guard="fresh", after=0).json

    ask(caller, service, guard="fresh", after=begun["next"])

    assert guards.flush() == 1
    [one] = guards.following()
    assert (one.took, one.behind) == (None, timedelta(0))


def checked(caller, token, **headers):
    answer = caller.get("/oauth/check", headers={"Authorization": f"Bearer {token}"} | headers)
    assert answer.status_code == 200, answer.headers
    return answer.headers


def told_since(before):
    feed.read()
    return {ending.id for ending in feed.after(before).endings}


def guarded(caller, plaintext, **headers):
    """What a guard is told."""
    return checked(caller, plaintext, **{"X-Latchkey-Guard": "1"}, **headers)


def test_who_is_no_guard_is_not_told_what_a_token_hangs_on(caller, alice):
    told = checked(caller, factories.make_token(alice).plaintext)

    assert not {"X-Auth-Ends-With", "X-Auth-Remember"} & set(told.keys())


def test_an_answer_names_all_that_it_ends_with(signed_in, caller, alice, example_client):
    issued = dance.tokens(signed_in, example_client)
    token = tokens.find(issued["access_token"])
    authorization = grants.find_authorization(alice, example_client.client)

    told = guarded(caller, issued["access_token"])["X-Auth-Ends-With"].split()

    assert set(told) == {token.id, token.grant_id, authorization.id, example_client.client.id, alice.id}


def test_what_made_a_token_ends_it_too(signed_in, caller, alice, example_client, clock):
    """Each act on anything above a token names something that the answer about it named."""
    grant = grants.allow(alice, example_client.client, ["account:read"], until=clock.now() + timedelta(days=2))
    top = factories.make_token(alice, description="top", scopes=("account:read", "tokens:write"))
    middle = factories.make_token(
        alice, description="middle", scopes=("account:read", "tokens:write"), parent=top.token
    )
    low = factories.make_token(alice, description="low", parent=middle.token)
    end("usr_first")
    before = feed.after(0).next
    answer = guarded(caller, low.plaintext)
    hangs_on = set(answer["X-Auth-Ends-With"].split())
    assert {low.token.id, middle.token.id, top.token.id, alice.id} <= hangs_on

    tokens.narrow(top.token, ("account:read",))
    db.commit()
    assert told_since(before) & hangs_on
    before = feed.after(0).next

    # Its former string goes on, and the others hang on that one.
    tokens.regenerate(top.token, tokens.Renewal(keep=timedelta(hours=1)))
    db.commit()
    assert told_since(before) & hangs_on
    before = feed.after(0).next
    now = set(guarded(caller, low.plaintext)["X-Auth-Ends-With"].split())
    tokens.end_former(top.token)
    db.commit()
    assert told_since(before) & now
    assert grant.live


def test_an_answer_is_remembered_no_longer_than_it_holds(caller, alice, clock):
    made = factories.make_token(alice, lifetime=timedelta(days=1))

    assert guarded(caller, made.plaintext)["X-Auth-Remember"] == "60"
    clock.move(days=1, seconds=-7.5)
    assert guarded(caller, made.plaintext)["X-Auth-Remember"] == "7"


@pytest.mark.settings(trusted_proxies=1)
def test_an_answer_says_that_it_is_for_one_address(caller, alice):
    bound = factories.make_token(alice, addresses=["203.0.113.0/24"], scopes=("account:read", "tokens:write"))
    child = factories.make_token(alice, description="child", lifetime=timedelta(days=1), parent=bound.token)

    for token in (bound, child):
        answer = guarded(caller, token.plaintext, **{"X-Forwarded-For": "203.0.113.9"})
        assert answer["X-Auth-Remember"] == "60; address"


def test_who_remembers_is_never_answered_by_a_replica(caller, alice, settings):
    """It may not know yet of an end that the guard has heard of."""
    used.use(replace(settings, database_read_url="postgresql://replica.invalid/latchkey"))
    made = factories.make_token(alice)

    assert guarded(caller, made.plaintext)["X-Auth-Remember"] == "60"
    with prepared.primary_alone():
        assert [row._at_replica({}) for row, _ in reading.read_to.values()] == [[]] * 3


def test_gateways_keep_nothing_by_themselves(caller, alice):
    assert checked(caller, factories.make_token(alice).plaintext)["Cache-Control"] == "no-store"


@pytest.mark.standard("H-09")
@pytest.mark.settings(check_cache_seconds=10)
def test_gateways_keep_answers_about_what_is_not_sensitive_where_the_operator_wants_it(caller, alice, clock):
    plain = factories.make_token(alice, lifetime=timedelta(days=1))
    sensitive = factories.make_token(alice, description="s", scopes=("account:read", "tokens:write"))

    kept = checked(caller, plain.plaintext)
    assert kept["Cache-Control"] == "max-age=10"
    assert kept["Vary"] == "Authorization"
    assert checked(caller, sensitive.plaintext)["Cache-Control"] == "no-store"
    refused = caller.get("/oauth/check?scope=apps:read", headers={"Authorization": f"Bearer {plain.plaintext}"})
    assert (refused.status_code, refused.headers["Cache-Control"]) == (403, "no-store")
    assert caller.get("/oauth/check").headers["Cache-Control"] == "no-store"

    clock.move(days=1, seconds=-3)
    assert checked(caller, plain.plaintext)["Cache-Control"] == "max-age=3"


@pytest.mark.standard("H-09", "I-12")
@pytest.mark.settings(check_cache_seconds=10, trusted_proxies=1)
def test_an_answer_that_is_kept_about_a_bound_token_is_for_its_caller_alone(caller, alice):
    """A cache that holds to what it is told gives it to nobody from elsewhere."""
    bound = factories.make_token(alice, addresses=["203.0.113.0/24"]).plaintext
    headers = {"Authorization": f"Bearer {bound}", "X-Forwarded-For": "203.0.113.9"}

    kept = caller.get("/oauth/check", headers=headers).headers

    assert (kept["Cache-Control"], kept["Vary"]) == ("max-age=10", "Authorization, X-Forwarded-For")


def follow(server, registered, after, wait):
    url = f"{server.url}/oauth/endings?after={after}&wait={wait}"
    request = urllib.request.Request(url, headers=basic(registered))
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def begin(server, registered):
    """The last number; the server may still remember what another test left for a tenth of a second."""
    stored = db.scalar(select(func.max(endings.Ending.seq)))
    db.rollback()
    servers.wait_until(lambda: follow(server, registered, 0, 0)["next"] == stored, "the last ending")
    return stored


@pytest.mark.slow("starts a server")
def test_who_waits_holds_no_thread_and_is_answered_when_something_ends(live_server, service, alice):
    end("usr_first")
    last = begin(live_server, service)
    told, faults = [], []

    def wait():
        try:
            told.append(follow(live_server, service, last, 25))
        except OSError as error:
            faults.append(error)

    # More than the server has threads.
    waiting = [threading.Thread(target=wait) for _ in range(40)]
    for thread in waiting:
        thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    with urllib.request.urlopen(f"{live_server.url}/docs", timeout=20) as page:
        assert page.status == 200
    assert not told
    tokens.revoke(factories.make_token(alice).token)
    db.commit()
    for thread in waiting:
        thread.join(20)

    assert faults == []
    assert len(told) == 40
    assert time.monotonic() - began < 20
    assert all(part["endings"] and not part["reset"] for part in told)


@pytest.mark.slow("starts a server")
def test_who_waits_for_nothing_hears_that_nothing_ended(live_server, service):
    end("usr_first")
    last = begin(live_server, service)

    told = follow(live_server, service, last, 1)

    assert (told["next"], told["reset"], told["endings"]) == (last, False, [])
    assert told["as_of"] > 0.7
