"""Clients as the protocol sees them: what Authlib asks of one, and how one proves who it is."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, OAuth2Error
from sqlalchemy import bindparam, select

from latchkey import clients, clock, credentials, ids, origin, scopes
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter
from latchkey.clients import Client, ClientSecret, document_urls, redirects
from latchkey.credentials import Kind
from latchkey.store.prepared import PreparedSelect
from latchkey.values import Limit
from oauth.protocol.parameters import Presented

METHODS = ("client_secret_basic", "client_secret_post", "none")
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
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
        """Count a wrong secret; one too many is told to wait."""
        if self.sent.secret is not None:
            network = origin.current.get().network
            wait = max(
                throttle.hit(Counter(f"secret:{self.sent.client_id}", PER_CLIENT)),
                throttle.hit(Counter(f"secrets-from:{network}", PER_ADDRESS)),
            )
            if wait:
                return TooOften(wait, "Too many wrong client secrets. Wait before the next try.")
        return self


class TooOften(OAuth2Error):
    """Wrong secrets, or tokens that open nothing, came faster than one may try (D-08, F-06); `.wait` is in seconds."""

    error = "temporarily_unavailable"
    status_code = 429

    def __init__(self, wait: int, description: str) -> None:
        super().__init__(description)
        self.wait = wait


class Party(ClientMixin):
    """A client that is not suspended, and the answers to Authlib's questions about it."""

    __slots__ = (
        "confidential",
        "device_flow",
        "due",
        "id",
        "pkce_required",
        "redirect_uris",
        "resource_server",
        "scopes",
    )

    def __init__(
        self,
        client_id: str,
        scope: str,
        *,
        confidential: bool,
        pkce_required: bool,
        trusted: bool,
        device_flow: bool = False,
        resource_server: bool = False,
        redirect_uris: Collection[str] = (),
    ) -> None:
        self.id, self.confidential, self.pkce_required = client_id, confidential, pkce_required
        self.resource_server, self.device_flow = resource_server, device_flow
        self.redirect_uris = redirect_uris
        # The secret that proved it, if its use is to be noted, once in a while.
        self.due: str | None = None
        self.scopes = scopes.open_to(scopes.held(scope), trusted=trusted)

    def note_use(self) -> None:
        """Keep when the secret was last used, so that its owner sees when an old one can go (D-12)."""
        if self.due is not None:
            clients.note_secret_use(self.due)

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str:
        """The one that may be left out, if there is just one (B-06)."""
        return next(iter(self.redirect_uris)) if len(self.redirect_uris) == 1 else ""

    def get_allowed_scope(self, scope: Collection[str] | str) -> str:
        """What was asked for, or all that the client is registered for. None when one is not allowed (B-17)."""
        try:
            wanted = scopes.parse(str(scope or "")) or self.scopes
        except scopes.UnknownScope:
            return None  # type: ignore[return-value] # Authlib's way to hear "invalid_scope"; its stubs lag behind
        return scopes.serialize(wanted) if wanted and wanted <= self.scopes else None  # type: ignore[return-value]

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return any(redirects.matches(redirect_uri, registered) for registered in self.redirect_uris)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """A confidential client by either way to send a secret, a public one by none, everywhere (D-03)."""
        return method in SECRET_METHODS if self.confidential else method == "none"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == DEVICE_GRANT:
            return self.device_flow
        return self.confidential or grant_type != "client_credentials"


def of(client: Client) -> Party:
    """A client's record, as Authlib wants to see it."""
    return Party(
        client.id,
        client.scope,
        confidential=client.confidential,
        pkce_required=client.pkce_required,
        trusted=client.trusted,
        device_flow=client.device_flow,
        redirect_uris=client.redirect_uris,
    )


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
        Client.device_flow,
        Client.resource_server,
        Client.suspended_at.is_not(None).label("suspended"),
        ClientSecret.id.label("secret_id"),
        ClientSecret.digest,
        ClientSecret.expires_at,
        ClientSecret.last_used_at,
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
    party = Party(
        first.id,
        first.scope,
        confidential=first.confidential,
        pkce_required=first.pkce_required,
        trusted=first.trusted,
        device_flow=first.device_flow,
        resource_server=first.resource_server,
    )
    if sent.method not in methods or not party.check_endpoint_auth_method(sent.method, endpoint):
        raise NotProved(sent, _misfit(party))
    if sent.secret is not None:
        now = clock.now()
        proof = _proof(sent.secret, rows, now)
        if proof is None:
            raise NotProved(sent, "client secret is wrong or no longer valid")
        if proof.last_used_at is None or proof.last_used_at < now - USED_EVERY:
            party.due = proof.secret_id
    return party


def _misfit(party: Party) -> str:
    if party.confidential:
        return "no client secret was sent, and the app is confidential"
    return "a client secret was sent, or is needed here, and the app is public"


def _proof(plaintext: str, rows: Iterable[Any], now: datetime) -> Any:
    """The row of the secret that this is."""
    if credentials.kind_of(plaintext) is not Kind.SECRET:
        return None
    for row in rows:
        if credentials.matches(plaintext, row.digest) and (row.expires_at is None or row.expires_at > now):
            return row
    return None
