"""An app and the token that it asks about, read at once: whom that proves, and whom the slow way proves."""

import pytest

from latchkey import clients, credentials
from latchkey.clients import ClientSecret, suspension
from latchkey.credentials import Kind
from latchkey.store.session import db
from oauth.endpoints import together
from oauth.protocol import parties
from oauth.protocol.parameters import Presented
from oauth.protocol.parties import NotProved
from tests import factories
from tests.oauth import dance


def sent(registered, secret=None):
    return Presented(registered.client.id, secret or registered.secret, "client_secret_basic")


@pytest.fixture
def token(alice):
    return factories.make_token(alice)


def test_every_live_secret_proves_an_app_and_none_that_ended(caller, token, example_client, clock):
    newer = clients.rotate_secret(example_client.client, by=None)
    db.commit()

    for secret in (example_client.secret, newer):
        found = together.find(sent(example_client, secret), token.plaintext)
        assert (found.id, found.token[1].token_id) == (example_client.client.id, token.token.id)
    clock.move(days=30)

    assert together.find(sent(example_client), token.plaintext) is None
    assert together.find(sent(example_client, newer), token.plaintext).id == example_client.client.id
    answer = dance.post(caller, "/oauth/introspect", example_client, token=token.plaintext)
    assert answer.status_code == 401


@pytest.mark.standard("D-06")
def test_whom_a_secret_does_not_prove_is_not_read_together_and_refused(token, alice, example_client):
    other = factories.make_client(alice, name="Other")
    public = factories.make_client(alice, name="Public", confidential=False)
    suspended = factories.make_client(alice, name="Suspended")
    suspension.suspend(suspended.client)
    # As another system may have told it, by its digest: too short to be anybody's.
    db.add(ClientSecret(client_id=example_client.client.id, digest=credentials.digest("short"), last4="????"))
    keyed = factories.make_client(alice, name="Keyed")
    keyed.client.keyed = True
    db.commit()

    for registered, secret in (
        (example_client, credentials.generate(Kind.SECRET)),
        (example_client, other.secret),
        (example_client, "short"),
        (example_client, "x" * 5_000),
        (example_client, "\udc80"),
        (public, other.secret),
        (suspended, suspended.secret),
        (keyed, keyed.secret),
    ):
        assert together.find(sent(registered, secret), token.plaintext) is None
        with pytest.raises(NotProved):
            parties.proved(sent(registered, secret), parties.PROVING_METHODS, "introspection")


@pytest.mark.standard("D-12")
def test_the_use_of_a_secret_is_due_once_a_minute(token, example_client, clock):
    def due():
        return together.find(sent(example_client), token.plaintext).due

    secret = clients.live_secrets(example_client.client)[0].id
    assert due() == secret
    clients.note_secret_use(secret)
    assert due() is None
    clock.move(seconds=59)
    assert due() is None
    clock.move(seconds=2)
    assert due() == secret


@pytest.mark.standard("I-01")
def test_a_string_that_is_no_token_of_ours_by_its_checksum_is_not_read(alice, token, example_client):
    flipped = token.plaintext[:-1] + ("0" if token.plaintext[-1] != "0" else "1")
    token.token.digest = credentials.digest(flipped)
    db.commit()

    assert together.find(sent(example_client), flipped) is None
