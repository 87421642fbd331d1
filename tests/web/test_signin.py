import pytest
from flask import current_app, session
from flask_login import current_user, login_required, login_user

from latchkey.accounts import sessions
from latchkey.store.session import db as records
from tests import factories
from tests.pages import csrf
from web import signin


@pytest.fixture
def app(app, alice):
    """With a way in that needs no form, a private page and a form."""

    @app.get("/stage/enter")
    def enter():
        session.clear()
        login_user(sessions.open(alice))
        records.commit()
        return "in"

    @app.route("/stage/private", methods=["GET", "POST"])
    @login_required
    def private():
        return current_user.user.email

    @app.route("/stage/form", methods=["GET", "POST"])
    def form():
        signin.csrf.protect()
        return f'<input name="csrf_token" value="{current_app.jinja_env.globals["csrf_token"]()}">'

    return app


@pytest.fixture
def token(client):
    return csrf(client.get("/stage/form"))


def send(client, token, **headers):
    return client.post("/stage/form", data={"csrf_token": token}, headers=headers)


def test_the_cookie_of_a_plain_installation(client):
    cookie = client.get("/stage/enter").headers["Set-Cookie"]

    assert cookie.startswith("latchkey=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie


@pytest.mark.standard("M-03")
@pytest.mark.settings(base_url="https://portal.example.com")
def test_the_cookie_of_an_https_installation_belongs_to_its_host_alone(client):
    cookie = client.get("/stage/enter").headers["Set-Cookie"]

    assert cookie.startswith("__Host-latchkey=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert len(cookie) < 4096


def test_a_signed_in_browser_is_known(client, alice):
    client.get("/stage/enter")

    answer = client.get("/stage/private")

    assert answer.text == alice.email
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Cookie" in answer.headers["Vary"]
    assert answer.headers["X-Robots-Tag"] == "noindex"


def test_a_session_that_ended_is_over_whatever_the_cookie_says(client, alice):
    client.get("/stage/enter")
    (live,) = sessions.list_live(alice)
    sessions.end(live)
    records.commit()

    assert client.get("/stage/private").status_code == 303


def test_use_keeps_a_session_alive(client, alice, clock):
    client.get("/stage/enter")
    for _ in range(3):
        clock.move(hours=11)
        assert client.get("/stage/private").status_code == 200

    clock.move(hours=12, seconds=1)
    assert client.get("/stage/private").status_code == 303


def test_signing_in_leads_back_to_the_page_that_was_asked_for(client):
    answer = client.get("/stage/private?a=b%20c&d=e")

    assert answer.status_code == 303
    assert answer.location == "/login?next=/stage/private?a%3Db%2520c%26d%3De"


def test_an_action_leads_back_to_the_page_that_it_stood_on(client):
    here = client.post("/stage/private", headers={"Referer": "http://localhost/tokens?page=2"})
    elsewhere = client.post("/stage/private", headers={"Referer": "https://evil.example/tokens"})

    assert here.location == "/login?next=/tokens?page%3D2"
    assert elsewhere.location == "/login"


def test_a_swap_without_a_session_opens_the_sign_in_page_as_a_whole(client):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost/tokens"}

    answer = client.get("/stage/private", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/tokens"


def test_an_answer_to_nobody_reads_no_session(client):
    answer = client.get("/v1/nowhere")

    assert "Cookie" not in answer.headers.get("Vary", "")
    assert "Set-Cookie" not in answer.headers


def test_endpoints_for_programs_do_not_look_at_cookies(client, app):
    @app.get("/v1/stage/private", endpoint="stage_api")
    def private():
        return {"signed_in": current_user.is_authenticated, "session": dict(session)}

    client.get("/stage/enter")

    assert client.get("/stage/private").status_code == 200
    assert client.get("/v1/stage/private").json == {"signed_in": False, "session": {}}


@pytest.mark.standard("H-08")
def test_a_token_opens_no_page(client, alice):
    bearer = {"Authorization": f"Bearer {factories.make_token(alice).plaintext}"}

    answer = client.get("/stage/private", headers=bearer)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_form_is_taken(client, token, site):
    assert send(client, token, **{"Sec-Fetch-Site": site}).status_code == 200


def test_a_browser_that_says_nothing_over_plain_http_is_judged_by_its_token(client, token):
    assert send(client, token).status_code == 200
    assert send(client, "").status_code == 400
    assert send(client, token[:-1]).status_code == 400


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://[bad"},
        {"Referer": "https://evil.example/http://localhost/"},
    ],
)
def test_a_form_that_another_site_sent_is_refused_whatever_its_token(client, token, headers):
    assert send(client, token, **headers).status_code == 403


@pytest.mark.settings(base_url="https://portal.example.com")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "headers,status",
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://portal.example.com"}, 200),
        ({"Referer": "https://portal.example.com/login"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Referer": "https://evil.example/"}, 403),
        ({}, 403),
    ],
)
def test_a_proxy_that_hides_the_host_changes_no_judgement(client, headers, status):
    inside = "https://10.0.0.7:5000"
    token = csrf(client.get("/stage/form", base_url=inside))

    answer = client.post("/stage/form", data={"csrf_token": token}, headers=headers, base_url=inside)

    assert answer.status_code == status


def test_the_token_of_one_session_is_nothing_in_another(app, client, token):
    stranger = app.test_client()
    stranger.get("/stage/form")

    assert send(stranger, token).status_code == 400


@pytest.mark.standard("M-02")
def test_a_token_from_before_signing_in_is_nothing_after(client, token):
    client.get("/stage/enter")

    assert send(client, token).status_code == 400


@pytest.mark.standard("N-02")
def test_a_form_may_stay_open_for_hours(client, token, clock):
    clock.move(hours=5)

    assert send(client, token).status_code == 200
