"""Redirect URIs are compared as they are, loopback ports aside (B-04, B-05)."""

import pytest

from latchkey import clients
from latchkey.store.session import db
from tests import factories
from tests.oauth import dance

HTTPS = "https://app.example.com/callback"
LOOPBACK = "http://127.0.0.1/callback"
LOCALHOST = "http://localhost:8000/callback"
IPV6 = "http://[::1]/callback"
PRIVATE = "com.example.app:/callback"

MUTATIONS = [
    (HTTPS, "https://app.example.com/callback/"),
    (HTTPS, "https://app.example.com/callbac"),
    (HTTPS, "https://app.example.com/callback2"),
    (HTTPS, "https://app.example.com/Callback"),
    (HTTPS, "https://APP.example.com/callback"),
    (HTTPS, "HTTPS://app.example.com/callback"),
    (HTTPS, "http://app.example.com/callback"),
    (HTTPS, "https://app.example.com:443/callback"),
    (HTTPS, "https://app.example.com:8443/callback"),
    (HTTPS, "https://app.example.com/callback?x=1"),
    (HTTPS, "https://app.example.com/callback?"),
    (HTTPS, "https://app.example.com/callback#"),
    (HTTPS, "https://app.example.com/callback#fragment"),
    (HTTPS, "https://app.example.com/callback;x"),
    (HTTPS, "https://app.example.com/./callback"),
    (HTTPS, "https://app.example.com/x/../callback"),
    (HTTPS, "https://app.example.com/x/%2e%2e/callback"),
    (HTTPS, "https://app.example.com//callback"),
    (HTTPS, "https://app.example.com/%63allback"),
    (HTTPS, "https://app.example.com\\callback"),
    (HTTPS, "https://user@app.example.com/callback"),
    (HTTPS, "https://app.example.com@evil.example/callback"),
    (HTTPS, "https://app.example.com.evil.example/callback"),
    (HTTPS, "https://evil.example/callback"),
    (HTTPS, "https://sub.app.example.com/callback"),
    (HTTPS, "https://app.example.com./callback"),
    (HTTPS, "https://app.example.com/callback "),
    (HTTPS, " https://app.example.com/callback"),
    (HTTPS, "https://app.example.com/callback\t"),
    (HTTPS, "//app.example.com/callback"),
    (HTTPS, "/callback"),
    (LOOPBACK, "http://127.0.0.1:4711/other"),
    (LOOPBACK, "http://user@127.0.0.1:4711/callback"),
    (LOOPBACK, "http://localhost:4711/callback"),
    (LOOPBACK, "http://127.0.0.2:4711/callback"),
    (LOOPBACK, "http://[::1]:4711/callback"),
    (LOOPBACK, "https://127.0.0.1:4711/callback"),
    (LOOPBACK, "http://127.0.0.1:99999/callback"),
    (LOOPBACK, "http://127.0.0.1:/callback"),
    (LOOPBACK, "http://127.0.0.1:0/callback"),
    (LOOPBACK, "http://127.0.0.1:80@evil.example/callback"),
    (LOOPBACK, "http://127.0.0.1:4711.evil.example/callback"),
    (LOOPBACK, "http://127.0.0.1.evil.example:4711/callback"),
    (LOOPBACK, "http://2130706433:4711/callback"),
    (LOOPBACK, "http://127.0.0.1:4711/callback?x"),
    (LOCALHOST, "http://127.0.0.1:8000/callback"),
    (LOCALHOST, "http://localhost.evil.example:8000/callback"),
    (IPV6, "http://[::ffff:127.0.0.1]:4711/callback"),
    (IPV6, "http://[0:0:0:0:0:0:0:1]:4711/callback"),
    (PRIVATE, "com.example.app:/callback/"),
    (PRIVATE, "com.example.app://callback"),
    (PRIVATE, "com.example.app:///callback"),
    (PRIVATE, "COM.example.app:/callback"),
    (PRIVATE, "com.example.app2:/callback"),
]


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("B-04")
@pytest.mark.parametrize("registered, sent", MUTATIONS)
def test_another_uri_is_an_error_page(signed_in, bob, registered, sent):
    app = factories.make_client(bob, redirect_uris=(registered,))

    answer = dance.authorize(signed_in, app, redirect_uri=sent)

    assert answer.status_code == 400, answer.headers
    assert "Location" not in answer.headers
    assert "evil.example" not in answer.text


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("B-18")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "registered, sent",
    [
        (HTTPS, HTTPS),
        (LOOPBACK, "http://127.0.0.1/callback"),
        (LOOPBACK, "http://127.0.0.1:4711/callback"),
        ("http://127.0.0.1:3000/callback?a=b", "http://127.0.0.1:65535/callback?a=b"),
        (LOCALHOST, "http://localhost:9000/callback"),
        (IPV6, "http://[::1]:4711/callback"),
        (PRIVATE, PRIVATE),
    ],
)
def test_the_registered_uri_is_used_as_it_was_sent(signed_in, bob, registered, sent):
    app = factories.make_client(bob, redirect_uris=(registered,))

    answer = dance.decide(signed_in, dance.authorize(signed_in, app, redirect_uri=sent))

    joint = "&" if "?" in sent else "?"
    assert answer.headers["Location"].startswith(f"{sent}{joint}code=")


@pytest.mark.standard("A-06", "B-03")
@pytest.mark.parametrize("named", [True, False])
def test_an_address_that_cannot_be_taken_apart_leads_nowhere(signed_in, bob, named):
    app = factories.make_client(bob)
    app.client.redirect_uris = ["https://[:::]/cb"]
    db.commit()

    answer = dance.authorize(signed_in, app, redirect_uri="https://[:::]/cb" if named else None)

    assert answer.status_code == 400
    assert "Location" not in answer.headers


@pytest.mark.standard("A-06")
def test_a_homepage_that_cannot_be_taken_apart_is_left_out(signed_in, bob):
    app = factories.make_client(bob)
    app.client.homepage = "https://[:::]"
    db.commit()

    assert dance.authorize(signed_in, app).status_code == 200
    with pytest.raises(clients.BadClient):
        factories.make_client(bob, homepage="https://[:::]")
