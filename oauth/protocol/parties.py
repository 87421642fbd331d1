"""How clients prove who they are, and how one that does not is refused."""

from collections import namedtuple
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, OAuth2Error
from sqlalchemy import bindparam, or_, select

from latchkey import clients, clock, credentials, ids, origin
from latchkey.accounts import limits, throttle
from latchkey.accounts.throttle import Counter, TooMany
from latchkey.clients import Client, ClientSecret, document_urls
from latchkey.clients.moved import record as moved
from latchkey.clients.moved.record import ForeignSecret
from latchkey.credentials import Kind
from latchkey.store.prepared import PreparedSelect, kept
from latchkey.store.session import UtcDateTime
from latchkey.tokens import usage
from latchkey.tokens.imported.secrets import UnprovedSecret
from latchkey.values import Limit
from oauth.protocol.parameters import Presented
from oauth.protocol.party import KEY_METHOD, SECRET_METHODS, Party

# The methods that authenticate a client, and these with `none`.
PROVING_METHODS = (*SECRET_METHODS, KEY_METHOD)
METHODS = (*PROVING_METHODS, "none")
# How often the use of a secret is written, as for tokens.
USED_EVERY = usage.NOTED_EVERY
# Wrong secrets, per client and per address. The right one always passes: strangers cannot lock an app out, and
# 178 random bits are not found by trying.
PER_CLIENT = (Limit(20, timedelta(minutes=10)),)
PER_ADDRESS = (Limit(300, timedelta(minutes=10)),)
WRONG = "client secret is wrong or no longer valid"
TWICE = "another app has the same client secret: rotate it"


class Noted(OAuth2Error):
    """A refusal that leaves a record, written after the transaction of its request and before the answer."""

    def note(self) -> OAuth2Error:
        """Write the record. Returns the error to answer with, mostly this one."""
        raise NotImplementedError


class NotProved(InvalidClientError, Noted):
    """Wrong credentials; `.reason` says why, in words for the app's owner."""

    def __init__(self, sent: Presented, reason: str) -> None:
        super().__init__()
        self.sent, self.reason = sent, reason

    def note(self) -> OAuth2Error:
        """Count a wrong secret or assertion, at once by all; one too many is counted by none and told to wait."""
        if self.sent.secret is not None or self.sent.assertion is not None:
            network = limits.of_network("secrets-from", origin.current.get().network, PER_ADDRESS)
            if wait := throttle.hit(Counter(f"secret:{self.sent.client_id}", PER_CLIENT), *network):
                return TooOften(wait, "Too many wrong client secrets or assertions. Wait before the next try.")
        return self


class Unproved(NotProved):
    """The secret may be that of an imported app, whose slow hash is compared where that delays nobody else."""

    def __init__(self, sent: Presented, row: Any) -> None:
        super().__init__(sent, WRONG)
        self._secret = UnprovedSecret(sent.secret or "", row.proof, row.secret_id)

    def settled(self) -> Presented:
        """The same credentials, when they are known now. Raises `NotProved`, `TooOften`."""
        try:
            right = self._secret.settled()
        except TooMany as many:
            raise TooOften(many.wait, "Too many secrets that take long to compare. Wait before the next try.") from None
        if not right:
            raise self
        if not self._secret.kept:
            raise NotProved(self.sent, TWICE)
        return self.sent


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


FACTS = (
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
        Client.proofs_ended,
        Client.suspended_at.is_not(None).label("suspended"),
        ClientSecret.id.label("secret_id"),
        ClientSecret.digest,
        kept(ClientSecret.expires_at).label("expires"),
        kept(ClientSecret.last_used_at).label("last_used"),
    )
    .select_from(Client)
    .outerjoin(ClientSecret, ClientSecret.client_id == Client.id)
)
_names = [str(column.key) for column in FACTS.selected_columns]
Facts: Any = namedtuple("Facts", _names)  # type: ignore[misc] # noqa: PYI024 - its columns stand there
BY_ID = (Client.id == bindparam("client_id"), Client.document_url.is_(None))
# One of ours that is proved by its secret, as `proved` has it: whoever is not found so may ask that one why.
BY_SECRET = (
    *BY_ID,
    Client.suspended_at.is_(None),
    Client.confidential,
    Client.keyed.is_(False),
    ClientSecret.client_id == Client.id,
    ClientSecret.digest == bindparam("secret"),
    or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > bindparam("now", type_=UtcDateTime)),
)
_known = PreparedSelect("Known", FACTS.where(*BY_ID), row=Facts)
_documented = PreparedSelect("Documented", FACTS.where(Client.document_url == bindparam("client_id")), row=Facts)
_moved = PreparedSelect(
    "Moved",
    FACTS.add_columns(ForeignSecret.proof)
    .outerjoin(ForeignSecret, ForeignSecret.secret_id == ClientSecret.id)
    .where(Client.id == moved.named(bindparam("name"))),
)


def proved(sent: Presented, methods: Iterable[str], endpoint: str, rows: Sequence[Any] | None = None) -> Party:
    """The client that these credentials prove, in one statement that reads. Raises `NotProved`, `Unproved`.

    Unknown clients, suspended ones and wrong secrets cannot be told apart (D-06). `rows` are what was just read.
    """
    if rows is None:
        rows = _rows(sent.client_id)
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
            raise _unproved(sent, rows, now)
        if proof.last_used is None or clock.read(proof.last_used) < now - USED_EVERY:
            party.due = proof.secret_id
    return party


def _rows(client_id: str) -> list[Any]:
    """A client and its secrets, by an id of ours, the address of its document, or the id that it had elsewhere."""
    if ids.is_id(client_id, "app"):
        return _known.all(client_id=client_id)
    if document_urls.allowed(client_id):
        return _documented.all(client_id=client_id)
    name = moved.name(client_id)
    return _moved.all(name=name) if name is not None else []


def _misfit(party: Party) -> str:
    if party.keyed:
        return "no client_assertion was sent, and the app proves itself by its keys"
    if party.confidential:
        return "no client secret was sent, and the app is confidential"
    return "a client secret was sent, or is needed here, and the app is public"


def may_be_secret(plaintext: str) -> bool:
    """Whether this could be a secret of ours, or of an app that moved in. No database."""
    return credentials.begins_as(plaintext, Kind.SECRET) or moved.may_be_secret(plaintext)


def _proof(plaintext: str, rows: Iterable[Any], now: datetime) -> Any:
    """The row of the secret that this is."""
    if not may_be_secret(plaintext):
        return None
    for row in rows:
        # An imported app may have no secret of ours.
        if row.digest is not None and credentials.matches(plaintext, row.digest) and _lives(row, now):
            return row
    return None


def _lives(row: Any, now: datetime) -> bool:
    return row.expires is None or clock.read(row.expires) > now


def _unproved(sent: Presented, rows: Iterable[Any], now: datetime) -> NotProved:
    """Why a secret opens nothing; by another system's client_id alone it may be one that is still to be proved."""
    if not ids.is_id(sent.client_id, "app") and moved.may_be_secret(sent.secret or ""):
        for row in rows:
            if getattr(row, "proof", None) is not None and _lives(row, now):
                return Unproved(sent, row)
    return NotProved(sent, WRONG)
