"""Stopping an app: suspended, cut off from its users, or deleted.

What tells many people works in parts and yields after each of them, for its caller to commit: a letter takes
milliseconds, and nobody else may write meanwhile.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, select, update
from sqlalchemy.orm import contains_eager

from latchkey import clients, clock, endings, grants, notices, origin
from latchkey.accounts.users import User
from latchkey.clients import Cause, Client
from latchkey.grants import Authorization, EndReason, Grant
from latchkey.journal.calls import counts
from latchkey.store.session import affected, db
from latchkey.tokens import Token

PART = 50
GRANTS = 500


def suspend(client: Client, cause: Cause, reason: str | None = None) -> bool:
    """Stop an app from its next request on, and tell its owner. Whether it was not stopped for this cause already.

    What it asked people before is over: codes end, and so do questions that wait for an answer.
    """
    if not clients.suspend(client, cause, reason):
        return False
    _end_codes(client)
    if cause is not Cause.DELETION:
        notices.app_suspended(client.owner, client, cause)
    return True


def _end_codes(client: Client) -> None:
    """End the sign-ins of an app whose code was not redeemed yet; those that have tokens go on after a restoration."""
    unredeemed = ~exists().where(Token.grant_id == Grant.id)
    ended = update(Grant).where(Grant.client_id == client.id, Grant.ended_at.is_(None), unredeemed)
    values = {"ended_at": clock.now(), "end_reason": EndReason.SUSPENDED}
    db.execute(ended.values(values).execution_options(synchronize_session=False))


def restore(client: Client, cause: Cause) -> bool:
    """Lift a cause, and tell the owner if the app goes on now; whether it does."""
    goes_on = clients.restore(client, cause)
    if goes_on:
        notices.app_restored(client.owner, client)
    return goes_on


def tell_users(client: Client) -> Iterator[int]:
    """Write to everybody who lets a suspended app act for them; yields how many letters each part had."""
    last = ""
    while people := _following(client, last):
        with origin.elsewhere():
            for authorization in people:
                notices.app_stopped(authorization.user, client)
        last = people[-1].id
        yield len(people)


def cut_off(client: Client) -> Iterator[int]:
    """End what everybody lets an app do, and tell them; yields how many each part had."""
    while ended := grants.withdraw_all(client, PART):
        with origin.elsewhere():
            for authorization in ended:
                notices.authorization_withdrawn(authorization.user, client, by_user=False)
        yield len(ended)


def delete(client: Client) -> Iterator[int]:
    """Delete an app with all that hangs on it; yields how many users each part cut off, and once before the end.

    It is suspended first, so that nobody joins meanwhile; whoever is interrupted can begin again.
    """
    suspend(client, Cause.DELETION)
    yield 0
    yield from cut_off(client)
    while _clear(client):
        yield 0
    if clients.lock(client.id) is not None:
        notices.app_deleted(client.owner, client)
        clients.remove(client)
        # After the client, in the order in which writers of counts lock them.
        counts.forget(client.id)


def after_leak(suspects: Iterable[Client]) -> list[Client]:
    """Suspend apps that were made or changed with a token that has leaked; those that this stopped."""
    return [client for client in suspects if suspend(client, Cause.LEAK)]


def _following(client: Client, last: str) -> list[Authorization]:
    """The next part of those who let a client act for them, after the last one that was seen."""
    standing = select(Authorization).where(
        Authorization.client_id == client.id, Authorization.withdrawn_at.is_(None), Authorization.id > last
    )
    with_users = standing.join(Authorization.user).options(contains_eager(Authorization.user))
    # Locked, so that none is deleted before this part is committed: repeating it would send the other letters twice.
    held = with_users.with_for_update(of=User, read=True, key_share=True)
    return list(db.scalars(held.order_by(Authorization.id).limit(PART)))


def _clear(client: Client) -> int:
    """Remove some sign-ins of a client that is to be deleted, with their tokens; how many."""
    endings.note(endings.Kind.CLIENT, client.id)
    some = select(Grant.id).where(Grant.client_id == client.id).order_by(Grant.id).limit(GRANTS)
    return affected(sql_delete(Grant).where(Grant.id.in_(some)).execution_options(synchronize_session=False))
