"""How clients prove who they are, and how one that does not is refused."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, OAuth2Error
from sqlalchemy import bindparam, select

from latchkey import clients, clock, credentials, ids, origin
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter, TooMany
from latchkey.clients import Client, ClientSecret, document_urls
from latchkey.clients.keys import proving
from latchkey.clients.keys.assertions import BadAssertion
from latchkey.credentials import Kind
from latchkey.store.prepared import PreparedSelect, kept
from latchkey.values import Limit
from oauth.protocol.parameters import Presented
from oauth.protocol.party import KEY_METHOD, SECRET_METHODS, Party

# Those that prove who asks, and all.
PROVING_METHODS = (*SECRET_METHODS, KEY_METHOD)
METHODS = (*PROVING_METHODS, "none")
USED_EVERY = timedelta(minutes=1)
# Wrong secrets, per client and per address. The right one always passes: strangers cannot lock an app out, and
# 178 random bits are not found by trying.
PER_CLIENT = (Limit(20, timedelta(minutes=10)),)
PER_ADDRESS = (Limit(300, timedelta(minutes=10)),)


class Noted(OAuth2Error):
    """A refusal that is written down before it is told, when the request that it ends holds nothing any more."""

    def note(self) -> OAuth2Error:
        """Write it down; what is told instead, mostly the same."""
        raise NotImplementedError


class NotProved(InvalidClientError, Noted):
    """Credentials that prove nobody; `.reason` says why, in words for the app's owner."""

    def __init__(self, sent: Presented, reason: str) -> None:
        super().__init__()
        self.sent, self.reason = sent, reason

    def note(self) -> OAuth2Error:
        """Count a wrong secret or assertion; one too many is told to wait."""
        if self.sent.secret is not None or self.sent.assertion is not None:
            network = origin.current.get().network
            wait = max(
                throttle.hit(Counter(f"secret:{self.sent.client_id}", PER_CLIENT)),
                throttle.hit(Counter(f"secrets-from:{network}", PER_ADDRESS)),
            )
            if wait:
                return TooOften(wait, "Too many wrong client secrets or assertions. Wait before the next try.")
        return self


class TooOften(OAuth2Error):
    """What proves or opens nothing came faster than one may try (D-08, F-06); `.wait` is in seconds."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, wait: int, description: str) -> None:
        super().__init__(description)
        self.wait = wait


def of(client: Client) -> Party:
    """A client's record, as Authlib wants to see it."""
    return Party(client, client.redirect_uris)


def find(client_id: str) -> Party | None:
    """A client that may ask for something now."""
    client = clients.find(client_id)
    return None if client is None or client.suspended_at is not None else of(client)


_facts = (
    select(
        Client.id,
        Client.scope,
        Client.confidential,
        Client.pkce_required,
        Client.trusted,
        Client.keyed,
        Client.owner_id.is_not(None).label("answered_for"),
        Client.device_flow,
        Client.resource_server,
        Client.suspended_at.is_not(None).label("suspended"),
        ClientSecret.id.label("secret_id"),
        ClientSecret.digest,
        kept(ClientSecret.expires_at).label("expires"),
        kept(ClientSecret.last_used_at).label("last_used"),
    )
    .select_from(Client)
    .outerjoin(ClientSecret, ClientSecret.client_id == Client.id)
)
_known = PreparedSelect("Known", _facts.where(Client.id == bindparam("client_id"), Client.document_url.is_(None)))
_documented = PreparedSelect("Documented", _facts.where(Client.document_url == bindparam("client_id")))


def proved(sent: Presented, methods: Iterable[str], endpoint: str) -> Party:
    """The client that these credentials prove, in one statement that reads. Raises `NotProved`.

    Unknown clients, suspended ones and wrong secrets cannot be told apart (D-06).
    """
    rows: list[Any] = []
    if ids.is_id(sent.client_id, "app"):
        rows = _known.all(client_id=sent.client_id)
    elif document_urls.allowed(sent.client_id):
        rows = _documented.all(client_id=sent.client_id)
    if not rows:
        raise NotProved(sent, "there is no such app")
    first = rows[0]
    if first.suspended:
        raise NotProved(sent, "the app is suspended")
    party = Party(first)
    if sent.method not in methods or not party.check_endpoint_auth_method(sent.method, endpoint):
        raise NotProved(sent, _misfit(party))
    if party.keyed and sent.proof != party.id:
        raise NotProved(sent, "the assertion was not looked at")
    if sent.secret is not None:
        now = clock.now()
        proof = _proof(sent.secret, rows, now)
        if proof is None:
            raise NotProved(sent, "client secret is wrong or no longer valid")
        if proof.last_used is None or clock.read(proof.last_used) < now - USED_EVERY:
            party.due = proof.secret_id
    return party


def signed(sent: Presented) -> Presented:
    """The same, when its assertion has proved whose it is; it is used up. Raises `NotProved`, `TooOften`."""
    if sent.assertion is None:
        return sent
    try:
        return sent._replace(proof=proving.prove(sent.assertion))
    except BadAssertion as bad:
        raise NotProved(sent, str(bad)) from None
    except TooMany as many:
        raise TooOften(many.wait, "Too many assertions of this app in a few minutes. Use tokens for longer.") from None


def _misfit(party: Party) -> str:
    if party.keyed:
        return "no client_assertion was sent, and the app proves itself by its keys"
    if party.confidential:
        return "no client secret was sent, and the app is confidential"
    return "a client secret was sent, or is needed here, and the app is public"


def _proof(plaintext: str, rows: Iterable[Any], now: datetime) -> Any:
    """The row of the secret that this is."""
    if credentials.kind_of(plaintext) is not Kind.SECRET:
        return None
    for row in rows:
        if credentials.matches(plaintext, row.digest) and (row.expires is None or clock.read(row.expires) > now):
            return row
    return None
