"""A portal with an upstream: the tests' own provider, called Acme."""

import html
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from latchkey.upstream import provider as known
from tests.portal.auth.upstream.provider import CLIENT_ID, CLIENT_SECRET, Provider


@pytest.fixture(scope="session")
def running() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture
def acme(running: Provider) -> Provider:
    """The upstream, as it should be."""
    running.reset()
    known.forget()
    return running


@pytest.fixture
def more_settings(acme: Provider) -> dict[str, object]:
    return {
        "oidc_issuer": acme.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_name": "Acme",
        "require_second_factor": "nobody",
    }


def led_to(page: TestResponse) -> str:
    """Where a page leads by itself."""
    assert page.status_code == 200, page.text[:500]
    return html.unescape(page.text.partition("url=")[2].partition('"')[0])


class Person:
    """Somebody's browser, which goes there and back."""

    def __init__(self, client: FlaskClient, acme: Provider) -> None:
        self.client, self.acme = client, acme

    def leave(self, start: str = "/login/oidc") -> str:
        """Where the browser is sent."""
        answer = self.client.get(start)
        assert answer.status_code == 303, answer.text[:500]
        return answer.location

    def come_back(self, address: str, **claims: object) -> TestResponse:
        return self.client.get(self.acme.approve(address, **claims))

    def sign_in(self, start: str = "/login/oidc", **claims: object) -> TestResponse:
        return self.come_back(self.leave(start), **ADA | claims)


ADA = {"subject": "ada", "email": "ada@example.com", "email_verified": True, "name": "Ada Lindqvist"}


@pytest.fixture
def person(client: FlaskClient, acme: Provider) -> Person:
    return Person(client, acme)


@pytest.fixture
def another(app, acme: Provider) -> Person:
    """Another browser."""
    return Person(app.test_client(), acme)
