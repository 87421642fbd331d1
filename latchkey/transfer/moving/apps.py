"""Apps that come in, with the client_id and the secret that they had: one that is here already is not changed."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from latchkey import clock, credentials, ids, scopes
from latchkey.clients import Client, ClientSecret, redirects, rules
from latchkey.clients.moved import record as moved
from latchkey.clients.moved.record import ForeignClient, ForeignSecret
from latchkey.clients.record import LONGEST_NAME
from latchkey.clients.rules import BadClient
from latchkey.ids import new_id
from latchkey.store.session import db
from latchkey.transfer.moving.desk import REMOVED, UNKNOWN, Desk, before, remember
from latchkey.transfer.moving.lines import BadLine
from latchkey.transfer.moving.records import AppRecord
from latchkey.transfer.moving.systems import ours

# Where an app leads whose addresses cannot be kept, until its owner adds one: nowhere (RFC 6761).
NOWHERE = "https://unused.invalid/"


def bring_apps(desk: Desk, batch: Sequence[tuple[int, AppRecord]]) -> None:
    """Find or make the apps of a batch."""
    keys = {record.id: desk.key("app", record.id, record.client_id) for _, record in batch}
    known = before(keys.values())
    wanted = {*known.values(), *(record.client_id for _, record in batch)}
    here = {client.id: client for client in db.scalars(select(Client).where(Client.id.in_(wanted)))}
    for line, record in batch:
        if record.id in desk.apps or record.id in desk.personal:
            continue
        if record.personal:
            desk.personal.add(record.id)
            continue
        try:
            client, new = _app(desk, line, record, here, known.get(keys[record.id]))
        except BadLine as error:
            desk.skip("apps", line, f"app {record.id}: {error}")
            continue
        remember(known, keys[record.id], client.id)
        desk.apps[record.id] = client.id
        desk.count("apps", new=new)
    db.flush()


def _app(desk: Desk, line: int, record: AppRecord, here: dict[str, Client], became: str | None) -> tuple[Client, bool]:
    if record.left_out:
        raise BadLine(record.left_out)
    found = here.get(became or record.client_id)
    if became is not None and found is None:
        raise BadLine(REMOVED)
    if found is not None and became is None and not (desk.system == ours.SYSTEM and _same(found, record)):
        # Elsewhere, who registers an app may write whatever client_id they like.
        raise BadLine("another app here has its client_id")
    if found is not None:
        return found, False
    made = _made(desk, record)
    for note in filter(None, (record.note, _keep_id(made, record), _keep_secrets(made, record))):
        desk.notes.append((line, f"app {record.id}: {note}"))
    here[made.id] = made
    return made, True


def _made(desk: Desk, record: AppRecord) -> Client:
    """Keep an app. Raises `BadLine`."""
    owner_id = desk.users.get(record.owner) or (desk.owner.id if desk.owner is not None else None)
    if owner_id is None:
        raise BadLine("it has no owner who came in: name one with --owner")
    try:
        name = rules.check_name(record.name[:LONGEST_NAME] or "Imported app")
    except BadClient as error:
        raise BadLine(f"its name cannot be kept: {error}") from None
    held = desk.scopes({*record.scopes, *desk.asked.get(record.id, ())}) - scopes.CREDENTIAL
    since = record.created_at or clock.now()
    made = Client(
        id=record.client_id if ids.is_id(record.client_id, "app") else new_id("app"),
        owner_id=owner_id,
        name=name,
        homepage=_homepage(record.homepage),
        redirect_uris=list(_uris(record.redirect_uris)) or [NOWHERE],
        scope=scopes.serialize(held),
        optional_scope=scopes.serialize(desk.scopes(record.optional) & held),
        confidential=record.confidential,
        pkce_required=record.pkce_required or not record.confidential,
        created_at=since,
        counted_since=clock.now(),
    )
    db.add(made)
    db.flush()
    return made


def _keep_id(made: Client, record: AppRecord) -> str:
    """Let it be known by the client_id that it had; why not, if so."""
    name = credentials.digest(record.client_id)
    if made.id == record.client_id:
        return ""
    if not moved.can_be_kept(record.client_id) or db.get(ForeignClient, name) is not None:
        return f"another app has its client_id, or it is none that can be kept: it is {made.id} here"
    db.add(ForeignClient(name=name, client_id=made.id))
    return ""


def _keep_secrets(made: Client, record: AppRecord) -> str:
    """Let its secrets go on; why one does not, if so."""
    if not made.confidential:
        return ""
    taken = select(ClientSecret.digest).where(ClientSecret.digest.in_([digest for digest, _, _ in record.secrets]))
    if db.scalar(taken.limit(1)) is not None:
        return "another app has its secret: rotate it"
    db.add_all(
        ClientSecret(client_id=made.id, digest=digest, last4=last4 or UNKNOWN, expires_at=expires_at)
        for digest, last4, expires_at in record.secrets
    )
    if record.proof:
        # No string has it: the secret opens nothing until its own is seen.
        placeholder = credentials.digest(credentials.opaque())
        kept = ClientSecret(client_id=made.id, digest=placeholder, last4=UNKNOWN)
        db.add(kept)
        db.flush()
        db.add(ForeignSecret(secret_id=kept.id, proof=record.proof))
    return ""


def _same(found: Client, record: AppRecord) -> bool:
    """Whether an app is the one of an export of this very installation: its secrets are, if it has any."""
    told = {digest for digest, _, _ in record.secrets}
    if not record.confidential:
        return not found.confidential
    return not told.isdisjoint(secret.digest for secret in found.secrets)


def _homepage(written: str) -> str:
    try:
        return rules.check_homepage(written)
    except BadClient:
        return ""


def _uris(written: Iterable[str]) -> Iterable[str]:
    for uri in list(dict.fromkeys(written))[: redirects.MOST]:
        try:
            yield redirects.check(uri)
        except redirects.BadRedirectURI:
            continue
