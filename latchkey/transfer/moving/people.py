"""Users and apps that come in: whoever is here already is found again and not changed."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from latchkey import clock, ids, scopes, texts
from latchkey.accounts import emails, passwords, users
from latchkey.accounts.users import User
from latchkey.clients import Client, ClientSecret, redirects, rules
from latchkey.clients.record import LONGEST_NAME
from latchkey.clients.rules import BadClient
from latchkey.ids import new_id
from latchkey.naming import names
from latchkey.store.session import db
from latchkey.tokens.imported.record import ForeignRecord
from latchkey.transfer.moving.desk import Desk, before
from latchkey.transfer.moving.lines import BadLine
from latchkey.transfer.moving.records import AppRecord, UserRecord

# Where an app leads whose addresses cannot be kept, until its owner adds one: nowhere (RFC 6761).
NOWHERE = "https://unused.invalid/"
REMOVED = "it came before, and was removed here since"


def bring_users(desk: Desk, batch: Sequence[tuple[int, UserRecord]]) -> None:
    """Find or make the accounts of a batch."""
    keys = {record.id: desk.key("user", record.id, emails.key(record.email)) for _, record in batch}
    known = before(keys.values())
    for _, record in batch:
        desk.claim(record.id, emails.key(record.email))
    wanted = select(User).where(User.email_key.in_({emails.key(record.email) for _, record in batch}))
    here = {user.email_key: user for user in db.scalars(wanted)}
    for line, record in batch:
        if record.id in desk.doubled:
            desk.skip("users", line, f"user {record.id}: another address has the same id, so nothing is theirs")
            continue
        if record.id in desk.users:
            continue
        try:
            user, new = _user(record, here, came_before=keys[record.id] in known)
        except BadLine as error:
            desk.skip("users", line, f"user {record.id}: {error}")
            continue
        if keys[record.id] not in known:
            db.add(ForeignRecord(key=keys[record.id], became=user.id))
            known[keys[record.id]] = user.id
        desk.users[record.id] = user.id
        desk.counts["users"].new += new
        desk.counts["users"].known += not new
    db.flush()


def _user(record: UserRecord, here: dict[str, User], *, came_before: bool) -> tuple[User, bool]:
    if record.left_out:
        raise BadLine(record.left_out)
    try:
        email = emails.address(record.email)
    except emails.InvalidEmail:
        raise BadLine("its e-mail address is none") from None
    user = here.get(emails.key(email))
    if user is None and came_before:
        raise BadLine(REMOVED)
    if user is not None and not user.verified:
        # Whoever signed up with it may be somebody else.
        raise BadLine("its address has an account here that did not verify it")
    if user is not None and user.disabled_at is not None:
        raise BadLine("it is suspended here")
    if user is not None:
        return user, False
    made = User(
        id=new_id("usr"),
        email=email,
        email_key=emails.key(email),
        email_verified_at=clock.now(),
        name=_name(record.name, email),
        # They choose one by the mailed link; those of other systems stay there.
        password_hash=passwords.ENDED,
        created_at=record.created_at or clock.now(),
    )
    db.add(made)
    here[made.email_key] = made
    return made, True


def _name(wanted: str, email: str) -> str:
    for text in (wanted[: users.LONGEST_NAME], email.partition("@")[0][: users.LONGEST_NAME]):
        try:
            return names.check(text, users.LONGEST_NAME)
        except texts.BadText:
            continue
    return "Somebody"


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
            client, new = _app(desk, record, here, known.get(keys[record.id]))
        except BadLine as error:
            desk.skip("apps", line, f"app {record.id}: {error}")
            continue
        if keys[record.id] not in known:
            db.add(ForeignRecord(key=keys[record.id], became=client.id))
            known[keys[record.id]] = client.id
        desk.apps[record.id] = client.id
        desk.counts["apps"].new += new
        desk.counts["apps"].known += not new
    db.flush()


def _app(desk: Desk, record: AppRecord, here: dict[str, Client], became: str | None) -> tuple[Client, bool]:
    if record.left_out:
        raise BadLine(record.left_out)
    found = here.get(became or record.client_id)
    if became is not None and found is None:
        raise BadLine(REMOVED)
    if found is not None and became is None and not _same(found, record):
        raise BadLine("another app here has its client_id")
    if found is not None:
        return found, False
    owner_id = desk.users.get(record.owner) or (desk.owner.id if desk.owner is not None else None)
    if owner_id is None:
        raise BadLine("it has no owner who came in: name one with --owner")
    try:
        name = rules.check_name(record.name[:LONGEST_NAME] or "Imported app")
    except BadClient as error:
        raise BadLine(f"its name cannot be kept: {error}") from None
    held = desk.scopes(record.scopes) - scopes.CREDENTIAL
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
        created_at=record.created_at or clock.now(),
        counted_since=clock.now(),
    )
    db.add(made)
    db.flush()
    db.add_all(
        ClientSecret(client_id=made.id, digest=digest, last4=last4, expires_at=expires_at)
        for digest, last4, expires_at in record.secrets
    )
    here[made.id] = made
    return made, True


def _same(found: Client, record: AppRecord) -> bool:
    """Whether an app is the one of an export of this very installation: its secrets are."""
    told = {digest for digest, _, _ in record.secrets}
    return not record.confidential or not told.isdisjoint(secret.digest for secret in found.secrets)


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
