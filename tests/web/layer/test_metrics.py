"""`/metrics`: who may read it, what it counts, and that several workers are one."""

import contextlib
import json
import re
import subprocess
import threading
import urllib.request

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parsed
from sqlalchemy import create_engine

from latchkey.mail import outbox
from latchkey.settings import ROOT
from latchkey.store import queue
from tests import factories, programs, servers

TOKEN = "metrics-token-of-these-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COUNTED = pytest.mark.settings(metrics_token=TOKEN)


def figures(text: str) -> dict[tuple, float]:
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def test_without_a_token_in_the_settings_there_is_no_such_page(client):
    assert client.get("/metrics", headers=BEARER).status_code == 404


@COUNTED
@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"],
)
def test_whoever_has_another_token_reads_nothing(client, given):
    answer = client.get("/metrics", headers={"Authorization": given} if given is not None else {})

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "latchkey_" not in answer.text


@COUNTED
def test_requests_refusals_and_tokens_are_counted_by_route(client, alice):
    token = factories.make_token(alice, scopes=["tokens:write", "account:read"]).plaintext
    client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    client.get("/v1/me", headers={"Authorization": "Bearer nothing"})
    body = {"description": "Child", "scopes": ["account:read"], "expires_in_days": 1}
    client.post("/v1/tokens", json=body, headers={"Authorization": f"Bearer {token}"})

    found = figures(client.get("/metrics", headers=BEARER).text)

    assert found["latchkey_requests_total", "/v1/me", "200"] == 1
    assert found["latchkey_requests_total", "/v1/me", "401"] == 1
    assert found["latchkey_refusals_total", "unauthenticated"] == 1
    assert found["latchkey_tokens_issued_total", "developer"] == 1
    assert found["latchkey_request_seconds_count", "/v1/me"] == 2


@COUNTED
def test_what_strangers_send_makes_no_labels(client):
    for number in range(30):
        client.get(f"/made-up/{number}")
        client.get(f"/tokens/tok_{number:028d}")
        client.open("/", method=f"VERB{number}")

    found = figures(client.get("/metrics", headers=BEARER).text)

    routes = {labels for name, *labels in found if name == "latchkey_requests_total" for labels in labels}
    assert not [route for route in routes if "made-up" in route or "tok_" in route]
    assert len(routes) < 12


@COUNTED
def test_letters_guessing_and_sessions_are_gauges(app, db, client, alice):
    with app.test_request_context():
        outbox.post(alice.email, "address_taken")
        db.commit()

    found = figures(client.get("/metrics", headers=BEARER).text)

    assert found["latchkey_letters", "waiting"] == 1
    assert found["latchkey_database_up",] == 1
    assert found["latchkey_guesses",] == 0
    assert found["latchkey_oldest_letter_seconds",] >= 0


@COUNTED
def test_no_secret_and_no_address_of_a_person_is_among_the_figures(client, alice):
    minted = factories.make_token(alice)
    client.get("/v1/me", headers={"Authorization": f"Bearer {minted.plaintext}"})

    text = client.get("/metrics", headers=BEARER).text

    for private in (minted.plaintext, alice.email, alice.id, TOKEN, "127.0.0.1"):
        assert private not in text


@pytest.mark.either_database("added up without the database")
@pytest.mark.slow("starts a server with two workers")
def test_two_workers_are_added_up(settings):
    more = {"LATCHKEY_DATABASE_URL": settings.database_url, "LATCHKEY_METRICS_TOKEN": TOKEN}
    with servers.latchkey(settings.instance, workers=2, **more) as server:
        for _ in range(40):
            urllib.request.urlopen(f"{server.url}/healthz").close()
        request = urllib.request.Request(f"{server.url}/metrics", headers=BEARER)
        with urllib.request.urlopen(request) as answer:
            found = figures(answer.read().decode())

    assert found["latchkey_requests_total", "/healthz", "200"] >= 40


def test_the_dashboard_and_the_alerts_ask_for_metrics_that_there_are():
    page = (ROOT / "docs/operate/monitoring.md").read_text()
    dashboard = json.loads((ROOT / "docs/operate/grafana.json").read_text())
    rules = yaml.safe_load((ROOT / "docs/operate/alerts.yml").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    known = {name.split("{")[0].removesuffix("_total") for name in page.split("`") if name.startswith("latchkey_")}

    for expression in asked:
        for name in re.findall(r"latchkey_[a-z_]+", expression):
            assert name.removesuffix("_total").removesuffix("_bucket") in known, name


def test_every_alert_has_its_test():
    rules = yaml.safe_load((ROOT / "docs/operate/alerts.yml").read_text())
    told = yaml.safe_load((ROOT / "docs/operate/alerts.test.yml").read_text())

    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    tried = [each for test in told["tests"] for each in test["alert_rule_test"]]

    assert {each["alertname"] for each in tried if each["exp_alerts"]} == alerts
    assert {each["alertname"] for each in tried if not each["exp_alerts"]} == alerts


@pytest.mark.slow("runs Prometheus on the alerts")
def test_the_alerts_speak_when_they_should():
    promtool = programs.promtool()
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus); what the rules name is tested without it")
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        told = subprocess.run(
            [promtool, *command], cwd=ROOT / "docs/operate", capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stdout + told.stderr


def test_who_waits_for_a_connection_of_the_pool_is_told(tmp_path, monkeypatch):
    waited, taken, let_go = [], threading.Event(), threading.Event()
    monkeypatch.setattr(queue, "pool_watchers", [waited.append])
    engine = create_engine(f"sqlite:///{tmp_path / 'pool.db'}", poolclass=queue.Pool, pool_size=1, max_overflow=1)

    def hold():
        with engine.connect(), engine.connect():
            taken.set()
            let_go.wait(60)

    @contextlib.contextmanager
    def a_moment():
        threading.Timer(0.1, let_go.set).start()
        yield

    holding = threading.Thread(target=hold)
    holding.start()
    taken.wait(60)
    assert waited == []
    monkeypatch.setattr(queue, "waiting", a_moment)
    with engine.connect():
        pass
    holding.join()
    engine.dispose()

    [seconds] = waited
    assert 0.05 < seconds < 60


@COUNTED
def test_waits_for_connections_are_among_the_figures(client):
    assert "latchkey_pool_wait_seconds_count" in client.get("/metrics", headers=BEARER).text
