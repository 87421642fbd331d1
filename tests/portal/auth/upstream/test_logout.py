"""Back-channel logout: the upstream ends sessions by a signed token, at once, each token once."""

import pytest
from sqlalchemy import func, select

from latchkey import clock as real_clock
from latchkey.accounts import users
from latchkey.accounts.challenges import SpentChallenge
from latchkey.store.session import db
from latchkey.upstream import provider as known
from tests import factories, pages
from tests.crowd import at_once
from tests.factories import PASSWORD
from tests.portal.auth.upstream.conftest import ADA
from tests.portal.auth.upstream.provider import LOGOUT

pytestmark = pytest.mark.standard("L-13")


def send(client, token: object):
    return client.post("/login/oidc/logout", data={"logout_token": token})


def signed_in(person) -> bool:
    return person.client.get("/tokens").status_code == 200


def test_a_subject_is_signed_out_everywhere(acme, client, person, another):
    person.sign_in(sid="one")
    another.sign_in(sid="two")

    answer = send(client, acme.logout_token(sub="ada"))

    assert (answer.status_code, answer.headers["Cache-Control"], answer.data) == (200, "no-store", b"")
    assert not signed_in(person)
    assert not signed_in(another)


@pytest.mark.parametrize("named", [{"sid": "one"}, {"sid": "one", "sub": "ada"}], ids=str)
def test_a_session_there_ends_what_came_in_by_it(acme, app, person, another, named):
    person.sign_in(sid="one")
    another.sign_in(sid="two")

    assert send(app.test_client(), acme.logout_token(**named)).status_code == 200

    assert not signed_in(person)
    assert signed_in(another)
    assert "Your sessions here were ended by" in another.client.get("/activity").text


@pytest.mark.parametrize("named", [{"sub": "eve"}, {"sid": "two"}, {"sid": "one", "sub": "eve"}], ids=str)
def test_somebody_elses_end_ends_nothing(acme, person, app, named):
    person.sign_in(sid="one")

    assert send(app.test_client(), acme.logout_token(**named)).status_code == 200

    assert signed_in(person)


REFUSED = [
    {"aud": "another"},
    {"aud": ["portal", "another"]},
    {"iss": "https://evil.example"},
    {"events": None},
    {"events": {}},
    {"events": [LOGOUT]},
    {"events": {LOGOUT: "x"}},
    {"nonce": "x"},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"sub": None, "sid": ""},
    {"sid": 7},
    {"sid": "x" * 300},
    {"jti": None},
    {"jti": ""},
    {"jti": 7},
    {"iat": None},
    {"iat": 1},
    {"iat": 2**40},
    {"iat": True},
    {"exp": 1},
    {"exp": "soon"},
]


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("claims", REFUSED, ids=str)
def test_a_token_that_is_no_logout_token_for_us_ends_nothing(acme, person, app, claims):
    person.sign_in(sid="one")

    answer = send(app.test_client(), acme.logout_token(**({"sub": "ada"} | claims)))

    assert (answer.status_code, answer.json) == (400, {"error": "invalid_request"})
    assert signed_in(person)


def test_an_id_token_ends_nothing_and_a_logout_token_lets_nobody_in(acme, person, another, app):
    person.sign_in()
    assert send(app.test_client(), acme.signed(acme.claims(**ADA))).status_code == 400
    acme.sign = lambda claims: acme.signed(claims | {"events": {LOGOUT: {}}})
    assert another.sign_in().status_code == 403

    assert signed_in(person)


@pytest.mark.parametrize(
    "sent", [{}, {"logout_token": ""}, {"logout_token": "x"}, {"logout_token": ["a", "b"]}], ids=str
)
def test_what_is_no_token_is_refused_and_leaves_no_row(acme, app, sent):
    assert app.test_client().post("/login/oidc/logout", data=sent).status_code == 400
    assert db.scalar(select(func.count()).select_from(SpentChallenge)) == 0


def test_a_token_counts_once(acme, person, another, app):
    person.sign_in()
    token = acme.logout_token(sub="ada")
    assert send(app.test_client(), token).status_code == 200
    acme_says = real_clock.now().timestamp() + 1
    another.sign_in(iat=int(acme_says))

    assert send(app.test_client(), token).status_code == 400
    assert signed_in(another)


def test_one_token_sent_sixteen_times_at_once_counts_once(acme, person, app, monkeypatch):
    person.sign_in()
    token = acme.logout_token(sub="ada")
    for most in ("MOST_WAITING", "MOST_OF_NETWORK", "MOST_OF_SITE"):
        monkeypatch.setattr(known, most, 16)

    statuses = at_once(*[lambda: send(app.test_client(), token).status_code] * 16)

    assert sorted(statuses) == [200, *[400] * 15]


def test_an_old_token_is_refused_as_long_as_its_id_may_be_forgotten(acme, person, app, clock):
    person.sign_in()
    token = acme.logout_token(sub="ada", exp=int(clock.moment.timestamp()) + 3600)
    clock.move(minutes=8)

    assert send(app.test_client(), token).status_code == 400


def test_a_sign_in_that_was_under_way_comes_too_late(acme, person, another, app):
    person.sign_in()
    back = acme.approve(another.leave(), **ADA)
    token = acme.logout_token(sub="ada", iat=int(real_clock.now().timestamp()) + 60)

    send(app.test_client(), token)
    answer = another.client.get(back)

    assert answer.status_code == 403
    assert "signed you out meanwhile" in answer.text


def test_while_the_upstream_is_away_it_is_told_to_try_again(acme, person, app):
    person.sign_in()
    token = acme.logout_token(sub="ada")
    known.forget()
    acme.instead["/keys"] = lambda _: (500, "text/plain", b"")

    assert send(app.test_client(), token).status_code == 503
    acme.instead.clear()
    assert send(app.test_client(), token).status_code == 200
    assert not signed_in(person)


def test_no_page_has_to_ask_for_it(acme, person, app):
    """It comes from a server: no cookie, no form, no page of ours."""
    person.sign_in()
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}

    answer = app.test_client().post(
        "/login/oidc/logout", data={"logout_token": acme.logout_token(sub="ada")}, headers=headers
    )

    assert answer.status_code == 200
    assert not signed_in(person)


def test_a_session_by_a_password_of_ones_own_goes_on(acme, person, app):
    person.sign_in()
    user = users.find_by_email("ada@example.com")
    factories.set_password(users.lock(user.id), PASSWORD)
    db.commit()
    by_password = pages.sign_in(app.test_client(), user)

    send(app.test_client(), acme.logout_token(sub="ada"))

    assert not signed_in(person)
    assert by_password.get("/tokens").status_code == 200
